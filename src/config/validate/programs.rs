//! The programs that a configuration names, and the modules of tokens. Must not know: what they are run for.

use std::path::{Path, PathBuf};

use crate::acme::settings::Publisher;
use crate::config::located::{ConfigError, Text};
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

    /// An error for each program and module that a release names: what this machine names itself is fine.
    pub(in crate::config) fn code_of_release(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let refused = |what: &str, path: &Path| format!("found the {what} {}, expected none: {WHY}", path.display());
        for source in self.sources() {
            let module = source.value.token().map(|uri| refused("module", &uri.module));
            let program = source.value.passphrase().and_then(Source::program).map(|path| refused("program", path));
            errors.extend(module.into_iter().chain(program).map(|message| source.error(message)));
        }
        let passphrases = self.keys.written.iter();
        errors.extend(passphrases.filter_map(|one| Some(one.error(refused("program", one.value.program()?)))));
        let publishers = self.authority_files.iter().filter_map(|files| files.program.as_ref());
        errors.extend(publishers.map(|path| path.error(refused("program", &path.value))));
        errors.retain(|error| error.position.is_none_or(|position| position.text == Text::Configuration));
        errors
    }
}

const WHY: &str = "it would run with the rights of the start, which [process] user in fleet.toml takes from the process, and that \
                   process can write releases";
