//! `tlsgate health`: asks a running tlsgate whether it is well, for the health checks of containers, which have no other program
//! that could ask. Must not know: what makes it ready.

use std::process::ExitCode;

use clap::Args;

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::print::{complain, say};
use crate::cli::running::{self, Target};

#[derive(Debug, Args)]
pub(super) struct Question {
    #[command(flatten)]
    target: Target,
    /// Ask only whether it answers at all, also while it drains.
    #[arg(long)]
    live: bool,
}

pub(super) fn health(question: Question) -> ExitCode {
    let (path, well) = if question.live { ("/livez", "alive") } else { ("/readyz", "ready") };
    match running::health(question.target, path) {
        Ok(answer) if answer.status.is_success() => {
            say(&format!("{well}\n"));
            ExitCode::SUCCESS
        }
        Ok(answer) => failed(&answer.error()),
        Err(reason) => failed(&reason),
    }
}

fn failed(reason: &str) -> ExitCode {
    complain(reason);
    FAILED.into()
}
