//! The releases that a node has on its disk: the next one is made out of an old one, and what differs is all that is written.
//!
//! What was read and proved once, or written by this process, is known from then on by its lists. All files bear one date, by
//! which it is noticed where somebody has changed one; the next process proves all of them again.
//!
//! Must not know: etcd, who serves what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::files::{self, Unchanged, progress};
use crate::fleet::part::{PartName, Plain};
use crate::fleet::record::Root;
use crate::fleet::tree::index::{Difference, Index};
use crate::fleet::tree::pieces;
use crate::fleet::tree::reader::Read;
use crate::member::releases::{self, below};
use crate::member::secrets::Secrets;
use crate::state::{Content, Dated, Folder, Made};

/// What is known of the releases that are there.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: Arc<Folder>,
    state: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    indexes: BTreeMap<Root, Index>,
    /// A release that nobody needs, out of which the next one is made.
    spare: Option<Root>,
}

impl Shelf {
    pub(super) fn new(folder: Arc<Folder>, state: &Path) -> Self {
        Self { folder, state: state.to_owned(), known: Mutex::default() }
    }

    /// The lists of a release that is there. The error is why it cannot be used.
    pub(super) fn index(&self, root: &Root, secrets: &Secrets) -> Result<Index, String> {
        let known = {
            let mut known = self.known();
            // It is needed again.
            known.spare.take_if(|spare| spare == root);
            known.indexes.get(root).cloned()
        };
        if let Some(index) = known {
            return match self.is_as_written(root, &index) {
                true => Ok(index),
                false => Err(format!("{}: somebody has changed it", releases::folder(&self.state, root).display())),
            };
        }
        let Read { index, .. } = releases::read(&self.state, root, secrets)?;
        self.known().indexes.insert(root.clone(), index.clone());
        Ok(index)
    }

    fn is_as_written(&self, root: &Root, index: &Index) -> bool {
        let entries = index.entries();
        let files = entries.iter().map(|(path, entry)| (path.as_str(), entry.size)).collect();
        below(root).is_ok_and(|below| self.folder.has(&below, &Dated { files, date: written() }))
    }

    /// Which files of a release are the same as in another one; both are known.
    pub(super) fn unchanged(&self, root: &Root, before: &Root) -> Option<Unchanged> {
        let (index, last) = {
            let known = self.known();
            (known.indexes.get(root)?.clone(), known.indexes.get(before)?.clone())
        };
        let folder = |root: &Root| releases::folder(&self.state, root);
        let changed = index.since(&last).changed.into_iter().map(PathBuf::from).collect();
        Some(Unchanged { folder: folder(root), before: folder(before), changed })
    }

    /// Pieces of the files of a release that is known. They are not proved.
    pub(super) fn parts(&self, root: &Root, names: &[PartName]) -> Vec<(PartName, Plain)> {
        let Some(index) = self.known().indexes.get(root).cloned() else { return Vec::new() };
        let (mut wanted, mut found): (BTreeSet<&PartName>, _) = (names.iter().collect(), Vec::new());
        for (path, entry) in index.entries() {
            if !entry.pieces.iter().any(|piece| wanted.contains(piece)) {
                continue;
            }
            let path = releases::folder(&self.state, root).join(path);
            let Ok(contents) = files::read(&path, files::LARGEST_LIST) else { continue };
            for (name, piece) in entry.pieces.iter().zip(pieces(&contents.bytes)) {
                if wanted.remove(name) {
                    found.push((name.clone(), piece.to_vec().into()));
                }
            }
        }
        found
    }

    /// Keeps a release, all of its files or none. `before`: a release that is known, and has those that are not given.
    pub(super) fn keep(&self, root: &Root, read: &Read, before: Option<&Root>) -> Result<(), String> {
        let (to, like) = (below(root)?, before.map(below).transpose()?);
        let like = like.as_deref().unwrap_or(Path::new(""));
        if !self.make_out_of_spare((root, &to), read, like) {
            let entries = read.index.entries();
            let files: Vec<_> = entries.keys().map(|path| (path.as_str(), content(read, path))).collect();
            let made = Made { files: &files, gone: &[], dated: Some(written()) };
            self.folder.replace_like(&to, &made, like).map_err(|error| error.to_string())?;
        }
        self.known().indexes.insert(root.clone(), read.index.clone());
        Ok(())
    }

    /// Whether the release could be made out of one that nobody needs.
    fn make_out_of_spare(&self, (root, to): (&Root, &Path), read: &Read, like: &Path) -> bool {
        let (spare, index) = {
            let mut known = self.known();
            let Some(spare) = known.spare.take().filter(|spare| spare != root) else { return false };
            let Some(index) = known.indexes.remove(&spare) else { return false };
            (spare, index)
        };
        let Ok(from) = below(&spare) else { return false };
        if !self.is_as_written(&spare, &index) {
            return false;
        }
        let Difference { mut changed, gone } = read.index.since(&index);
        // What was proved just now is written in any case.
        changed.extend(read.files.keys().cloned());
        let files: Vec<_> = changed.iter().map(|path| (path.as_str(), content(read, path))).collect();
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        let made = Made { files: &files, gone: &gone, dated: Some(written()) };
        self.folder.replace_out_of(to, &from, &made, like).is_ok()
    }

    /// Removes all releases but these, and one that is known: the next one is made out of it.
    pub(super) fn clear(&self, needed: &BTreeSet<Root>) {
        let all = releases::all(&self.state);
        if progress::begin(&all).is_err() {
            return;
        }
        let there =
            fs::read_dir(&all).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        for root in there.filter(|name| !name.starts_with('.')).map(Root) {
            if needed.contains(&root) || self.is_spare(&root) {
                continue;
            }
            let removed = below(&root).map(|below| self.folder.remove(&below));
            if let Ok(Err(error)) = removed {
                tracing::warn!(%error, "a release that is not needed any longer cannot be removed");
            }
        }
    }

    /// Whether this release, which is not needed, is what the next one is made out of.
    fn is_spare(&self, root: &Root) -> bool {
        let mut known = self.known();
        if known.spare.is_none() && known.indexes.contains_key(root) {
            known.spare = Some(root.clone());
        }
        let is_spare = known.spare.as_ref() == Some(root);
        if !is_spare {
            known.indexes.remove(root);
        }
        is_spare
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn content<'r>(read: &'r Read, path: &str) -> Content<'r> {
    read.files.get(path).map_or(Content::Same, |bytes| Content::Bytes(bytes))
}

/// When all files were written, as it seems: no file that somebody has changed has this date.
fn written() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1)
}

#[cfg(test)]
mod tests;
