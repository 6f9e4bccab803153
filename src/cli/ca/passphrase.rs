//! Where a passphrase comes from: a file, the environment, or a person at the terminal. Never an argument, which other users
//! of the machine can see. Must not know: what it encrypts.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal;
use crate::cli::answer::print::complain;
use crate::files;

#[derive(Debug, Args)]
pub(super) struct Source {
    /// A file whose first line is the passphrase of the authority's keys. Without it, the environment variable
    /// TLSGATE_CA_PASSPHRASE counts, and without that you are asked.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// What was found: one passphrase is for all keys, and nobody is asked twice.
    #[arg(skip)]
    known: RefCell<Option<String>>,
}

impl Source {
    /// Whether there is one without asking.
    pub(super) fn is_given(&self) -> bool {
        self.passphrase_file.is_some()
    }

    /// The passphrase of an existing key.
    pub(super) fn ask(&self, key: &Path) -> io::Result<String> {
        self.found(|| terminal::hidden(&format!("Passphrase of {}: ", key.display())))
    }

    /// A passphrase for new keys. A person has to write it twice.
    pub(super) fn choose(&self) -> io::Result<String> {
        self.found(|| {
            let first = terminal::hidden("New passphrase: ")?;
            match terminal::hidden("The same again: ")? == first {
                true => Ok(first),
                false => Err(io::Error::new(io::ErrorKind::InvalidInput, "the two passphrases differ")),
            }
        })
    }

    fn found(&self, ask: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
        if let Some(known) = self.known.borrow().as_ref() {
            return Ok(known.clone());
        }
        let (passphrase, from) = match (&self.passphrase_file, std::env::var(VARIABLE)) {
            (Some(path), _) => (read(path)?, path.display().to_string()),
            (None, Ok(set)) => (set, VARIABLE.to_owned()),
            (None, Err(_)) => (ask()?, "the terminal".to_owned()),
        };
        if passphrase.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("found an empty passphrase in {from}")));
        }
        *self.known.borrow_mut() = Some(passphrase.clone());
        Ok(passphrase)
    }
}

fn read(path: &Path) -> io::Result<String> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {}", path.display(), files::reason(&error)));
    let secret = files::read_secret(path).map_err(named)?;
    if secret.exposed {
        complain(&format!("warning: {}: can be read by everyone", path.display()));
    }
    Ok(secret.text.lines().next().unwrap_or_default().to_owned())
}

const VARIABLE: &str = "TLSGATE_CA_PASSPHRASE";
