//! `tlsgate version`.

use std::process::ExitCode;

pub(super) fn version() -> ExitCode {
    println!("tlsgate {} (rustls with aws-lc-rs)", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}
