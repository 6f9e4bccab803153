//! `tlsgate ticket-key new`.

use std::process::ExitCode;

use crate::cli::FAILED;
use crate::tls::tickets::Secret;

pub(super) fn new() -> ExitCode {
    match Secret::new() {
        Some(secret) => {
            println!("{}", secret.to_base64());
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("ticket-key: the system has no random bytes");
            FAILED.into()
        }
    }
}
