//! What private keys need before they can be used. Whether it can be read is known only when it is.

use std::path::{Path, PathBuf};

use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::passphrase::Source;

/// `[keys]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Tried in this order on every encrypted key.
    pub passphrases: Vec<Source>,
    /// The same, each with its place.
    pub written: Vec<Located<Source>>,
}

impl Keys {
    /// The files in which a change may open other keys.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.passphrases.iter().filter_map(Source::file)
    }
}

pub(super) fn validated(keys: file::keys::Keys, folder: &Path, errors: &mut Vec<ConfigError>) -> Keys {
    let file::keys::Keys { passphrases } = keys;
    let mut written: Vec<Located<Source>> = Vec::new();
    for one in passphrases.into_iter().flatten() {
        let one = Located { value: one.value.below(folder), at: one.at, path: one.path };
        match written.iter().any(|other| other.value == one.value) {
            true => errors.push(one.error(format!("{:?} is listed twice", one.value.to_string()))),
            false => written.push(one),
        }
    }
    Keys { passphrases: written.iter().map(|one| one.value.clone()).collect(), written }
}
