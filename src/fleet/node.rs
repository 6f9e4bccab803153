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
use super::store::{Change, Entry, Lease, Revision, Transaction, Written};

/// Who a node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Unique in the fleet.
    pub name: String,
    /// The machine, across restarts.
    pub machine: String,
}

/// The machine of a node.
#[derive(Debug)]
pub struct Node {
    seal: Arc<Seal>,
    identity: Identity,
    serving: Option<Record>,
    /// What could be served at once.
    ready: BTreeSet<Root>,
    /// What could not be built, for which attempt, and why.
    failed: BTreeMap<Root, (String, String)>,
    drained: Drained,
    session: Option<Session>,
    doing: Option<Doing>,
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
        let (failed, drained) = (BTreeMap::new(), Drained::default());
        Self { seal, identity, serving, ready, failed, drained, session: None, doing: None }
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
            self.failed.insert(root.clone(), (attempt, reason));
        }
    }

    /// What could not be served is tried again.
    pub fn retry(&mut self) {
        self.failed.clear();
    }

    /// Why the node does not take part as it should.
    pub fn trouble(&self) -> Option<String> {
        let view = self.view()?;
        if let Some(error) = view.current.error() {
            return Some(format!("{}: {error}", key::CURRENT));
        }
        if let Some(error) = view.drained.error() {
            return Some(format!("{}: {error}", key::DRAINED));
        }
        if let Some(other) = self.taken(view) {
            return Some(format!("found the name {:?} in use by the machine {other}", self.identity.name));
        }
        let record = view.current.good()?;
        let (_, reason) = self.failed.get(record.root_for(&self.identity.name))?;
        (!self.is_served(record)).then(|| format!("release {}: {reason}", record.number))
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

    /// The other machine that has this node's name.
    fn taken<'v>(&self, view: &'v View) -> Option<&'v str> {
        let other = view.mine.good()?;
        (other.machine != self.identity.machine).then_some(other.machine.as_str())
    }

    fn registration(&self, session: Lease) -> Registration {
        let serving = self.serving.as_ref().map(|record| Served {
            number: record.number,
            stamp: record.stamp,
            root: record.root_for(&self.identity.name).clone(),
        });
        Registration { machine: self.identity.machine.clone(), session, serving, trouble: self.trouble() }
    }

    fn put<T: serde::Serialize>(&self, key: &str, value: &T, lease: Option<Lease>) -> Option<Change> {
        let value = self.seal.close(key, value).ok()?;
        Some(Change::Put { key: key.to_owned(), value, lease })
    }

    /// The next step, and how its result is understood.
    fn decide(&self) -> Option<(Action, Doing)> {
        let Some(session) = &self.session else { return Some((Action::Connect, Doing::Connecting)) };
        let Some(view) = &session.view else { return Some((Action::Read, Doing::Connecting)) };
        if self.taken(view).is_some() {
            return None;
        }
        self.register(session, view)
            .or_else(|| self.follow(view))
            .or_else(|| self.restore(view))
            .or_else(|| self.restore_drained(view))
            .or_else(|| self.prepare(session, view))
    }

    fn register(&self, session: &Session, view: &View) -> Option<(Action, Doing)> {
        let (wanted, name) = (self.registration(session.lease), key::node(&self.identity.name));
        let revision = match &session.registered {
            // Somebody else has written there since: perhaps it does not even go with the lease any more.
            Some((revision, _)) if view.mine.revision > *revision => view.mine.revision,
            Some((_, there)) if *there == wanted => return None,
            Some((revision, _)) => *revision,
            None => view.mine.revision,
        };
        let mut then = vec![self.put(&name, &wanted, Some(session.lease))?];
        if session.registered.is_none() {
            then.push(self.put(key::GENERATION, &session.lease, None)?);
        }
        let transaction = Transaction { when: vec![(name, revision)], then };
        Some((Action::Write(transaction), Doing::Registering(wanted)))
    }

    /// Serves what is committed.
    fn follow(&self, view: &View) -> Option<(Action, Doing)> {
        let record = view.current.good().filter(|record| !self.is_served(record))?;
        let root = record.root_for(&self.identity.name);
        if self.ready.contains(root) {
            return Some((Action::Serve(record.clone()), Doing::Serving(root.clone())));
        }
        self.build(root, &record.attempt)
    }

    fn build(&self, root: &Root, attempt: &str) -> Option<(Action, Doing)> {
        if self.failed.get(root).is_some_and(|(failed, _)| failed == attempt) {
            return None;
        }
        Some((Action::Build(root.clone()), Doing::Building { attempt: attempt.to_owned() }))
    }

    /// Puts back what the store has forgotten. What cannot be read is left as it is: perhaps it is this node that has the
    /// wrong secret.
    fn restore(&self, view: &View) -> Option<(Action, Doing)> {
        let serving = self.serving.as_ref()?;
        let is_behind = match &view.current.value {
            None => true,
            Some(Ok(current)) => current.stamp < serving.stamp,
            Some(Err(_)) => false,
        };
        if !is_behind {
            return None;
        }
        let release = key::release(serving.number);
        let then = vec![self.put(key::CURRENT, serving, None)?, self.put(&release, serving, None)?];
        // What is found to be there must still be there when the release counts.
        let when = vec![(key::CURRENT.into(), view.current.revision), (key::PARTS_GENERATION.into(), view.parts)];
        let transaction = Transaction { when, then };
        Some((Action::Restore(serving.clone(), transaction), Doing::Restoring))
    }

    fn restore_drained(&self, view: &View) -> Option<(Action, Doing)> {
        let there = match &view.drained.value {
            None => Drained::default(),
            Some(Ok(there)) => there.clone(),
            Some(Err(_)) => return None,
        };
        // What is there was merged into what the node knows when it was seen.
        if there == self.drained {
            return None;
        }
        let then = vec![self.put(key::DRAINED, &self.drained, None)?];
        let when = vec![(key::DRAINED.into(), view.drained.revision)];
        Some((Action::Write(Transaction { when, then }), Doing::Restoring))
    }

    /// Builds what is proposed, and answers.
    fn prepare(&self, session: &Session, view: &View) -> Option<(Action, Doing)> {
        let proposal = view.proposal.good()?;
        let (record, name) = (&proposal.record, &self.identity.name);
        if proposal.without.contains(name) {
            return None;
        }
        let mut refusal = None;
        if self.is_served(record) {
            refusal = Some("it is not later than the release that this node serves".to_owned());
        } else {
            for root in record.roots().filter(|root| !self.ready.contains(*root)) {
                if let Some(build) = self.build(root, &record.attempt) {
                    return Some(build);
                }
                refusal = self.failed.get(root).map(|(_, reason)| reason.clone());
            }
        }
        let answer = Answer { session: session.lease, proposal: view.proposal.revision, refusal };
        if session.answered.as_ref().is_some_and(|(to, last)| *to == record.attempt && *last == answer) {
            return None;
        }
        let (registered, _) = session.registered.as_ref()?;
        let mut then = vec![self.put(&key::answer(&record.attempt, name), &answer, Some(session.lease))?];
        if answer.refusal.is_some() {
            then.push(self.put(&key::veto(&record.attempt), name, Some(session.lease))?);
        }
        let when = vec![(key::PROPOSAL.into(), view.proposal.revision), (key::node(name), *registered)];
        Some((Action::Write(Transaction { when, then }), Doing::Answering(record.attempt.clone(), answer)))
    }

    /// Something that was built and is not needed.
    fn superfluous(&self) -> Option<Root> {
        let view = self.view()?;
        let proposed = view.proposal.good().into_iter().flat_map(|proposal| proposal.record.roots());
        let needed: BTreeSet<&Root> = view.current.good().into_iter().flat_map(Record::roots).chain(proposed).collect();
        self.ready.iter().find(|root| !self.serves(root) && !needed.contains(root)).cloned()
    }
}

impl Machine for Node {
    fn next(&mut self, _now: u64) -> Option<Action> {
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
        vec![key::CONTROL.to_owned(), key::PARTS_GENERATION.to_owned(), key::node(&self.identity.name)]
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
            other if other == name => view.mine = Seen::new(&self.seal, &entry),
            _ => {}
        }
        // What failed for a proposal that is gone may work for the next.
        let open = view.proposal.good().map(|proposal| &proposal.record.attempt);
        let committed = view.current.good().map(|record| &record.attempt);
        self.failed.retain(|_, (attempt, _)| [open, committed].contains(&Some(attempt)));
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
                self.failed.insert(root.clone(), (attempt, reason));
            }
        }
    }

    fn served(&mut self, record: &Record) {
        self.doing = None;
        self.ready.insert(record.root_for(&self.identity.name).clone());
        self.serving = Some(record.clone());
    }
}
