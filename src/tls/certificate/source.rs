//! Files and folders → certificates, with every problem told by path; remembers what it loaded.
//!
//! A file that did not change is not read again, and what can no longer be read keeps its last good version.
//! Must not know: which listener they are for, configuration.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use thiserror::Error;

use crate::files::{self, progress};
use crate::tls::certificate::certified::{Certificate, CertificateError};
use crate::tls::certificate::name::Name;
use crate::tls::certificate::pem::PemError;
use crate::tls::certificate::select::Entry;
use crate::tls::certificate::stamp::Stamp;
use crate::warning::Warning;

mod build;
mod content;
mod folder;
mod layout;
mod leftover;
mod twins;

use build::{Kept, Origin};
use content::Content;
pub use folder::files;
pub use twins::merge;

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder, or a file with certificates and key in it.
    Path(PathBuf),
    /// Two files, or three, and what the configuration says about them.
    Pair { cert: PathBuf, key: PathBuf, chain: Option<PathBuf>, names: Option<Vec<Name>>, default: bool },
}

impl Source {
    /// What it names: a folder, or files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let (first, key, chain) = match self {
            Self::Path(path) => (path, None, None),
            Self::Pair { cert, key, chain, .. } => (cert, Some(key), chain.as_ref()),
        };
        std::iter::once(first).chain(key).chain(chain).map(PathBuf::as_path)
    }

    /// It in JSON, with the keys that the configuration has for it: a text, or an object. Paths are shown, and nothing of
    /// what is in the files.
    pub fn shown(&self) -> Value {
        match self {
            Self::Path(path) => json!(path.display().to_string()),
            Self::Pair { cert, key, chain, names, default } => {
                let mut shown = json!({
                    "cert": cert.display().to_string(),
                    "key": key.display().to_string(),
                    "default": default,
                });
                if let (Some(names), Some(shown)) = (names, shown.as_object_mut()) {
                    shown.insert("names".into(), names.iter().map(ToString::to_string).collect());
                }
                if let (Some(chain), Some(shown)) = (chain, shown.as_object_mut()) {
                    shown.insert("chain".into(), chain.display().to_string().into());
                }
                shown
            }
        }
    }
}

/// A certificate, and what is to be known of its files.
#[derive(Debug, Clone)]
pub struct Found {
    pub entry: Entry,
    /// The file with its key.
    pub key: PathBuf,
    /// Whether everyone can read that.
    pub exposed: bool,
    /// What was not read of its files, and what does not verify.
    pub warnings: Vec<Warning>,
}

/// What came of a source.
#[derive(Debug, Default)]
pub struct Loaded {
    pub found: Vec<Found>,
    /// What stands in a folder and looks as if it were to be served, but is not.
    pub warnings: Vec<Warning>,
    /// One for each certificate of a folder that could not be loaded.
    pub failures: Vec<Warning>,
}

/// Why a source that was named cannot be used. The texts begin with the path.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("{path}: {reason}", path = .0.display(), reason = files::reason(.1))]
    Read(PathBuf, std::io::Error),
    #[error("{path}: {1}", path = .0.display())]
    Pem(PathBuf, PemError),
    #[error("{0}: {1}")]
    Certificate(String, CertificateError),
    #[error("{path}: {1}", path = .0.display())]
    Foreign(PathBuf, &'static str),
}

/// Certificates as they were last loaded.
#[derive(Debug, Default)]
pub struct Store {
    kept: HashMap<Origin, Kept>,
    plain: HashMap<PathBuf, Plain>,
    /// What is in files of which no certificate was made.
    looked_at: HashMap<PathBuf, (Option<Stamp>, Content)>,
}

/// A file that is none of ours to take apart.
#[derive(Debug, Clone)]
struct Plain {
    bytes: Arc<[u8]>,
    stamp: Option<Stamp>,
}

/// How far a store believes that a file is what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// If the kernel says that it has not changed.
    Stamps,
    /// Only if its bytes are the same.
    Bytes,
}

/// A load under way. The store before it stays as it is: which of the two lives on is decided when it is known whether
/// everything succeeded.
#[derive(Debug)]
pub struct Loading<'s> {
    before: &'s Store,
    /// What the store before it has by file and by folder.
    known: Known<'s>,
    after: Store,
    trust: Trust,
    now: SystemTime,
}

/// Certificates that folders gave, by where they were.
#[derive(Debug, Default)]
struct Known<'s> {
    of_certificate: HashMap<&'s Path, &'s Kept>,
    in_folder: HashMap<&'s Path, Vec<&'s Origin>>,
}

impl Store {
    /// The files of the private keys, by their certificates.
    pub fn key_files(&self) -> HashMap<*const Certificate, &Path> {
        self.kept.iter().map(|(origin, kept)| (Arc::as_ptr(&kept.certificate), origin.key_file())).collect()
    }

    pub fn loading(&self, trust: Trust, now: SystemTime) -> Loading<'_> {
        let mut known = Known::default();
        for (origin, kept) in self.kept.iter().filter(|(origin, _)| origin.names.is_none() && origin.chain.is_none()) {
            known.of_certificate.insert(&origin.cert, kept);
            if let Some(folder) = origin.cert.parent() {
                known.in_folder.entry(folder).or_default().push(origin);
            }
        }
        Loading { before: self, known, after: Self::default(), trust, now }
    }
}

impl Loading<'_> {
    /// Loads one source. What was named in so many words must load; of a folder, what cannot be used keeps its last good
    /// version, or is left out if there is none.
    pub fn load(&mut self, source: &Source) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        match source {
            Source::Pair { cert, key, chain, names, default } => {
                let origin =
                    Origin { cert: cert.clone(), key: Some(key.clone()), chain: chain.clone(), names: names.clone() };
                let kept = self.current(&origin)?;
                self.keep(origin, kept, *default, &mut loaded);
            }
            Source::Path(path) => {
                let metadata = progress::begin(path).and_then(|()| fs::metadata(path));
                let metadata = metadata.map_err(|error| StoreError::Read(path.clone(), error))?;
                if metadata.is_dir() {
                    self.folder(path, &mut loaded)?;
                } else {
                    let origin = Origin::found(path.clone(), None);
                    let kept = self.current(&origin)?;
                    self.keep(origin, kept, false, &mut loaded);
                }
            }
        }
        Ok(loaded)
    }

    /// The bytes of a file that nobody need keep secret; the very same where it did not change.
    pub fn plain(&mut self, path: &Path) -> Result<Arc<[u8]>, StoreError> {
        if let Some(plain) = self.after.plain.get(path) {
            return Ok(Arc::clone(&plain.bytes));
        }
        let before = self.before.plain.get(path);
        let stamp = Stamp::of(path, self.now);
        let unchanged = |plain: &&Plain| self.trust == Trust::Stamps && stamp.is_some() && plain.stamp == stamp;
        let bytes = match before.filter(unchanged) {
            Some(plain) => Arc::clone(&plain.bytes),
            None => {
                let read = files::read(path, files::LARGEST_LIST);
                let read = read.map_err(|error| StoreError::Read(path.to_owned(), error))?.bytes;
                let same = before.filter(|plain| *plain.bytes == *read);
                same.map_or_else(|| read.into(), |plain| Arc::clone(&plain.bytes))
            }
        };
        self.after.plain.insert(path.to_owned(), Plain { bytes: Arc::clone(&bytes), stamp });
        Ok(bytes)
    }

    /// The store as it is after everything was loaded.
    pub fn finish(self) -> Store {
        self.after
    }

    fn keep(&mut self, origin: Origin, kept: Kept, default: bool, loaded: &mut Loaded) {
        let entry = Entry { certificate: Arc::clone(&kept.certificate), default };
        let (key, warnings) = (origin.key_file().to_owned(), kept.warnings.clone());
        loaded.found.push(Found { entry, key, exposed: kept.exposed, warnings });
        self.after.kept.insert(origin, kept);
    }
}

impl StoreError {
    /// Whether only one half of a certificate was found where both might have been.
    fn is_half(&self) -> bool {
        match self {
            Self::Certificate(_, error) => matches!(error, CertificateError::NoKey | CertificateError::NoCertificate),
            // It was in the folder a moment ago, or before.
            Self::Read(_, error) => error.kind() == std::io::ErrorKind::NotFound,
            Self::Foreign(..) => true,
            _ => false,
        }
    }

    /// The file, and the reason in words that are the same for all files.
    fn warning(&self) -> Warning {
        let about = |path: &Path| path.display().to_string();
        match self {
            Self::Read(path, error) => Warning::about(about(path), files::reason(error)),
            Self::Pem(path, error) => Warning::about(about(path), error.to_string()),
            Self::Certificate(what, error) => Warning::about(what.as_str(), error.to_string()),
            Self::Foreign(path, why) => Warning::about(about(path), *why),
        }
    }
}
