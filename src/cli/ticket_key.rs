//! `tlsgate ticket-key new`.

use std::process::ExitCode;

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::print::{complain, say};
use crate::tls::tickets::Secret;

pub(super) fn new() -> ExitCode {
    match Secret::new() {
        Some(secret) => {
            say(&format!("{}\n", secret.to_base64()));
            ExitCode::SUCCESS
        }
        None => {
            complain("ticket-key: the system has no random bytes");
            FAILED.into()
        }
    }
}
