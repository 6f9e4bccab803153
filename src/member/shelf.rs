//! The releases that a node has on its disk: the next one is made out of an old one, and what differs is all that is written.
//!
//! What was read and proved once, or written by this process, is known from then on by its lists, and its files by their marks:
//! where somebody has changed one, all of them are read and proved again.
//!
//! Must not know: etcd, who serves what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::files::manifest::Manifest;
use crate::files::unchanged::{Known as Loadable, Unchanged};
use crate::files::{self, progress};
use crate::fleet::part::{PartName, Parts, Plain};
use crate::fleet::record::Root;
use crate::fleet::tree;
use crate::fleet::tree::index::{Difference, Index};
use crate::fleet::tree::reader::Read;
use crate::member::releases::{self, below};
use crate::member::secrets::Secrets;
use crate::state::{Content, Folder, Made};

/// What is known of the releases that are there.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: Arc<Folder>,
    state: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    releases: BTreeMap<Root, Kept>,
    /// A release that nobody needs, out of which the next one is made.
    spare: Option<Root>,
}

/// A release that was proved, or written by this process.
#[derive(Debug, Clone)]
struct Kept {
    index: Index,
    manifest: Manifest,
}

impl Shelf {
    pub(super) fn new(folder: Arc<Folder>, state: &Path) -> Self {
        Self { folder, state: state.to_owned(), known: Mutex::default() }
    }

    /// The lists of a release that is there as it was published. The error is what is not.
    pub(super) fn index(&self, root: &Root, secrets: &Secrets) -> Result<Index, String> {
        let known = {
            let mut known = self.known();
            // It is needed again.
            known.spare.take_if(|spare| spare == root);
            known.releases.get(root).cloned()
        };
        if let Some(Kept { index, manifest }) = &known
            && manifest.compare().is_ok()
        {
            return Ok(index.clone());
        }
        // What was known stays known where this fails: it finds the change the next time, too.
        let (Read { index, .. }, manifest) = releases::read(&self.state, root, secrets)?;
        self.known().releases.insert(root.clone(), Kept { index: index.clone(), manifest });
        Ok(index)
    }

    /// The lists of a release that was there as it was published, whatever has become of its files.
    pub(super) fn lists(&self, root: &Root) -> Option<Index> {
        self.known().releases.get(root).map(|kept| kept.index.clone())
    }

    /// What is known of a release that is there, as the loader needs it: also, which of its files are those of another one.
    pub(super) fn loadable(&self, root: &Root, before: Option<&Root>) -> Option<Loadable> {
        let (Kept { index, manifest }, last) = {
            let known = self.known();
            let last = before.and_then(|before| Some((before, known.releases.get(before)?.index.clone())));
            (known.releases.get(root)?.clone(), last)
        };
        let folder = |root: &Root| releases::folder(&self.state, root);
        let unchanged = last.map(|(before, last)| {
            let changed = index.since(&last).changed.into_iter().map(PathBuf::from).collect();
            Arc::new(Unchanged { folder: folder(root), before: folder(before), changed })
        });
        Some(Loadable { manifest, unchanged })
    }

    /// Pieces of the files of a release that is known. They are not proved.
    pub(super) fn pieces(&self, root: &Root, names: &[PartName], parts: &Parts) -> Vec<(PartName, Plain)> {
        let Some(index) = self.lists(root) else { return Vec::new() };
        // After a change of the secret, the same pieces have other names.
        let now = index.list(index.root()).and_then(|list| parts.name(list).ok());
        let is_renamed = now.is_some_and(|now| now != *index.root());
        let (mut wanted, mut found): (BTreeSet<&PartName>, _) = (names.iter().collect(), Vec::new());
        for (path, entry) in index.entries() {
            if !is_renamed && !entry.pieces.iter().any(|piece| wanted.contains(piece)) {
                continue;
            }
            let path = releases::folder(&self.state, root).join(path);
            let Ok(contents) = files::read(&path, files::LARGEST_LIST) else { continue };
            for (known, piece) in entry.pieces.iter().zip(tree::pieces(&contents.bytes)) {
                let new = if is_renamed { parts.name(piece).ok() } else { None };
                for name in new.iter().chain([known]) {
                    if wanted.remove(name) {
                        found.push((name.clone(), piece.to_vec().into()));
                    }
                }
            }
        }
        found
    }

    /// Keeps a release, all of its files or none. `before`: a release that is known, and has those that are not given. Returns by
    /// what its files are known.
    pub(super) fn keep(&self, root: &Root, read: &Read, before: Option<&Root>) -> Result<Manifest, String> {
        let (to, like, entries) = (below(root)?, before.map(below).transpose()?, read.index.entries());
        let of_before = before.and_then(|before| self.known().releases.get(before).map(|kept| kept.manifest.clone()));
        let (manifest, of_spare) = match self.make_out_of_spare((root, &to), read, like.as_deref()) {
            Some((manifest, of_spare)) => (manifest, Some(of_spare)),
            None => {
                let files: Vec<_> = entries.keys().map(|path| (path.as_str(), content(read, path))).collect();
                let made = Made { files: &files, gone: &[] };
                let made = self.folder.replace_like(&to, &made, like.as_deref());
                (made.map_err(|error| error.to_string())?, None)
            }
        };
        let are_these = manifest.files().iter().map(|(path, mark)| (path, mark.size));
        if !are_these.eq(entries.iter().map(|(path, entry)| (path, entry.size))) {
            return Err(format!("{}: found other files, expected those that are given", to.display()));
        }
        let is_taken_over = |(path, mark)| {
            let has = |of: &Option<Manifest>| of.as_ref().is_some_and(|of| of.files().get(path) == Some(mark));
            read.files.contains_key(path) || has(&of_spare) || has(&of_before)
        };
        // What somebody has changed meanwhile is not taken over; and a file that could not be linked was copied.
        if !manifest.files().iter().all(is_taken_over) {
            of_before.ok_or("found a changed file, expected it as it was written")?.compare()?;
        }
        let kept = Kept { index: read.index.clone(), manifest: manifest.clone() };
        self.known().releases.insert(root.clone(), kept);
        Ok(manifest)
    }

    /// Makes the release out of one that nobody needs, if that can be done. Returns by what its files are known, and those of that
    /// one.
    fn make_out_of_spare(
        &self,
        (root, to): (&Root, &Path),
        read: &Read,
        like: Option<&Path>,
    ) -> Option<(Manifest, Manifest)> {
        let (spare, Kept { index, manifest }) = {
            let mut known = self.known();
            let spare = known.spare.take().filter(|spare| spare != root)?;
            let kept = known.releases.remove(&spare)?;
            (spare, kept)
        };
        let from = below(&spare).ok()?;
        manifest.compare().ok()?;
        let Difference { mut changed, gone } = read.index.since(&index);
        // What was proved just now is written in any case.
        changed.extend(read.files.keys().cloned());
        let files: Vec<_> = changed.iter().map(|path| (path.as_str(), content(read, path))).collect();
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        let made = self.folder.replace_out_of(to, &from, &Made { files: &files, gone: &gone }, like).ok()?;
        Some((made, manifest))
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
            if needed.contains(&root) || self.takes_as_spare(&root) {
                continue;
            }
            let removed = below(&root).map(|below| self.folder.remove(&below));
            if let Ok(Err(error)) = removed {
                tracing::warn!(%error, "a release that is not needed any longer cannot be removed");
            }
        }
    }

    /// Whether this release, which is not needed, is what the next one is made out of.
    fn takes_as_spare(&self, root: &Root) -> bool {
        let mut known = self.known();
        if known.spare.is_none() && known.releases.contains_key(root) {
            known.spare = Some(root.clone());
        }
        let is_spare = known.spare.as_ref() == Some(root);
        if !is_spare {
            known.releases.remove(root);
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

#[cfg(test)]
mod tests;
