//! Publishes a release: proposes it, waits until every node is ready, commits it by one transaction, or withdraws it.
//!
//! The transaction holds only if nothing has changed since the publisher looked: no other release, no node that came, no
//! node that refused after all. Whoever has decided what to publish from an earlier look names the release that was seen
//! then. If its answer is lost, what the store has decides what is reported.
//!
//! Must not know: etcd, what a release contains.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::key;
use super::machine::{Action, Machine, Seen};
use super::record::{Answer, Canary, Proposal, Record, Registration, Root};
use super::seal::{Seal, SealError};
use super::store::{Change, Entry, Lease, Revision, Written};

mod decide;

/// What is to be published.
#[derive(Debug, Clone)]
pub struct Draft {
    pub root: Root,
    pub canary: Option<Canary>,
    /// Nodes that are not waited for.
    pub without: Vec<String>,
    pub by: String,
    pub note: String,
    /// The release that has to be the current one until the commit, for what only makes sense together with that one; `None`: any.
    pub base: Option<Record>,
    /// Of [`key::PARTS_GENERATION`], before it was seen that all parts of the release are there.
    pub parts: Revision,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every node that was alive was ready, and all take it.
    Committed(Record),
    /// Nothing has changed.
    Withdrawn(Reason),
    /// The answer to a commit was lost, and the store has neither this release nor its proposal. So nothing has changed, unless
    /// the store was restored from an older backup in between: then a node that has the release puts it back.
    Unknown(Record),
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("node {node:?}: {reason}")]
    Refused { node: String, reason: String },
    #[error("node {0:?} was gone before it had answered")]
    Vanished(String),
    #[error("no answer in time from {}", .0.join(", "))]
    Late(Vec<String>),
    #[error("found another release that is being published by {by}, expected none")]
    Busy { by: String },
    /// What was expected is the draft's base; what was found is a number, and who has published it.
    #[error("found {}, expected release {expected}: another one was published meanwhile", current(.found.as_ref()))]
    Overtaken { expected: u64, found: Option<(u64, String)> },
    #[error(
        "the proposal was gone before it was committed: the connection to the store was lost for too long, or it was withdrawn elsewhere"
    )]
    Gone,
    #[error("parts of old releases were removed meanwhile, perhaps some that this one needs")]
    Swept,
    #[error("{key}: {error}")]
    Unreadable { key: String, error: SealError },
}

fn current(found: Option<&(u64, String)>) -> String {
    found.map_or_else(
        || "no current release".into(),
        |(number, by)| format!("release {number} by {by} as the current one"),
    )
}

/// The machine of one attempt to publish.
#[derive(Debug)]
pub struct Publisher {
    seal: Arc<Seal>,
    draft: Draft,
    attempt: String,
    /// In milliseconds since 1970.
    deadline: u64,
    session: Option<Session>,
    proposed: Option<Record>,
    /// The nodes that were seen while it was proposed, and whether each was ready.
    asked: BTreeMap<String, bool>,
    withdrawing: Option<Reason>,
    /// The answer to a commit was lost.
    perhaps: bool,
    doing: Option<Doing>,
    end: Option<End>,
}

#[derive(Debug)]
struct Session {
    lease: Lease,
    view: Option<View>,
}

#[derive(Debug, Default)]
struct View {
    current: Seen<Record>,
    proposal: Seen<Proposal>,
    generation: Revision,
    parts: Revision,
    veto: Revision,
    nodes: BTreeMap<String, Seen<Registration>>,
    answers: BTreeMap<String, Seen<Answer>>,
    /// What stands in the history under the number that was proposed.
    release: Seen<Record>,
}

#[derive(Debug)]
enum Doing {
    Connecting,
    Proposing(Record),
    Committing,
    Withdrawing(Reason),
}

impl Publisher {
    /// `attempt` is unique. From `deadline` on, in milliseconds since 1970, nobody is waited for.
    pub fn new(seal: Arc<Seal>, draft: Draft, attempt: String, deadline: u64) -> Self {
        Self {
            seal,
            draft,
            attempt,
            deadline,
            session: None,
            proposed: None,
            asked: BTreeMap::new(),
            withdrawing: None,
            perhaps: false,
            doing: None,
            end: None,
        }
    }

    /// How it ended. Its lease must not be kept alive after that: a proposal that was under way for long may arrive yet.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What was proposed, until it has ended.
    pub fn proposed(&self) -> Option<&Record> {
        self.proposed.as_ref()
    }

    /// The nodes that it waits for.
    pub fn waits_for(&self) -> impl Iterator<Item = &str> {
        let view = self.session.as_ref().and_then(|session| session.view.as_ref());
        let is_there = move |name: &str| view.is_some_and(|view| view.nodes.contains_key(name));
        let asked = self.asked.iter().filter(|(_, is_ready)| !**is_ready).map(|(name, _)| name.as_str());
        asked.filter(move |name| is_there(name))
    }

    fn put<T: serde::Serialize>(&self, key: &str, value: &T, lease: Option<Lease>) -> Option<Change> {
        let value = self.seal.close(key, value).ok()?;
        Some(Change::Put { key: key.to_owned(), value, lease })
    }

    fn withdrawn(&mut self, reason: Reason) -> Option<(Action, Doing)> {
        let reason = self.withdrawing.take().unwrap_or(reason);
        self.changed_nothing(reason);
        None
    }

    /// A store that shows no trace of a commit proves that there was none, unless it was restored in between.
    fn changed_nothing(&mut self, reason: Reason) {
        let record = self.proposed.take().filter(|_| self.perhaps);
        self.end = Some(record.map_or(End::Withdrawn(reason), End::Unknown));
    }
}

impl Machine for Publisher {
    fn next(&mut self, now: u64) -> Option<Action> {
        if self.doing.is_some() || self.end.is_some() {
            return None;
        }
        let (action, doing) = self.decide(now)?;
        self.doing = Some(doing);
        Some(action)
    }

    fn watched(&self) -> Vec<String> {
        let release = self.proposed.as_ref().map(|record| key::release(record.number));
        let attempt = [key::answers(&self.attempt), key::veto(&self.attempt)];
        [key::CURRENT, key::PROPOSAL, key::NODES, key::GENERATION, key::PARTS_GENERATION]
            .map(String::from)
            .into_iter()
            .chain(attempt)
            .chain(release)
            .collect()
    }

    fn connected(&mut self, lease: Lease, entries: Vec<Entry>) {
        self.doing = None;
        self.session = Some(Session { lease, view: Some(View::default()) });
        entries.into_iter().for_each(|entry| self.changed(entry));
    }

    fn changed(&mut self, entry: Entry) {
        let Some(view) = self.session.as_mut().and_then(|session| session.view.as_mut()) else { return };
        let revision = if entry.value.is_some() { entry.revision } else { 0 };
        if let Some(name) = entry.key.strip_prefix(key::NODES) {
            keep(&mut view.nodes, name, Seen::new(&self.seal, &entry));
        } else if let Some(name) = entry.key.strip_prefix(&key::answers(&self.attempt)) {
            keep(&mut view.answers, name, Seen::new(&self.seal, &entry));
        } else if entry.key.starts_with(key::RELEASES) {
            view.release = Seen::new(&self.seal, &entry);
        } else if entry.key == key::veto(&self.attempt) {
            view.veto = revision;
        } else {
            match entry.key.as_str() {
                key::CURRENT => view.current = Seen::new(&self.seal, &entry),
                key::PROPOSAL => view.proposal = Seen::new(&self.seal, &entry),
                key::GENERATION => view.generation = revision,
                key::PARTS_GENERATION => view.parts = revision,
                _ => {}
            }
        }
    }

    fn lost(&mut self) {
        self.perhaps |= matches!(self.doing, Some(Doing::Committing));
        (self.session, self.doing) = (None, None);
    }

    fn written(&mut self, written: Written) {
        let Some(doing) = self.doing.take() else { return };
        match (doing, written) {
            (Doing::Withdrawing(reason), Written::Done(_)) => self.changed_nothing(reason),
            (Doing::Proposing(record), Written::Done(_)) => {
                self.proposed = Some(record);
                self.read_again();
            }
            (Doing::Committing, Written::Done(_)) => self.end = self.proposed.take().map(End::Committed),
            (Doing::Committing, Written::Unknown) => {
                self.perhaps = true;
                self.read_again();
            }
            _ => self.read_again(),
        }
    }

    fn built(&mut self, _root: &Root, _result: Result<(), String>) {}

    fn served(&mut self, _record: &Record) {}
}

impl Publisher {
    fn read_again(&mut self) {
        if let Some(session) = &mut self.session {
            session.view = None;
        }
    }
}

fn keep<T>(all: &mut BTreeMap<String, Seen<T>>, name: &str, seen: Seen<T>) {
    if seen.value.is_some() {
        all.insert(name.to_owned(), seen);
    } else {
        all.remove(name);
    }
}
