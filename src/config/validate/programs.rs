//! The programs that a configuration names, and the modules of tokens. Must not know: what they are run for.

use std::path::{Path, PathBuf};

use crate::config::located::{ConfigError, Located, Text};
use crate::config::validate::Config;
use crate::passphrase::Source;

impl Config {
    /// Each program that is the value of a key, with its place.
    pub fn programs(&self) -> Vec<Located<PathBuf>> {
        let publishers = self.authority_files.iter().filter_map(|files| files.program.clone());
        let shared = self.keys.written.iter().filter_map(|one| Some(one.with(one.value.program()?.to_owned())));
        let own =
            self.sources().filter_map(|source| Some(source.with(source.value.passphrase()?.program()?.to_owned())));
        publishers.chain(shared).chain(own).collect()
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
