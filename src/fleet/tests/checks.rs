//! What must hold in every schedule.

use super::world::{Host, Process, World};
use crate::fleet::key;
use crate::fleet::publisher::End;
use crate::fleet::record::{Answer, Proposal, Record, Registration};
use crate::fleet::store::{Change, Transaction};

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

    /// What publishers report is true.
    pub(super) fn reports_are_true(&self) {
        for host in &self.hosts[self.nodes..] {
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
