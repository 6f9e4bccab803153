//! Certificates as they were last loaded, and a load under way.
//!
//! A file that did not change is not read again, and what can no longer be read keeps its last good version.
//! Must not know: kinds of source, which listener they are for, configuration.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::files;
use crate::files::unchanged::Unchanged;
use crate::passphrase::Source;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::select::Entry;
use crate::tls::certificate::stamp::Stamp;
use crate::tls::certificate::unlock::{Refused, Unlocking};
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
    /// The content of files that are not part of any certificate.
    looked_at: HashMap<PathBuf, (Option<Stamp>, Content)>,
    refused: Refused,
}

/// A file whose bytes are returned unchanged.
#[derive(Debug, Clone)]
struct Plain {
    bytes: Arc<[u8]>,
    stamp: Option<Stamp>,
}

/// When a file counts as unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// If its metadata has not changed: it is not read.
    Stamps,
    /// Only if its bytes are the same: it is read.
    Bytes,
    /// If it is in a folder of which that is known. Of others something else counts.
    Known(Arc<Unchanged>, Box<Trust>),
}

impl Trust {
    pub(super) fn by_stamps(&self) -> bool {
        match self {
            Self::Stamps => true,
            Self::Bytes => false,
            Self::Known(_, others) => others.by_stamps(),
        }
    }
}

/// A load under way. The store before it is not changed: the new one replaces it only where everything succeeded.
#[derive(Debug)]
pub struct Loading<'s> {
    before: &'s Store,
    /// The content of the store before, by file and by folder.
    known: Known<'s>,
    /// Those of a release of a fleet, by the paths in it, once one is looked for: the next release has another folder, and
    /// mostly the same files.
    in_release: OnceCell<HashMap<Origin, &'s Kept>>,
    after: Store,
    trust: Trust,
    now: SystemTime,
    unlocking: Unlocking<'s>,
}

/// Certificates that came from folders, by their places.
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

    /// Begins a load at `now`, which takes over from this store what did not change. `passphrases` are for keys that are
    /// encrypted.
    pub fn loading<'s>(&'s self, trust: Trust, now: SystemTime, passphrases: &'s [Source]) -> Loading<'s> {
        let mut known = Known::default();
        // Folders make no origins with names or a chain: those are from the configuration.
        for (origin, kept) in self.kept.iter().filter(|(origin, _)| origin.names.is_none() && origin.chain.is_none()) {
            known.of_certificate.insert(&origin.cert, kept);
            if let Some(folder) = origin.cert.parent() {
                known.in_folder.entry(folder).or_default().push(origin);
            }
        }
        let unlocking = Unlocking::new(passphrases, &self.refused);
        Loading { before: self, known, in_release: OnceCell::new(), after: Self::default(), trust, now, unlocking }
    }
}

impl<'s> Loading<'s> {
    /// The bytes of a file that is no secret; the same allocation where they did not change.
    pub fn plain(&mut self, path: &Path) -> Result<Arc<[u8]>, StoreError> {
        if let Some(plain) = self.after.plain.get(path) {
            return Ok(Arc::clone(&plain.bytes));
        }
        // The stamp is taken before reading: a change in between makes the next one differ.
        let before = self.before.plain.get(path);
        let stamp = Stamp::of(path, self.now);
        let unchanged = |plain: &&Plain| self.trust.by_stamps() && stamp.is_some() && plain.stamp == stamp;
        let bytes = match before.filter(unchanged) {
            Some(plain) => Arc::clone(&plain.bytes),
            None => {
                let read = files::read(path, files::LARGEST_LIST);
                let read = read.map_err(|error| StoreError::Read(path.to_owned(), error))?.bytes;
                let same = before.filter(|plain| *plain.bytes == *read);
                same.map_or_else(|| read.as_slice().into(), |plain| Arc::clone(&plain.bytes))
            }
        };
        self.after.plain.insert(path.to_owned(), Plain { bytes: Arc::clone(&bytes), stamp });
        Ok(bytes)
    }

    /// The store of everything that was loaded.
    pub fn finish(self) -> Store {
        Store { refused: self.unlocking.into_refused(), ..self.after }
    }

    /// Keeps a certificate for the next load, and returns it. `named`: whether the operator named it.
    pub(in crate::tls::certificate) fn keep(&mut self, origin: Origin, kept: Kept, named: bool) -> Item {
        let entry = Entry { certificate: Arc::clone(&kept.certificate), default: false };
        let (key, warnings) = (origin.key_file().to_owned(), kept.warnings.clone());
        let item = Item { entry, named, key, exposed: kept.exposed, warnings };
        self.after.kept.insert(origin, kept);
        item
    }

    /// What was built of the same files in another folder, of which it is known that they are the same.
    fn known_as(&self, origin: &Origin) -> Option<&'s Kept> {
        let Trust::Known(unchanged, _) = &self.trust else { return None };
        let kept = self.before.kept.get(&origin.moved(|path| unchanged.before(path))?);
        kept.filter(|kept| !kept.is_outlived)
    }

    /// What was built of these files, or of files with these paths in another release: the same where their bytes are.
    fn built_before(&self, origin: &Origin) -> Option<&'s Kept> {
        self.before.kept.get(origin).or_else(|| {
            let named = origin.in_release()?;
            let of_release = |(origin, kept): (&Origin, &'s Kept)| Some((origin.in_release()?, kept));
            self.in_release
                .get_or_init(|| self.before.kept.iter().filter_map(of_release).collect())
                .get(&named)
                .copied()
        })
    }

    /// The certificate as it was before, also for a combined file that lost its key, or a pair whose key is gone.
    pub(in crate::tls::certificate) fn last_good(&self, origin: &Origin) -> Option<&'s Kept> {
        let by_file = || self.known.of_certificate.get(origin.cert.as_path()).copied();
        self.before.kept.get(origin).or_else(by_file)
    }

    /// The origins of the certificates that a folder had before.
    pub(in crate::tls::certificate) fn known_in(&self, folder: &Path) -> &[&'s Origin] {
        self.known.in_folder.get(folder).map_or(&[], Vec::as_slice)
    }

    /// The folders that had certificates before.
    pub(in crate::tls::certificate) fn known_folders(&self) -> impl Iterator<Item = &'s Path> {
        self.known.in_folder.keys().copied()
    }

    /// Whether it is known without reading that this file alone is not a certificate with its key.
    pub(in crate::tls::certificate) fn is_known_leftover(&self, file: &Path) -> bool {
        let stamp = Stamp::of(file, self.now);
        let unchanged = |before: &Option<Stamp>| self.trust.by_stamps() && stamp.is_some() && *before == stamp;
        let known = self.before.looked_at.get(file).filter(|(before, _)| unchanged(before));
        known.is_some_and(|(_, content)| matches!(content, Content::Nothing | Content::Authorities | Content::Leaf(_)))
    }

    /// The content of a file that is not part of any certificate. A file of more than `largest` bytes is an error.
    pub(in crate::tls::certificate) fn look(&mut self, file: &Path, largest: u64) -> io::Result<Content> {
        let stamp = Stamp::of(file, self.now);
        let unchanged = |before: &Option<Stamp>| self.trust.by_stamps() && stamp.is_some() && *before == stamp;
        let content = match self.before.looked_at.get(file).filter(|(before, _)| unchanged(before)) {
            Some((_, content)) => content.clone(),
            None => Content::of(&files::read(file, largest)?.bytes),
        };
        self.after.looked_at.insert(file.to_owned(), (stamp, content.clone()));
        Ok(content)
    }
}

#[cfg(test)]
mod tests;
