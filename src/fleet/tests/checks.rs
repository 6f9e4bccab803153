//! What must hold in every schedule.

use super::world::{Host, Kind, Process, World};
use crate::fleet::key;
use crate::fleet::publisher::End;
use crate::fleet::record::{Answer, Leading, Proposal, Record, Registration};
use crate::fleet::store::{Change, Transaction};
use crate::fleet::tickets::Ring;

pub(super) fn value_of<'t>(transaction: &'t Transaction, wanted: &str) -> Option<&'t [u8]> {
    transaction.then.iter().find_map(|change| match change {
        Change::Put { key, value, .. } if key == wanted => Some(value.as_slice()),
        _ => None,
    })
}

pub(super) fn is_commit(transaction: &Transaction) -> bool {
    value_of(transaction, key::CURRENT).is_some()
        && transaction.then.iter().any(|change| matches!(change, Change::Delete { key } if key == key::PROPOSAL))
}

impl World {
    /// A commit that would be made now has the consent of every node that is alive.
    pub(super) fn is_agreed(&self, transaction: &Transaction) {
        let holds = transaction
            .when
            .iter()
            .all(|(key, revision)| self.etcd.keys.get(key).map_or(0, |(_, last, _)| *last) == *revision);
        if !is_commit(transaction) || !holds {
            return;
        }
        let read = |key: &str| self.etcd.keys.get(key).map(|(value, ..)| value.as_slice());
        let proposal: Proposal = self.seal.open(key::PROPOSAL, read(key::PROPOSAL).unwrap()).unwrap();
        if let Some(base) = self.bases.get(&proposal.record.attempt) {
            let current = self.current().map(|current| current.attempt);
            assert_eq!(current.as_ref(), Some(base), "{proposal:?} is published over another release");
        }
        for (name, (value, ..)) in self.etcd.keys.range(key::NODES.to_owned()..) {
            let Some(node) = name.strip_prefix(key::NODES) else { break };
            if proposal.without.iter().any(|name| name == node) {
                continue;
            }
            let registration: Registration = self.seal.open(name, value).unwrap();
            let host = self.hosts.iter().find(|host| host.name == node).unwrap();
            if let Some(Process::Node(process)) =
                host.process.as_ref().filter(|_| host.lease == Some(registration.session))
            {
                let is_ready = proposal.record.roots().all(|root| process.is_ready_for(root));
                assert!(is_ready || host.is_spoiled, "{node} is not ready for {proposal:?}");
            }
            let answer = key::answer(&proposal.record.attempt, node);
            let answer = read(&answer).map(|value| self.seal.open::<Answer>(&answer, value).unwrap());
            let answer = answer.unwrap_or_else(|| panic!("{node} has not answered"));
            assert!(answer.refusal.is_none() && answer.session == registration.session, "{node}: {answer:?}");
        }
    }

    /// The current release, if it can be read.
    pub(super) fn current(&self) -> Option<Record> {
        self.etcd.keys.get(key::CURRENT).and_then(|(value, ..)| self.seal.open(key::CURRENT, value).ok())
    }

    pub(super) fn note_commit(&mut self, transaction: &Transaction) {
        if is_commit(transaction) {
            let record: Record = self.seal.open(key::CURRENT, value_of(transaction, key::CURRENT).unwrap()).unwrap();
            self.committed.insert(record.attempt.clone(), record);
        }
    }

    /// A node serves only what was committed, and nothing that is older than what it has served.
    pub(super) fn may_be_served(&self, host: &Host, record: &Record) {
        assert_eq!(self.committed.get(&record.attempt), Some(record), "{} serves what nobody committed", host.name);
        if let Some(before) = &host.kept {
            assert!(before.stamp < record.stamp, "{} goes back from {before:?} to {record:?}", host.name);
        }
    }

    /// The store has what the nodes have.
    pub(super) fn nothing_is_forgotten(&self) {
        let current = self.etcd.keys.get(key::CURRENT);
        let current: Option<Record> = current.map(|(value, ..)| self.seal.open(key::CURRENT, value).unwrap());
        for host in &self.hosts[..self.nodes] {
            let kept = host.kept.as_ref().map(|record| record.stamp);
            assert!(kept <= current.as_ref().map(|record| record.stamp), "{} has more than the store", host.name);
        }
        self.no_server_is_forgotten();
    }

    /// All serve what the store has, and that is the latest.
    pub(super) fn has_converged(&self) {
        let (value, ..) = self.etcd.keys.get(key::CURRENT).expect("nothing is published");
        let current: Record = self.seal.open(key::CURRENT, value).unwrap();
        for host in &self.hosts[..self.nodes] {
            let Some(Process::Node(node)) = &host.process else { panic!("{} is dead", host.name) };
            assert!(node.is_connected(), "{} is not connected", host.name);
            assert_eq!(node.serving(), Some(&current), "{}: {:?}", host.name, node.trouble());
            assert_eq!(node.trouble(), None, "{}", host.name);
        }
        assert!(!self.etcd.keys.contains_key(key::PROPOSAL), "a proposal has stayed");
        assert_eq!(current.by, self.hosts.last().unwrap().name, "the last publisher had everything it needs");
    }

    /// Only the leader has put keys of tickets; the one that seals was there before, and nothing goes back.
    pub(super) fn note_ring(&mut self, host: usize, transaction: &Transaction) {
        let Some(value) = value_of(transaction, key::TICKETS) else { return };
        let ring: Ring = self.seal.open(key::TICKETS, value).unwrap();
        if self.kind != Kind::Tampered {
            let leader = self.etcd.keys.get(key::LEADER).map(|(value, ..)| value);
            let leading: Leading = self.seal.open(key::LEADER, leader.expect("nobody leads")).unwrap();
            assert_eq!(leading.node, self.hosts[host].name, "it does not lead");
        }
        let before = self.rings.range(..ring.stamp).next_back().map(|(_, before)| before);
        if let (Some(before), Kind::Faults) = (before, self.kind) {
            assert!(before.keys.contains(&ring.keys[ring.keys.len() - 2]), "{before:?}, then {ring:?}");
            assert!(self.rings.range(ring.stamp..).next().is_none(), "{ring:?} is not the latest");
        }
        self.rings.insert(ring.stamp, ring);
    }

    /// One leads, and all have its keys.
    pub(super) fn one_leads(&self) {
        let candidates = &self.hosts[self.nodes..self.publishers];
        let leader = |host: &&Host| matches!(&host.process, Some(Process::Leader(one)) if one.fence().is_some());
        assert_eq!(candidates.iter().filter(leader).count(), 1, "leaders");
        let (value, ..) = self.etcd.keys.get(key::TICKETS).expect("there are no keys of tickets");
        let ring: Ring = self.seal.open(key::TICKETS, value).unwrap();
        for host in candidates {
            let Some(Process::Leader(one)) = &host.process else { panic!("{} is dead", host.name) };
            assert_eq!((one.ring(), one.trouble()), (Some(&ring), None), "{}", host.name);
        }
    }

    /// Nobody has keys of tickets that no leader has made.
    pub(super) fn rings_are_true(&self) {
        for host in &self.hosts[self.nodes..self.publishers] {
            let Some(ring) = &host.ring else { continue };
            assert_eq!(self.rings.get(&ring.stamp), Some(ring), "{}", host.name);
        }
    }

    /// What publishers report is true.
    pub(super) fn reports_are_true(&self) {
        for host in &self.hosts[self.publishers..] {
            let Some(Process::Publisher(publisher)) = &host.process else { continue };
            let attempt = format!("attempt{}", &host.name[1..]);
            match publisher.end() {
                Some(End::Committed(record)) => assert_eq!(self.committed.get(&attempt), Some(record)),
                Some(End::Withdrawn(reason)) => {
                    assert_eq!(self.committed.get(&attempt), None, "{}: {reason}", host.name);
                }
                Some(End::Unknown(record)) => assert_eq!(record.attempt, attempt),
                None => panic!("{} has not ended", host.name),
            }
        }
    }
}
