//! A source of certificates that an authority issues: each is put into a folder of its own when it is there. Must not know:
//! other kinds of source, how they are ordered.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::files::progress;
use crate::tls::certificate::name::Name;
use crate::tls::certificate::source::kind::{Kind, Watched};
use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::error::StoreError;
use crate::tls::certificate::store::loaded::{Loaded, Pending};
use crate::tls::certificate::store::origin::{Kept, Origin};

/// Certificates for the same names, one for each kind of key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// The name of the authority.
    pub authority: Arc<str>,
    pub names: Vec<Name>,
    pub addresses: Vec<IpAddr>,
    /// The kinds of key, as they are written.
    pub keys: Vec<&'static str>,
    /// One for each kind of key: the folder in which the certificate is.
    pub folders: Vec<PathBuf>,
}

impl Ordered {
    fn files(folder: &Path) -> [PathBuf; 2] {
        [folder.join(CERTIFICATE), folder.join(KEY)]
    }
}

impl Kind for Ordered {
    /// What does not exist yet is no error. What cannot be used is none either, since another one is ordered in its place.
    fn load(&self, loading: &mut Loading<'_>) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded { is_ordered: true, ..Loaded::default() };
        for folder in &self.folders {
            let [cert, key] = Self::files(folder);
            let origin = Origin::of(cert, Some(key));
            if let Some(kept) = current_or_last_good(folder, &origin, &mut loaded, loading) {
                loaded.items.push(loading.keep(origin, kept, false));
            }
        }
        // With one kind of key, most clients are served. Those that cannot use it learn that there is no common scheme.
        if loaded.items.is_empty() {
            loaded.pending.push(Pending {
                authority: Arc::clone(&self.authority),
                names: self.names.clone(),
                addresses: self.addresses.clone(),
            });
        }
        Ok(loaded)
    }

    fn watched(&self) -> Watched {
        Watched { files: self.folders.iter().flat_map(|folder| Self::files(folder)).collect(), folders: Vec::new() }
    }

    fn shown(&self) -> Value {
        let Self { authority, names, addresses, keys, folders: _ } = self;
        let names = names.iter().map(ToString::to_string).chain(addresses.iter().map(ToString::to_string));
        json!({ "acme": &**authority, "names": names.collect::<Vec<_>>(), "keys": keys })
    }

    /// Its folders are not named in the configuration, and resolved already.
    fn resolve(&mut self, _: &Path) {}
}

/// `None` where there is none yet.
fn current_or_last_good(folder: &Path, origin: &Origin, loaded: &mut Loaded, loading: &Loading<'_>) -> Option<Kept> {
    // The folder is replaced as a whole, but its files are opened one after the other: the second attempt finds both of the
    // new version.
    let error = match loading.current(origin).or_else(|_| loading.current(origin)) {
        Ok(kept) => return Some(kept),
        Err(error) => error,
    };
    match loading.last_good(origin) {
        // Even where the folder is gone: a file system that cannot exchange folders has none for a moment.
        Some(kept) => {
            loaded.failures.push(error.warning().led_by("keeps its last good version: "));
            Some(kept.outlived())
        }
        None => {
            let found = progress::begin(folder).and_then(|()| fs::symlink_metadata(folder));
            let missing = found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            if !missing {
                loaded.failures.push(error.warning().led_by("skipped: "));
            }
            None
        }
    }
}

/// The files in the folder of an ordered certificate. It holds the whole chain.
pub const CERTIFICATE: &str = "tls.crt";
pub const KEY: &str = "tls.key";
