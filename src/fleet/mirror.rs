//! A node's part in what authorities issue: keeps here what the store has, puts there what the leader has written, and passes on
//! answers to challenges.
//!
//! Only the leader writes anything new: each such transaction requires that the key of the lead has not changed. It orders only
//! once it has read everything since it leads. Whatever was lost is read again, as by a node. While the secret is changed, it also
//! puts again what the old one has sealed.
//!
//! Must not know: etcd, files, what accounts, orders and answers are.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::key;
use super::machine::{Action, Machine};
use super::record::{Record, Root};
use super::seal::Seal;
use super::store::{Change, Entry, Lease, Revision, Transaction, Written};
use item::{Content, Item};
use old::{Again, Old};
use paths::{Batch, Known, Paths};
use posts::{Posts, Said};

pub mod item;
mod old;
pub mod paths;
mod posts;

/// The machine.
#[derive(Debug)]
pub struct Mirror {
    seal: Arc<Seal>,
    node: String,
    /// What a transaction of the leader requires; `None`: this node does not lead.
    fence: Option<(String, Revision)>,
    lease: Option<Lease>,
    /// Whether what is known of the store has to be read again.
    is_stale: bool,
    is_reading: bool,
    /// Whether everything was read since this node leads, or does not.
    has_read: bool,
    paths: Paths,
    old: Old,
    posts: Posts,
    doing: Option<Doing>,
}

#[derive(Debug)]
enum Doing {
    Reading,
    Pushing(Batch),
    SealingAgain(Again),
    Saying(Said),
    PuttingUp(String),
    TakingDown(String),
}

impl Mirror {
    /// `here`: what this node has, by path.
    pub fn new(seal: Arc<Seal>, node: String, here: BTreeMap<String, Known>) -> Self {
        let (paths, posts) = (Paths::new(here), Posts::default());
        Self {
            seal,
            node,
            fence: None,
            lease: None,
            is_stale: false,
            is_reading: true,
            has_read: false,
            paths,
            old: Old::default(),
            posts,
            doing: None,
        }
    }

    /// From now on this node leads, or does not.
    pub fn lead(&mut self, fence: Option<(String, Revision)>) {
        if self.fence == fence {
            return;
        }
        if self.fence.is_some() {
            self.paths.withdraw();
            self.old.clear();
            self.posts.withdraw();
        }
        self.fence = fence;
        // What was written by the leader before is there by now.
        (self.is_stale, self.has_read) = (true, false);
    }

    /// Whether this node leads and has everything that the leaders before have written.
    pub fn may_order(&self) -> bool {
        let is_there = self.lease.is_some() && self.has_read;
        self.fence.is_some() && is_there && self.paths.is_pulled() && self.paths.unreadable().is_none()
    }

    fn sees(&self) -> bool {
        self.lease.is_some() && !self.is_stale && !self.is_reading
    }

    /// Why something that the store has cannot be used.
    pub fn trouble(&self) -> Option<String> {
        let path = self.paths.unreadable()?;
        Some(format!(
            "{}: found a value that cannot be used: it was changed or put there by somebody else, or this node lacks the secret",
            key::order(path)
        ))
    }

    /// A file or a folder was changed here, by who orders.
    pub fn offer(&mut self, path: String, content: Content) {
        if self.fence.is_some() {
            self.paths.offer(path, content);
        } else {
            // Too late: somebody else leads by now.
            self.paths.spoil(&path);
            self.is_stale = true;
        }
    }

    /// How much was offered so far, and how much of that is in the store.
    pub fn progress(&self) -> (u64, u64) {
        (self.paths.pushed, self.paths.done)
    }

    /// What was offered and is not put, since the store has no room for it: the number, as in [`Self::progress`], and the reason.
    pub fn take_refused(&mut self) -> Vec<(u64, String)> {
        self.paths.take_refused()
    }

    /// Paths that the store lacks: their contents are to be given to [`Self::found`].
    pub fn lacking(&mut self) -> Vec<String> {
        if self.sees() { self.paths.lacking(self.fence.is_some()) } else { Vec::new() }
    }

    pub fn found(&mut self, path: String, content: Content) {
        self.paths.found(path, content);
    }

    /// What is here at such a path cannot be read now: it is asked for again.
    pub fn missed(&mut self, path: &str) {
        self.paths.missed(path);
    }

    /// What is to be written here next; then [`Self::wrote`].
    pub fn take_coming(&mut self, most: usize) -> Vec<(String, Item)> {
        self.paths.take_coming(most)
    }

    pub fn wrote(&mut self, path: String, item: Item, is_done: bool) {
        self.paths.written(path, item, is_done);
    }

    /// What is to be kept of what is known of paths.
    pub fn take_learned(&mut self) -> BTreeMap<String, Known> {
        self.paths.take_learned()
    }

    /// Puts up an answer everywhere, under a number and a name that nothing else has.
    pub fn put_up(&mut self, number: u64, id: String, post: Value) {
        self.posts.put_up(number, id, post);
    }

    pub fn take_down(&mut self, number: u64) {
        self.posts.take_down(number);
    }

    /// The other nodes that have not put up an answer; `None` as long as it is not in the store.
    pub fn waits_for(&self, number: u64) -> Option<Vec<String>> {
        self.posts.waits_for(number, &self.node)
    }

    /// The answers of others, which are to be up here.
    pub fn posts(&self) -> BTreeMap<&str, &Value> {
        self.posts.of_others()
    }

    /// All of them are up.
    pub fn are_up(&mut self) {
        self.posts.are_up();
    }

    fn decide(&self, batch: Option<Batch>) -> Option<(Action, Doing)> {
        let Some(lease) = self.lease else { return Some((Action::Connect, Doing::Reading)) };
        if self.is_stale {
            return Some((Action::Read, Doing::Reading));
        }
        let asked = self.say(lease).or_else(|| self.delete()).or_else(|| self.put(lease));
        asked.or_else(|| self.push(batch?)).or_else(|| self.seal_again())
    }

    fn say(&self, lease: Lease) -> Option<(Action, Doing)> {
        let said = self.posts.to_say()?;
        let key = key::challenge_seen(&self.node);
        let value = self.seal.close(&key, &said).ok()?;
        Some((write(Vec::new(), vec![Change::Put { key, value, lease: Some(lease) }]), Doing::Saying(said)))
    }

    fn delete(&self) -> Option<(Action, Doing)> {
        let (id, revision) = self.posts.to_delete()?;
        let key = key::challenge(id);
        let when = vec![(key.clone(), revision)];
        Some((write(when, vec![Change::Delete { key }]), Doing::TakingDown(id.to_owned())))
    }

    fn put(&self, lease: Lease) -> Option<(Action, Doing)> {
        let fence = self.fence.clone()?;
        let (id, post) = self.posts.to_put()?;
        let key = key::challenge(id);
        let value = self.seal.close(&key, post).ok()?;
        let put = Change::Put { key, value, lease: Some(lease) };
        Some((write(vec![fence], vec![put]), Doing::PuttingUp(id.to_owned())))
    }

    fn push(&self, batch: Batch) -> Option<(Action, Doing)> {
        let keys = batch.items.iter().map(|(path, _)| key::order(path));
        let mut when: Vec<_> = keys.zip(batch.when.iter().copied()).collect();
        let mut then = Vec::new();
        for ((key, _), (_, item)) in when.iter().zip(&batch.items) {
            then.push(Change::Put { key: key.clone(), value: self.seal.close(key, item).ok()?, lease: None });
        }
        if batch.is_new {
            when.push(self.fence.clone()?);
        }
        Some((write(when, then), Doing::Pushing(batch)))
    }

    /// The same items, with the same stamps, as long as nobody has changed them.
    fn seal_again(&self) -> Option<(Action, Doing)> {
        let fence = self.fence.clone()?;
        let again = if self.sees() { self.old.next() } else { None }?;
        let (mut when, mut then) = (vec![fence], Vec::new());
        for (path, revision, item) in &again {
            let key = key::order(path);
            when.push((key.clone(), *revision));
            then.push(Change::Put { value: self.seal.close(&key, item).ok()?, key, lease: None });
        }
        Some((write(when, then), Doing::SealingAgain(again)))
    }

    /// What the store has of certificates of authorities.
    fn see_order(&mut self, path: &str, entry: &Entry) {
        let Entry { key, value, revision, .. } = entry;
        if self.paths.is_past(path, *revision) {
            return;
        }
        let item = value.as_ref().map(|value| {
            let item = self.seal.open::<Item>(key, value).map_err(drop)?;
            Some(item).filter(|item| item::is_proper(path) && item.content.is_proper()).ok_or(())
        });
        let is_old = || value.as_ref().is_some_and(|value| !self.seal.is_of_first(key, value));
        let old = match &item {
            Some(Ok(item)) if self.fence.is_some() && is_old() => Some((*revision, item.clone())),
            _ => None,
        };
        self.old.see(path, old);
        let size = key.len() + value.as_ref().map_or(0, Vec::len);
        self.paths.see(path, *revision, size, item);
    }

    fn see(&mut self, entry: &Entry) {
        let Entry { key, value, revision, .. } = entry;
        if let Some(path) = key.strip_prefix(key::ORDERS) {
            self.see_order(path, entry);
        } else if let Some(node) = key.strip_prefix(key::CHALLENGES_SEEN) {
            self.posts.heard(node, value.as_ref().and_then(|value| self.seal.open(key, value).ok()));
        } else if let Some(id) = key.strip_prefix(key::CHALLENGES) {
            let post = value.as_ref().map(|value| self.seal.open(key, value).ok());
            self.posts.see(id, *revision, post);
        }
    }
}

fn write(when: Vec<(String, Revision)>, then: Vec<Change>) -> Action {
    Action::Write(Transaction { when, then })
}

impl Machine for Mirror {
    fn next(&mut self, now: u64) -> Option<Action> {
        if self.doing.is_some() {
            return None;
        }
        let batch = if self.sees() { self.paths.batch(now, self.fence.is_some()) } else { None };
        let (action, doing) = self.decide(batch)?;
        self.doing = Some(doing);
        if matches!(action, Action::Read | Action::Connect) {
            // What becomes stale from now on is read once more.
            (self.is_stale, self.is_reading) = (false, true);
        }
        Some(action)
    }

    /// Only the leader has to know what nodes have put up: what an idle node costs must not grow with the fleet.
    fn watched(&self) -> Vec<String> {
        let mut watched = vec![key::ORDERS.to_owned(), key::CHALLENGES.to_owned()];
        if self.fence.is_some() {
            watched.push(key::CHALLENGES_SEEN.to_owned());
        }
        watched
    }

    fn connected(&mut self, lease: Lease, entries: Vec<Entry>) {
        (self.doing, self.is_reading) = (None, false);
        self.has_read |= !self.is_stale;
        if self.lease != Some(lease) {
            self.posts.begin();
        }
        self.lease = Some(lease);
        self.paths.reread();
        self.old.clear();
        self.posts.reread();
        entries.iter().for_each(|entry| self.see(entry));
    }

    fn changed(&mut self, entry: Entry) {
        self.see(&entry);
    }

    fn lost(&mut self) {
        (self.lease, self.doing, self.is_reading) = (None, None, true);
    }

    fn written(&mut self, written: Written) {
        let Some(doing) = self.doing.take() else { return };
        let Written::Done(revision) = written else {
            self.is_stale = true;
            return;
        };
        match doing {
            Doing::Pushing(batch) => {
                self.paths.put(&batch, revision);
                batch.items.iter().for_each(|(path, _)| self.old.put(path, revision));
            }
            Doing::SealingAgain(again) => {
                for (path, ..) in again {
                    self.old.put(&path, revision);
                    self.paths.put_again(&path, revision);
                }
            }
            Doing::Saying(said) => self.posts.said(said),
            Doing::PuttingUp(id) => self.posts.put(&id, revision),
            Doing::TakingDown(id) => self.posts.deleted(&id),
            Doing::Reading => {}
        }
    }

    fn built(&mut self, _root: &Root, _result: Result<(), String>) {}

    fn served(&mut self, _record: &Record) {}
}
