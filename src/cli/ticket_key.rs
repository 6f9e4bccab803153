//! `tlsgate ticket-key new`: prints a new key for session tickets. Must not know: how tickets are encrypted.

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
            complain("ticket-key: the system provides no random bytes");
            FAILED.into()
        }
    }
}
