//! `tlsgate version`: prints the version.

use std::process::ExitCode;

use crate::cli::answer::print::say;

pub(super) fn version() -> ExitCode {
    say(concat!("tlsgate ", env!("CARGO_PKG_VERSION"), " (rustls with aws-lc-rs)\n"));
    ExitCode::SUCCESS
}
