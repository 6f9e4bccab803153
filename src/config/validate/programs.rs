//! The programs that a configuration names. Must not know: what they are run for.

use std::path::{Path, PathBuf};

use crate::acme::settings::Publisher;
use crate::config::validate::Config;
use crate::passphrase::Source;

impl Config {
    /// Each program that is the value of a key.
    pub fn programs(&self) -> Vec<PathBuf> {
        let publishers = self.acme.authorities.iter().filter_map(|authority| match &authority.dns {
            Some(Publisher::Program(path)) => Some(path.clone()),
            Some(Publisher::Update(_)) | None => None,
        });
        let own = self.sources().filter_map(|source| source.value.passphrase());
        let passphrases = self.keys.passphrases.iter().chain(own).filter_map(Source::program).map(Path::to_owned);
        publishers.chain(passphrases).collect()
    }
}
