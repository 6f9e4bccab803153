//! Parts of releases, which somebody removes when they are old; and servers that are taken out of rotation.

use super::checks::{is_commit, value_of};
use super::world::{Kind, World};
use crate::fleet::drained::Drained;
use crate::fleet::key;
use crate::fleet::part::PartName;
use crate::fleet::record::{Proposal, Record, Root};
use crate::fleet::store::{Change, Revision, Transaction};
use crate::fleet::sweep::{self, Seen};

fn part(root: &Root) -> String {
    key::part(&PartName(root.0.clone()))
}

impl World {
    fn revision(&self, key: &str) -> Revision {
        self.etcd.keys.get(key).map_or(0, |(_, revision, _)| *revision)
    }

    fn opened<T: serde::de::DeserializeOwned>(&self, key: &str) -> Option<Option<T>> {
        self.etcd.keys.get(key).map(|(value, ..)| self.seal.open(key, value).ok())
    }

    /// Puts the parts that are missing; returns the generation before.
    pub(super) fn put_parts<'r>(&mut self, roots: impl Iterator<Item = &'r Root>) -> Revision {
        let parts = self.revision(key::PARTS_GENERATION);
        let missing: Vec<String> = roots.map(part).filter(|part| !self.etcd.keys.contains_key(part)).collect();
        for key in missing {
            let change = Change::Put { key, value: vec![0], lease: None };
            self.etcd.write(&Transaction { when: Vec::new(), then: vec![change] });
        }
        parts
    }

    /// Removes releases but for the last two, and the parts that none of the rest needs.
    pub(super) fn sweep(&mut self) {
        let (current, proposal) = (self.opened::<Record>(key::CURRENT), self.opened::<Proposal>(key::PROPOSAL));
        if current == Some(None) || proposal == Some(None) {
            return;
        }
        let (current, proposal) = (current.flatten(), proposal.flatten());
        let all: Vec<String> = self.etcd.keys.keys().filter(|key| key.starts_with(key::RELEASES)).cloned().collect();
        let releases: Vec<Record> = all.iter().filter_map(|key| self.opened(key).flatten()).collect();
        let kept = sweep::kept(&releases, current.as_ref(), 2);
        let stay = releases.iter().filter(|record| kept.contains(&record.number));
        let needed = sweep::needed(stay, current.as_ref(), proposal.as_ref());
        let needed: Vec<String> = needed.iter().map(part).collect();
        let parts = self.etcd.keys.keys().filter(|key| key.starts_with(key::PARTS) && !needed.contains(key));
        let old = releases.iter().map(|record| record.number).filter(|number| !kept.contains(number)).map(key::release);
        let gone: Vec<String> = parts.cloned().chain(old).collect();
        let seen = Seen {
            current: self.revision(key::CURRENT),
            proposal: self.revision(key::PROPOSAL),
            parts: self.revision(key::PARTS_GENERATION),
        };
        self.say(|| format!("somebody removes {gone:?}"));
        let transaction = seen.removing(gone.into_iter(), vec![1]);
        if let Some((_, entries)) = self.etcd.write(&transaction) {
            self.notify(&entries);
        }
    }

    /// Somebody takes a server out of rotation, or puts it back.
    pub(super) fn drain(&mut self) {
        let there = self.opened::<Drained>(key::DRAINED);
        if there == Some(None) {
            return;
        }
        let mut drained = there.flatten().unwrap_or_default();
        let (server, is_drained) = (format!("s{}", self.rng.u32(0..4)), self.rng.bool());
        if !drained.set(("b", &server), is_drained, self.now, "somebody") {
            return;
        }
        self.drained.merge(&drained);
        let value = self.seal.close(key::DRAINED, &drained).unwrap();
        self.put(key::DRAINED.into(), value);
    }

    /// Whoever makes a release the current one knows that its parts are there. A store that was restored may have lost those
    /// that a publisher had put: then nodes cannot fetch them.
    pub(super) fn has_its_parts(&self, transaction: &Transaction) {
        let Some(value) = value_of(transaction, key::CURRENT) else { return };
        if is_commit(transaction) && self.kind == Kind::Restored {
            return;
        }
        let record: Record = self.seal.open(key::CURRENT, value).unwrap();
        for root in record.roots() {
            assert!(self.etcd.keys.contains_key(&part(root)), "{root:?} has no parts");
        }
    }

    /// The store has what nodes know of servers, and all of it if nothing was restored.
    pub(super) fn no_server_is_forgotten(&self) {
        let there = self.opened::<Drained>(key::DRAINED).map_or_else(Drained::default, Option::unwrap);
        for host in &self.hosts[..self.nodes] {
            let mut both = there.clone();
            both.merge(&host.drained);
            assert_eq!(both, there, "{} knows more than the store", host.name);
        }
        if self.kind == Kind::Faults {
            assert_eq!(there, self.drained);
        }
    }
}
