//! `tlsgate run`. Must not know: how the server works.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::{CUT, FAILED};
use crate::config;
use crate::observe::log;
use crate::reload::Origin;
use crate::server::{Ended, Server, Signals};

pub(super) fn run(path: &Path) -> ExitCode {
    let config = match config::load(path) {
        Ok(config) => config,
        Err(errors) => {
            for error in errors {
                eprintln!("{}: {error}", path.display());
            }
            return FAILED.into();
        }
    };
    let _flush = log::start(config.log.level);
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("cannot wait for signals: {error}");
            return FAILED.into();
        }
    };
    match Server::start(Origin::File(path.to_owned()), config).map(|server| server.run_until_signalled(signals)) {
        Ok(Ended::Orderly) => ExitCode::SUCCESS,
        Ok(Ended::DeadlinePassed) => CUT.into(),
        Err(error) => {
            for line in error.to_string().lines() {
                eprintln!("{}: {line}", path.display());
            }
            FAILED.into()
        }
    }
}
