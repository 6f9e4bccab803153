//! A node: registers, prepares what is proposed, serves what is committed, and puts back what a store has forgotten.
//!
//! It decides from what it sees, and not from what has just happened: whatever was lost, it reads again and goes on. The
//! order of releases is that of their stamps. What is later is taken; a store that has an earlier one was restored from a
//! backup, or somebody plays an old release again: the later one is put back. Without the store the node serves on.
//!
//! Must not know: etcd, what a release contains, how it is built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::drained::Drained;
use super::key;
use super::machine::{Action, Machine, Seen};
use super::record::{Answer, Proposal, Record, Registration, Root, Served};
use super::seal::Seal;
use super::store::{Change, Entry, Lease, Revision, Written};

mod decide;

/// Who a node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Unique in the fleet.
    pub name: String,
    /// The machine, across restarts.
    pub machine: String,
    /// The process.
    pub process: String,
}

/// The machine of a node.
#[derive(Debug)]
pub struct Node {
    seal: Arc<Seal>,
    identity: Identity,
    serving: Option<Record>,
    /// What could be served at once.
    ready: BTreeSet<Root>,
    /// What could not be built.
    failed: BTreeMap<Root, Failure>,
    drained: Drained,
    /// Why the release that is served is not good, and its stamp.
    unwell: Option<(u64, String)>,
    /// The process that has taken this one's name.
    overtaken: Option<String>,
    /// Milliseconds since 1970.
    now: u64,
    session: Option<Session>,
    doing: Option<Doing>,
}

/// Why something could not be built.
#[derive(Debug)]
struct Failure {
    /// For which attempt to publish.
    attempt: String,
    reason: String,
    /// How long it was waited for another try, and until when, in milliseconds: what is served elsewhere is tried again, since
    /// a full disk or an etcd that is away must not leave a node behind. What is only proposed is not.
    pause: u64,
    again: u64,
}

#[derive(Debug)]
struct Session {
    lease: Lease,
    /// `None`: to be read.
    view: Option<View>,
    registered: Option<(Revision, Registration)>,
    answered: Option<(String, Answer)>,
}

#[derive(Debug, Default)]
struct View {
    current: Seen<Record>,
    proposal: Seen<Proposal>,
    mine: Seen<Registration>,
    drained: Seen<Drained>,
    parts: Revision,
}

#[derive(Debug)]
enum Doing {
    Connecting,
    Registering(Registration),
    Answering(String, Answer),
    Restoring,
    Building { attempt: String },
    Serving(Root),
}

impl Node {
    /// `serving`: what the process has taken from its own disk, and serves.
    pub fn new(seal: Arc<Seal>, identity: Identity, serving: Option<Record>) -> Self {
        let ready = serving.iter().map(|record| record.root_for(&identity.name).clone()).collect();
        Self {
            seal,
            identity,
            serving,
            ready,
            failed: BTreeMap::new(),
            drained: Drained::default(),
            unwell: None,
            overtaken: None,
            now: 0,
            session: None,
            doing: None,
        }
    }

    /// With what the process has kept of it.
    #[must_use]
    pub fn with_drained(mut self, drained: Drained) -> Self {
        self.drained = drained;
        self
    }

    /// The servers that are out of rotation, as far as the node knows.
    pub fn drained(&self) -> &Drained {
        &self.drained
    }

    /// The release that it serves.
    pub fn serving(&self) -> Option<&Record> {
        self.serving.as_ref()
    }

    /// Whether this could be served at once.
    pub fn is_ready_for(&self, root: &Root) -> bool {
        self.ready.contains(root)
    }

    /// Whether the node has a lease and sees the store.
    pub fn is_connected(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.registered.is_some())
    }

    /// What was built cannot be served any more.
    pub fn spoiled(&mut self, root: &Root, reason: String) {
        if !self.serves(root) && self.ready.remove(root) {
            let attempt = self.view().and_then(|view| view.proposal.good()).map(|proposal| &proposal.record.attempt);
            let attempt = attempt.cloned().unwrap_or_default();
            self.fail(root, attempt, reason);
        }
    }

    fn fail(&mut self, root: &Root, attempt: String, reason: String) {
        let pause = self.failed.get(root).map_or(FIRST_PAUSE, |failure| (failure.pause * 2).min(LONGEST_PAUSE));
        self.failed.insert(root.clone(), Failure { attempt, reason, pause, again: self.now + pause });
    }

    /// The release that the node serves as a canary is not good: that is its trouble until it serves another one.
    pub fn unwell(&mut self, reason: String) {
        self.unwell = self.serving.as_ref().map(|record| (record.stamp, reason));
    }

    /// What could not be served is tried again.
    pub fn retry(&mut self) {
        self.failed.clear();
    }

    /// Why the node does not take part as it should, or why the release that it serves is not good.
    pub fn trouble(&self) -> Option<String> {
        let view = self.view()?;
        if let Some(error) = view.current.error() {
            return Some(format!("{}: {error}", key::CURRENT));
        }
        if let Some(error) = view.drained.error() {
            return Some(format!("{}: {error}", key::DRAINED));
        }
        if let Some(other) = self.taken(view) {
            return Some(format!("found the name {:?} in use by {other}", self.identity.name));
        }
        self.missed(view).or_else(|| {
            let (of, reason) = self.unwell.as_ref()?;
            self.serving.as_ref().is_some_and(|serving| serving.stamp == *of).then(|| reason.clone())
        })
    }

    /// Why the current release is not served.
    fn missed(&self, view: &View) -> Option<String> {
        let record = view.current.good().filter(|record| !self.is_served(record))?;
        let Failure { reason, .. } = self.failed.get(record.root_for(&self.identity.name))?;
        Some(format!("release {}: {reason}", record.number))
    }

    fn view(&self) -> Option<&View> {
        self.session.as_ref()?.view.as_ref()
    }

    fn serves(&self, root: &Root) -> bool {
        self.serving.as_ref().is_some_and(|record| record.root_for(&self.identity.name) == root)
    }

    fn is_served(&self, record: &Record) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.stamp >= record.stamp)
    }

    /// Who else has this node's name.
    fn taken(&self, view: &View) -> Option<String> {
        // What goes with no lease, or with another one than its own, was put there by somebody else.
        let other = view.mine.good().filter(|other| other.session == view.mine.lease)?;
        if other.machine != self.identity.machine {
            return Some(format!("the machine {}", other.machine));
        }
        let is_other = self.overtaken.as_ref() == Some(&other.process);
        is_other.then(|| "another process with a copy of this node's state, which has come later".to_owned())
    }

    fn registration(&self, session: Lease) -> Registration {
        let serving = self.serving.as_ref().map(|record| Served {
            number: record.number,
            stamp: record.stamp,
            root: record.root_for(&self.identity.name).clone(),
        });
        let Identity { machine, process, .. } = self.identity.clone();
        Registration { machine, process, session, serving, trouble: self.trouble() }
    }

    fn put<T: serde::Serialize>(&self, key: &str, value: &T, lease: Option<Lease>) -> Option<Change> {
        let value = self.seal.close(key, value).ok()?;
        Some(Change::Put { key: key.to_owned(), value, lease })
    }
}

impl Machine for Node {
    fn next(&mut self, now: u64) -> Option<Action> {
        self.now = now;
        if self.doing.is_some() {
            return None;
        }
        if let Some((action, doing)) = self.decide() {
            self.doing = Some(doing);
            return Some(action);
        }
        let root = self.superfluous()?;
        self.ready.remove(&root);
        Some(Action::Forget(root))
    }

    fn watched(&self) -> Vec<String> {
        // And no prefix: whoever can write there must not fill the memory of all nodes.
        let own = key::node(&self.identity.name);
        let common = [key::CURRENT, key::PROPOSAL, key::DRAINED, key::PARTS_GENERATION];
        common.map(str::to_owned).into_iter().chain([own]).collect()
    }

    fn connected(&mut self, lease: Lease, entries: Vec<Entry>) {
        self.doing = None;
        let last = self.session.take().filter(|session| session.lease == lease);
        let (registered, answered) = last.map_or((None, None), |last| (last.registered, last.answered));
        self.session = Some(Session { lease, view: Some(View::default()), registered, answered });
        entries.into_iter().for_each(|entry| self.changed(entry));
        // A store that was restored has another registration, or none.
        let Some(session) = &mut self.session else { return };
        let there = session.view.as_ref().map(|view| view.mine.revision);
        session.registered = session.registered.take().filter(|(revision, _)| Some(*revision) == there);
    }

    fn changed(&mut self, entry: Entry) {
        let name = key::node(&self.identity.name);
        let Some(session) = &mut self.session else { return };
        let expired = session.registered.as_ref().is_some_and(|(revision, _)| entry.revision > *revision);
        if entry.key == name && entry.value.is_none() && expired {
            return self.lost();
        }
        let Some(view) = &mut session.view else { return };
        match entry.key.as_str() {
            key::CURRENT => view.current = Seen::new(&self.seal, &entry),
            key::PROPOSAL => view.proposal = Seen::new(&self.seal, &entry),
            key::DRAINED => {
                view.drained = Seen::new(&self.seal, &entry);
                view.drained.good().into_iter().for_each(|there| self.drained.merge(there));
            }
            key::PARTS_GENERATION => view.parts = if entry.value.is_some() { entry.revision } else { 0 },
            other if other == name => {
                view.mine = Seen::new(&self.seal, &entry);
                let (own, mine) = (&self.identity.process, &session.registered);
                let other = view.mine.good().map(|there| &there.process).filter(|process| *process != own);
                if mine.as_ref().is_some_and(|(revision, _)| entry.revision > *revision) {
                    self.overtaken = other.cloned();
                }
            }
            _ => {}
        }
        // What failed for a proposal that is gone may work for the next.
        let open = view.proposal.good().map(|proposal| &proposal.record.attempt);
        let committed = view.current.good().map(|record| &record.attempt);
        self.failed.retain(|_, failure| [open, committed].contains(&Some(&failure.attempt)));
    }

    fn lost(&mut self) {
        self.session = None;
        if !matches!(self.doing, Some(Doing::Building { .. } | Doing::Serving(_))) {
            self.doing = None;
        }
    }

    fn written(&mut self, written: Written) {
        let (Some(session), Some(doing)) = (&mut self.session, self.doing.take()) else { return };
        match (doing, written) {
            (Doing::Registering(registration), Written::Done(revision)) => {
                session.registered = Some((revision, registration));
            }
            (Doing::Answering(attempt, answer), Written::Done(_)) => session.answered = Some((attempt, answer)),
            (Doing::Registering(_), _) => {
                session.registered = None;
                session.view = None;
            }
            _ => session.view = None,
        }
    }

    fn built(&mut self, root: &Root, result: Result<(), String>) {
        let attempt = match self.doing.take() {
            Some(Doing::Building { attempt }) => attempt,
            // It has to be built again.
            Some(Doing::Serving(root)) => {
                self.ready.remove(&root);
                let attempt = self.view().and_then(|view| view.current.good()).map(|record| record.attempt.clone());
                if let (Some(attempt), Err(reason)) = (attempt, result) {
                    self.fail(&root, attempt, reason);
                }
                return;
            }
            _ => return,
        };
        match result {
            Ok(()) => {
                self.failed.remove(root);
                self.ready.insert(root.clone());
            }
            Err(reason) => {
                self.fail(root, attempt, reason);
            }
        }
    }

    fn served(&mut self, record: &Record) {
        self.doing = None;
        let root = record.root_for(&self.identity.name).clone();
        // What was served before is not held any longer: who asks for it again has it built again.
        if let Some(before) = self.serving.as_ref().map(|before| before.root_for(&self.identity.name))
            && *before != root
        {
            self.ready.remove(before);
        }
        self.failed.remove(&root);
        self.ready.insert(root);
        self.serving = Some(record.clone());
    }
}

/// Before what is served elsewhere is tried again, in milliseconds: twice as long each time.
const FIRST_PAUSE: u64 = 5_000;
const LONGEST_PAUSE: u64 = 60_000;
