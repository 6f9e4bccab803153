//! One of the nodes leads: it makes the keys of session tickets, and whoever holds it may do what only one shall do.
//!
//! Every node is a candidate. The place is a key that goes with its holder's lease; whatever the leader writes requires that
//! this key has not changed, so one that has lost the place without knowing changes nothing.
//!
//! Must not know: etcd, what tickets are, what else a leader does.

use std::sync::Arc;

use super::key;
use super::machine::{Action, Machine, Seen};
use super::record::{Leading, Record, Root};
use super::seal::Seal;
use super::store::{Change, Entry, Lease, Revision, Transaction, Written};
use super::tickets::Ring;

/// The machine of a candidate.
#[derive(Debug)]
pub struct Leader {
    seal: Arc<Seal>,
    name: String,
    /// Makes a secret for a new key; `None` where the system has no random bytes.
    secret: fn() -> Option<String>,
    /// The latest that was seen here.
    ring: Option<Ring>,
    session: Option<Session>,
    is_doing: bool,
}

#[derive(Debug)]
struct Session {
    lease: Lease,
    view: View,
    /// This node has written since: the view is to be read again. Until then it counts, since whatever is written upon it
    /// requires that it is right.
    is_stale: bool,
}

#[derive(Debug, Default)]
struct View {
    leader: Seen<Leading>,
    tickets: Seen<Ring>,
}

impl Leader {
    /// `ring`: what this node has kept.
    pub fn new(seal: Arc<Seal>, name: String, ring: Option<Ring>, secret: fn() -> Option<String>) -> Self {
        Self { seal, name, secret, ring, session: None, is_doing: false }
    }

    /// The latest keys of session tickets.
    pub fn ring(&self) -> Option<&Ring> {
        self.ring.as_ref()
    }

    /// What a transaction requires so that it is made by the leader alone; `None` on a node that does not lead.
    pub fn fence(&self) -> Option<(String, Revision)> {
        let session = self.session.as_ref()?;
        let seen = &session.view.leader;
        let holds = is_held(seen) && seen.good()?.session == session.lease;
        holds.then(|| (key::LEADER.to_owned(), seen.revision))
    }

    /// Who leads, as far as this node has seen.
    pub fn leading(&self) -> Option<&str> {
        let view = &self.session.as_ref()?.view;
        view.leader.good().map(|leading| leading.node.as_str())
    }

    /// Why this node cannot see who leads, or which keys there are.
    pub fn trouble(&self) -> Option<String> {
        let view = &self.session.as_ref()?.view;
        let of = |key: &str, error: Option<&_>| error.map(|error: &super::seal::SealError| format!("{key}: {error}"));
        of(key::LEADER, view.leader.error()).or_else(|| of(key::TICKETS, view.tickets.error()))
    }

    fn decide(&self, now: u64) -> Option<Action> {
        let Some(session) = &self.session else { return Some(Action::Connect) };
        if session.is_stale {
            return Some(Action::Read);
        }
        let leader = &session.view.leader;
        match self.fence() {
            Some(fence) => self.keep_tickets(&session.view, fence, now),
            None if is_held(leader) => None,
            None => self.stand(session.lease, leader.revision),
        }
    }

    /// Takes the place that nobody has.
    fn stand(&self, lease: Lease, revision: Revision) -> Option<Action> {
        let leading = Leading { node: self.name.clone(), session: lease };
        let value = self.seal.close(key::LEADER, &leading).ok()?;
        let put = Change::Put { key: key::LEADER.into(), value, lease: Some(lease) };
        Some(Action::Write(Transaction { when: vec![(key::LEADER.into(), revision)], then: vec![put] }))
    }

    /// Makes a key when one is due, and puts back what the store has forgotten. What cannot be read is left as it is.
    fn keep_tickets(&self, view: &View, fence: (String, Revision), now: u64) -> Option<Action> {
        let stored = match &view.tickets.value {
            None => None,
            Some(Ok(ring)) => Some(ring),
            Some(Err(_)) => return None,
        };
        let own = self.ring.as_ref();
        let is_forgotten = own.map(|ring| ring.stamp) > stored.map(|ring| ring.stamp);
        let ring = match (own, is_forgotten) {
            (Some(ring), true) => ring.clone(),
            _ if stored.is_none_or(|ring| ring.is_due(now)) => Ring::turned(stored, (self.secret)()?, now),
            _ => return None,
        };
        let value = self.seal.close(key::TICKETS, &ring).ok()?;
        let put = Change::Put { key: key::TICKETS.into(), value, lease: None };
        let when = vec![fence, (key::TICKETS.into(), view.tickets.revision)];
        Some(Action::Write(Transaction { when, then: vec![put] }))
    }
}

/// Whether somebody has the place. What does not go with the lease of its holder was put there by somebody else.
fn is_held(seen: &Seen<Leading>) -> bool {
    match &seen.value {
        None => false,
        Some(Ok(leading)) => leading.session == seen.lease,
        Some(Err(_)) => seen.lease != 0,
    }
}

impl Machine for Leader {
    fn next(&mut self, now: u64) -> Option<Action> {
        if self.is_doing {
            return None;
        }
        let action = self.decide(now)?;
        self.is_doing = true;
        Some(action)
    }

    fn watched(&self) -> Vec<String> {
        vec![key::LEADER.to_owned(), key::TICKETS.to_owned()]
    }

    fn connected(&mut self, lease: Lease, entries: Vec<Entry>) {
        self.is_doing = false;
        self.session = Some(Session { lease, view: View::default(), is_stale: false });
        entries.into_iter().for_each(|entry| self.changed(entry));
    }

    fn changed(&mut self, entry: Entry) {
        let Some(Session { view, .. }) = &mut self.session else { return };
        match entry.key.as_str() {
            key::LEADER => view.leader = Seen::new(&self.seal, &entry),
            key::TICKETS => {
                view.tickets = Seen::new(&self.seal, &entry);
                let stored = view.tickets.good().filter(|stored| {
                    // An old ring may be played again by who cannot make one.
                    self.ring.as_ref().is_none_or(|ring| ring.stamp < stored.stamp)
                });
                if let Some(ring) = stored {
                    self.ring = Some(ring.clone());
                }
            }
            _ => {}
        }
    }

    fn lost(&mut self) {
        (self.session, self.is_doing) = (None, false);
    }

    fn written(&mut self, _written: Written) {
        self.is_doing = false;
        // Whatever has become of it: what is there now decides.
        if let Some(session) = &mut self.session {
            session.is_stale = true;
        }
    }

    fn built(&mut self, _root: &Root, _result: Result<(), String>) {}

    fn served(&mut self, _record: &Record) {}
}
