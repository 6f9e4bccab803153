//! What is at each path here and in the store, and what follows: what is to be put there, what is to be written here. Pure.
//!
//! Of two contents the later stamp counts, on whichever side it is. What has no stamp was never in the store: only the leader
//! puts that there. Where both have one stamp and differ, what is here was changed by one who leads no longer: the store counts.
//!
//! Must not know: etcd, files, who leads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::item::{Content, Digest, Item, MOST, MOST_BYTES};
use crate::fleet::store::{LARGEST_COLLECTION, Revision};

/// What is known of one content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// 0: it was never in the store.
    pub stamp: u64,
    pub digest: Digest,
}

/// What the store has at a path.
#[derive(Debug, Clone, Copy)]
struct There {
    /// Of the last change.
    revision: Revision,
    /// `None`: it cannot be read.
    known: Option<Known>,
    /// Of key and value, in bytes.
    size: usize,
}

/// What is to be put into the store.
#[derive(Debug, Clone)]
pub(super) struct Push {
    pub(super) path: String,
    pub(super) content: Content,
    digest: Digest,
    /// That of something the store has forgotten; `None`: it is new, and only the leader may put it.
    pub(super) stamp: Option<u64>,
}

/// What a transaction puts.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) items: Vec<(String, Item)>,
    /// The revisions at which these keys must still be.
    pub(super) when: Vec<Revision>,
    /// Whether only the leader may put it.
    pub(super) is_new: bool,
    taken: usize,
    /// What was withdrawn since does not count.
    epoch: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Paths {
    here: BTreeMap<String, Known>,
    there: BTreeMap<String, There>,
    /// To be written here.
    coming: BTreeMap<String, Item>,
    /// Is being written here.
    writing: BTreeMap<String, Known>,
    pushes: VecDeque<Push>,
    /// Of these, the content has been asked for.
    asked: BTreeSet<String>,
    /// How many pushes there were, and how many of them are done.
    pub(super) pushed: u64,
    pub(super) done: u64,
    /// How often everything was withdrawn.
    epoch: u64,
    /// What is known since it was last asked for, to be kept.
    learned: BTreeMap<String, Known>,
    /// Whether it is to be looked for what the store lacks.
    look: bool,
    /// What the store has, in bytes, and how much that may become by what is new there. More than can be read together must
    /// never be there: nobody could read any of it any more.
    size: usize,
    room: usize,
    /// Paths that the store has no room for, and which pushes were refused for that since they were last asked for.
    full: BTreeSet<String>,
    refused: Vec<(u64, String)>,
}

impl Paths {
    pub(super) fn new(here: BTreeMap<String, Known>) -> Self {
        Self { here, room: ROOM, ..Self::default() }
    }

    /// The store is read again.
    pub(super) fn reread(&mut self) {
        self.there.clear();
        (self.size, self.full) = (0, BTreeSet::new());
        self.coming.clear();
        self.look = true;
    }

    /// Whether something later is known of this path: what was put and what was deleted are not always reported in their order.
    pub(super) fn is_past(&self, path: &str, revision: Revision) -> bool {
        self.there.get(path).is_some_and(|there| there.revision > revision)
    }

    /// Takes over what the store has at a path. What becomes smaller leaves room for something else, perhaps.
    fn is_there(&mut self, path: &str, there: Option<There>) {
        let now = there.map_or(0, |there| there.size);
        let before = match there {
            Some(there) => self.there.insert(path.to_owned(), there),
            None => self.there.remove(path),
        };
        let before = before.map_or(0, |there| there.size);
        self.size = self.size.saturating_sub(before).saturating_add(now);
        if now < before {
            self.full.clear();
        }
    }

    /// What the store has at a path, with the bytes of key and value: `None` if nothing, an error if it cannot be read.
    pub(super) fn see(&mut self, path: &str, revision: Revision, size: usize, item: Option<Result<Item, ()>>) {
        self.look = true;
        let Some(item) = item else {
            self.is_there(path, None);
            self.coming.remove(path);
            return;
        };
        let Ok(item) = item else {
            self.is_there(path, Some(There { revision, known: None, size }));
            self.coming.remove(path);
            return;
        };
        let known = Known { stamp: item.stamp, digest: item.content.digest() };
        self.is_there(path, Some(There { revision, known: Some(known), size }));
        self.coming.remove(path);
        let here = self.writing.get(path).or_else(|| self.here.get(path)).copied();
        match here {
            Some(here) if here.digest == known.digest => self.learn(path, known),
            Some(here) if here.stamp > known.stamp || self.pushes.iter().any(|push| push.path == path) => {}
            // There is nothing here, and nothing is to be.
            None if item.content == Content::Gone => self.learn(path, known),
            _ => {
                self.coming.insert(path.to_owned(), item);
            }
        }
    }

    /// The same is here and there.
    fn learn(&mut self, path: &str, known: Known) {
        if let Some(writing) = self.writing.get_mut(path) {
            writing.stamp = known.stamp;
        } else if self.here.insert(path.to_owned(), known) != Some(known) {
            self.learned.insert(path.to_owned(), known);
        }
    }

    /// What is to be kept of what is known.
    pub(super) fn take_learned(&mut self) -> BTreeMap<String, Known> {
        std::mem::take(&mut self.learned)
    }

    /// Some of what is to be written here.
    pub(super) fn take_coming(&mut self, most: usize) -> Vec<(String, Item)> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((path, item)) = self.coming.pop_first()
        {
            let known = Known { stamp: item.stamp, digest: item.content.digest() };
            self.writing.insert(path.clone(), known);
            taken.push((path, item));
        }
        taken
    }

    /// It was written here, or could not be.
    pub(super) fn written(&mut self, path: String, item: Item, is_done: bool) {
        let Some(known) = self.writing.remove(&path) else { return };
        self.look = true;
        if is_done {
            self.here.insert(path.clone(), known);
            self.learned.insert(path, known);
        } else {
            // What came meanwhile is later.
            self.coming.entry(path).or_insert(item);
        }
    }

    /// Somebody has changed what is here, and only the leader may: it has to be written again.
    pub(super) fn spoil(&mut self, path: &str) {
        self.here.remove(path);
    }

    /// This was changed here, by the leader. What refers to something comes after it.
    pub(super) fn offer(&mut self, path: String, content: Content) {
        let digest = content.digest();
        let stamp = self.here.get(&path).map_or(0, |here| here.stamp);
        self.here.insert(path.clone(), Known { stamp, digest });
        self.coming.remove(&path);
        self.full.remove(&path);
        self.push(Push { path, content, digest, stamp: None });
    }

    fn push(&mut self, push: Push) {
        self.pushed += 1;
        self.pushes.push_back(push);
    }

    /// Nothing new is put any more.
    pub(super) fn withdraw(&mut self) {
        self.pushes.clear();
        self.asked.clear();
        self.refused.clear();
        self.done = self.pushed;
        self.epoch += 1;
    }

    /// The paths that the store lacks, and of which the content is needed; each once. `all`: also those that were never there.
    pub(super) fn lacking(&mut self, all: bool) -> Vec<String> {
        if !std::mem::take(&mut self.look) {
            return Vec::new();
        }
        let lacks = |(path, here): &(&String, &Known)| match self.there.get(*path) {
            None => here.stamp > 0 || all,
            Some(There { known: Some(there), .. }) => there.stamp < here.stamp,
            // Perhaps it is this node that cannot read it.
            Some(There { known: None, .. }) => false,
        };
        let is_free = |path: &String| {
            !self.asked.contains(path)
                && !self.full.contains(path)
                && !self.writing.contains_key(path)
                && self.pushes.iter().all(|push| push.path != *path)
        };
        let lacking: Vec<String> =
            self.here.iter().filter(lacks).map(|(path, _)| path.clone()).filter(is_free).collect();
        self.asked.extend(lacking.iter().cloned());
        lacking
    }

    /// What is here at such a path. What has changed since is not what it was taken for, and is forgotten.
    pub(super) fn found(&mut self, path: String, content: Content) {
        self.look = true;
        let Some(here) = self.here.get(&path).copied().filter(|_| self.asked.remove(&path)) else { return };
        let digest = content.digest();
        if digest != here.digest {
            self.here.remove(&path);
            return;
        }
        self.push(Push { path, content, digest, stamp: Some(here.stamp).filter(|stamp| *stamp > 0) });
    }

    /// What is here at such a path cannot be read now.
    pub(super) fn missed(&mut self, path: &str) {
        self.look |= self.asked.remove(path);
    }

    /// What is put next, at most so many paths and bytes, each once. `leads`: also what is new.
    pub(super) fn batch(&mut self, now: u64, leads: bool) -> Option<Batch> {
        self.skip();
        let mut batch = Batch { items: Vec::new(), when: Vec::new(), is_new: false, taken: 0, epoch: self.epoch };
        let (mut size, mut new) = (0, 0);
        for push in &self.pushes {
            let Push { path, content, digest: _, stamp } = push;
            if self.is_too_much(push, new) {
                break;
            }
            new += sealed(path, content);
            size += content.size();
            let is_twice = batch.items.iter().any(|(other, _)| other == path);
            if batch.taken == MOST || (batch.taken > 0 && size > MOST_BYTES) || is_twice || (stamp.is_none() && !leads)
            {
                break;
            }
            let there = self.there.get(path).copied();
            let before = there.and_then(|there| there.known).map_or(0, |known| known.stamp);
            let here = self.here.get(path).map_or(0, |known| known.stamp);
            let stamp = stamp.unwrap_or_else(|| now.max(before + 1).max(here + 1));
            batch.is_new |= push.stamp.is_none();
            batch.when.push(there.map_or(0, |there| there.revision));
            batch.items.push((path.clone(), Item { stamp, content: content.clone() }));
            batch.taken += 1;
        }
        (batch.taken > 0).then_some(batch)
    }

    /// Whether the store has no room for something new. What is there already may change, also to more: a certificate that
    /// could not be renewed would do more harm.
    fn is_too_much(&self, push: &Push, beside: usize) -> bool {
        let is_new = push.stamp.is_none() && push.content != Content::Gone && !self.there.contains_key(&push.path);
        is_new && self.size + beside + sealed(&push.path, &push.content) > self.room
    }

    /// Which pushes were refused, each by its number, and why.
    pub(super) fn take_refused(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.refused)
    }

    /// Skips what the store has, such as what was written while its answer was lost, and what it has no room for.
    fn skip(&mut self) {
        while let Some(push) = self.pushes.front() {
            let there = self.there.get(&push.path).and_then(|there| there.known);
            let is_there = there.is_some_and(|there| there.digest == push.digest);
            let is_later = push.stamp.is_some() && there.is_some_and(|there| Some(there.stamp) >= push.stamp);
            let is_too_much = self.is_too_much(push, 0);
            if !is_there && !is_later && !is_too_much {
                return;
            }
            let path = push.path.clone();
            self.pushes.pop_front();
            self.done += 1;
            if is_too_much {
                let (size, most) = (self.size, self.room);
                let why = format!("found {size} bytes of certificates of authorities in etcd, expected at most {most}");
                self.refused.push((self.done, format!("{path}: {why} with this one, which is not shared")));
                self.full.insert(path);
            }
        }
    }

    /// It was put, at this revision.
    pub(super) fn put(&mut self, batch: &Batch, revision: Revision) {
        for (path, item) in &batch.items {
            let known = Known { stamp: item.stamp, digest: item.content.digest() };
            let is_later = self.there.get(path).is_none_or(|there| there.revision <= revision);
            if is_later {
                let size = sealed(path, &item.content);
                self.is_there(path, Some(There { revision, known: Some(known), size }));
            }
            if self.here.get(path).is_some_and(|here| here.digest == known.digest) {
                self.learn(path, known);
            } else if let Some(here) = self.here.get_mut(path) {
                // It was changed again meanwhile, and is put next.
                here.stamp = known.stamp;
            }
        }
        if batch.epoch == self.epoch {
            self.pushes.drain(..batch.taken.min(self.pushes.len()));
            self.done += batch.taken as u64;
        }
    }

    /// The same was put again, at this revision.
    pub(super) fn put_again(&mut self, path: &str, revision: Revision) {
        if let Some(there) = self.there.get_mut(path) {
            there.revision = there.revision.max(revision);
        }
    }

    /// Whether everything that the store has is here.
    pub(super) fn is_pulled(&self) -> bool {
        self.coming.is_empty() && self.writing.is_empty()
    }

    /// A path that cannot be read in the store.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.there.iter().find(|(_, there)| there.known.is_none()).map(|(path, _)| path.as_str())
    }
}

/// About what an item takes in the store, in bytes: as base64, with its key.
fn sealed(path: &str, content: &Content) -> usize {
    path.len() + content.size() / 3 * 4 + OVERHEAD
}

/// In bytes, of an item beside its content and path.
const OVERHEAD: usize = 512;

/// What is new is refused early: what is there can become more.
const ROOM: usize = LARGEST_COLLECTION / 4 * 3;

#[cfg(test)]
mod tests;
