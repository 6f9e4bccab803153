//! Certificates as they were last loaded, and a load under way.
//!
//! A file that did not change is not read again, and what can no longer be read keeps its last good version.
//! Must not know: kinds of source, which listener they are for, configuration.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::files;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::select::Entry;
use crate::tls::certificate::stamp::Stamp;
use content::Content;
use error::StoreError;
use loaded::Item;
use origin::{Kept, Origin};

mod build;
pub(in crate::tls::certificate) mod content;
pub mod error;
pub mod loaded;
pub(in crate::tls::certificate) mod origin;

/// Certificates as they were last loaded.
#[derive(Debug, Default)]
pub struct Store {
    kept: HashMap<Origin, Kept>,
    plain: HashMap<PathBuf, Plain>,
    /// What is in files of which no certificate was made.
    looked_at: HashMap<PathBuf, (Option<Stamp>, Content)>,
}

/// A file whose bytes are given out as they are.
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

impl<'s> Loading<'s> {
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

    /// Keeps a certificate for the next time, and gives it out. `named`: whether the operator named it.
    pub(in crate::tls::certificate) fn keep(&mut self, origin: Origin, kept: Kept, named: bool) -> Item {
        let entry = Entry { certificate: Arc::clone(&kept.certificate), default: false };
        let (key, warnings) = (origin.key_file().to_owned(), kept.warnings.clone());
        let item = Item { entry, named, key, exposed: kept.exposed, warnings };
        self.after.kept.insert(origin, kept);
        item
    }

    /// The certificate as it was before. A combined file that lost its key, or a pair whose key is gone, has one, too.
    pub(in crate::tls::certificate) fn last_good(&self, origin: &Origin) -> Option<&'s Kept> {
        let by_file = || self.known.of_certificate.get(origin.cert.as_path()).copied();
        self.before.kept.get(origin).or_else(by_file)
    }

    /// What the certificates were made from that a folder gave before.
    pub(in crate::tls::certificate) fn known_in(&self, folder: &Path) -> &[&'s Origin] {
        self.known.in_folder.get(folder).map_or(&[], Vec::as_slice)
    }

    /// The folders that gave certificates before.
    pub(in crate::tls::certificate) fn known_folders(&self) -> impl Iterator<Item = &'s Path> {
        self.known.in_folder.keys().copied()
    }

    /// Whether it is known without reading that no certificate can be made of this file alone.
    pub(in crate::tls::certificate) fn is_known_leftover(&self, file: &Path) -> bool {
        let stamp = Stamp::of(file, self.now);
        let unchanged = |before: &Option<Stamp>| self.trust == Trust::Stamps && stamp.is_some() && *before == stamp;
        let known = self.before.looked_at.get(file).filter(|(before, _)| unchanged(before));
        known.is_some_and(|(_, content)| matches!(content, Content::Nothing | Content::Authorities | Content::Leaf(_)))
    }

    /// What is in a file of which no certificate was made. `largest`: the bytes that are read of it at most.
    pub(in crate::tls::certificate) fn look(&mut self, file: &Path, largest: u64) -> io::Result<Content> {
        let stamp = Stamp::of(file, self.now);
        let unchanged = |before: &Option<Stamp>| self.trust == Trust::Stamps && stamp.is_some() && *before == stamp;
        let content = match self.before.looked_at.get(file).filter(|(before, _)| unchanged(before)) {
            Some((_, content)) => content.clone(),
            None => Content::of(&files::read(file, largest)?.bytes),
        };
        self.after.looked_at.insert(file.to_owned(), (stamp, content.clone()));
        Ok(content)
    }
}
