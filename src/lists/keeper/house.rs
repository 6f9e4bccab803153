//! The folder of lists, locked: what is read from it and written to it. Must not know: when that is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use crate::files;
use crate::lists::authorities;
use crate::lists::fetch::LARGEST;
use crate::lists::kept;
use crate::lists::kept::Proved;
use crate::lists::memory;
use crate::lists::memory::Memory;
use crate::lists::settings;
use crate::lists::url::Url;
use crate::state::{Folder, Lock};
use crate::tls::crypto;
use crate::tls::trust::lists::points::Point;

/// The folder.
pub(super) struct House {
    folder: Folder,
    _lock: Lock,
}

impl House {
    /// Opens and locks the folder below that of the state. The error is why not.
    pub(super) fn open(state: &Path) -> Result<Self, String> {
        let folder = Folder::open(&settings::folder(state)).map_err(|error| error.to_string())?;
        let Some(lock) = folder.lock().map_err(|error| error.to_string())? else {
            let of = folder.holder().map(|pid| format!(" (process {pid})")).unwrap_or_default();
            return Err(format!("{} is locked by another process{of}", folder.path().display()));
        };
        folder.tidy().map_err(|error| error.to_string())?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What is remembered of a list.
    pub(super) fn memory(&self, url: &Url) -> Memory {
        memory::read(&self.folder, url)
    }

    /// The list that is kept, if these CAs have signed it.
    pub(super) fn kept(&self, url: &Url, ca: &[CertificateDer<'_>]) -> Option<Proved> {
        let path = self.folder.path().join(settings::file(url));
        let read = files::read(&path, LARGEST as u64).ok()?;
        kept::read(&read.bytes, ca).ok()
    }

    /// Keeps a list.
    pub(super) fn keep(&self, url: &Url, list: &Proved) -> Result<(), String> {
        let file = PathBuf::from(settings::file(url));
        let write = || self.folder.write(&file, &list.der);
        // Whoever tidies the folder above can take what is about to be written for something that a crash has left.
        write().or_else(|_| write()).map_err(|error| error.to_string())
    }

    /// Remembers what became of it.
    pub(super) fn remember(&self, url: &Url, memory: &Memory) {
        if let Err(error) = memory::write(&self.folder, url, memory) {
            tracing::warn!(%url, %error, "what became of a list of revoked certificates cannot be written");
        }
    }

    /// The points that peers have shown.
    pub(super) fn points(&self) -> BTreeSet<Point> {
        memory::points(&self.folder)
    }

    /// Remembers them.
    pub(super) fn keep_points(&self, points: &BTreeSet<Point>) {
        if let Err(error) = memory::keep_points(&self.folder, points) {
            tracing::warn!(%error, "distribution points of lists of revoked certificates cannot be written");
        }
    }

    /// Removes lists that are out of date and that nobody asks for any more. Those that are current stay: an operator may take
    /// a change back.
    pub(super) fn clear(&self, wanted: &BTreeSet<String>, now: i64) {
        let entries = fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let stem = name.strip_suffix(settings::EXTENSION).and_then(|name| name.strip_suffix('.'));
            let Some(stem) = stem.filter(|stem| !stem.starts_with('.') && !wanted.contains(*stem)) else { continue };
            if memory::ends(&self.folder, stem).is_none_or(|ends| ends < now) {
                let _ = self.folder.remove(Path::new(name));
                let _ = memory::forget(&self.folder, stem);
            }
        }
    }
}

/// The CAs in some files, and their hash. No CA where a file cannot be read, which the attempt reports.
pub(super) fn authorities_of(ca: &BTreeSet<PathBuf>) -> (Vec<CertificateDer<'static>>, [u8; 32]) {
    let certificates = authorities::read(ca).unwrap_or_default();
    let mut all = Vec::new();
    for certificate in &certificates {
        all.extend_from_slice(&(certificate.len() as u64).to_be_bytes());
        all.extend_from_slice(certificate);
    }
    let hash = crypto::sha256(&all);
    (certificates, hash)
}
