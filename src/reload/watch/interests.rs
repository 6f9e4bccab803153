//! A configuration → the files and folders that are read for it. Must not know: where links lead, how they are watched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::validate::Config;
use crate::observe::access::target::Target;
use crate::tls::certificate::source::Source;
use crate::tls::certificate::source::kind::Watched;

/// The files in which a change may lead to another state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interests {
    pub files: BTreeSet<PathBuf>,
    /// Each a file, or a folder in which every file may be a certificate.
    pub folders: BTreeSet<PathBuf>,
    /// Files that the program itself writes, which are never certificates: a change in them must not cause a reload.
    pub written: BTreeSet<PathBuf>,
}

impl Interests {
    /// Leaves out what is in a folder.
    pub fn leave_out(&mut self, folder: &Path) {
        self.files.retain(|path| !path.starts_with(folder));
        self.folders.retain(|path| !path.starts_with(folder));
    }

    /// All that the listeners and backends of a configuration, and the admin server, are read from.
    pub fn of(config: &Config) -> Self {
        let mut interests = Self::default();
        for listener in &config.listeners {
            listener.sources().for_each(|source| interests.add(&source.value));
            let keys = listener.tickets.keys.iter().chain(listener.client_auth_files()).chain(listener.limit_files());
            interests.files.extend(keys.map(|file| file.value.clone()));
            interests.files.extend(listener.tickets.of_fleet.clone());
        }
        config.admin.sources().for_each(|source| interests.add(&source.value));
        interests.files.extend(config.admin.client_auth_files().map(|file| file.value.clone()));
        for backend in &config.backends {
            if let Some(tls) = &backend.tls {
                tls.certificate.iter().for_each(|source| interests.add(&source.value));
                interests.files.extend(tls.ca.iter().chain(&tls.lists.files).map(|file| file.value.clone()));
            }
            interests.files.extend(backend.health.iter().flat_map(|health| health.files()).map(Into::into));
        }
        // An order that has failed for want of one of them is tried again after a reload.
        interests.files.extend(config.authority_files.iter().flat_map(|files| files.paths().cloned()));
        interests.files.extend(config.keys.files());
        if let Target::File(path) = &config.log.access.value {
            interests.written.insert(path.clone());
        }
        interests
    }

    fn add(&mut self, source: &Source) {
        let Watched { files, folders } = source.watched();
        self.files.extend(files);
        self.folders.extend(folders);
    }
}
