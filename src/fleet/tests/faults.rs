//! What goes wrong.

use super::event::Event;
use super::world::{Kind, Process, World};
use crate::fleet::key;
use crate::fleet::record::Proposal;
use crate::fleet::store::{Change, Transaction};

impl World {
    pub(super) fn fault(&mut self) {
        let host = self.rng.usize(0..self.hosts.len());
        match self.rng.u32(0..15) {
            0..=2 if host < self.publishers => {
                self.kill(host);
                let wait = self.rng.u64(10..15_000);
                self.after(wait, Event::Restart(host));
            }
            0..=2 => self.kill(host),
            3..=5 => {
                self.say(|| format!("{} is cut off", self.hosts[host].name));
                self.hosts[host].is_cut = true;
                let wait = self.rng.u64(100..30_000);
                self.after(wait, Event::Mend(host));
            }
            6 => self.lose(host),
            7 => {
                // The publishers die together: nobody withdraws what they have proposed.
                (self.publishers..self.hosts.len()).for_each(|host| self.kill(host));
            }
            8 => self.spoil(host),
            9 => self.sweep(),
            10 => self.drain(),
            11 => self.make_unwell(host),
            _ if self.kind == Kind::Restored => self.back_up_or_restore(),
            _ if self.kind == Kind::Tampered => self.tamper(),
            _ => self.lose(host),
        }
    }

    pub(super) fn kill(&mut self, host: usize) {
        self.say(|| format!("{} dies", self.hosts[host].name));
        self.hosts[host].process = None;
        self.hosts[host].life += 1;
        self.hosts[host].disconnect();
    }

    /// What a node has built cannot be served any more.
    pub(super) fn spoil(&mut self, host: usize) {
        let Some(Process::Node(node)) = &mut self.hosts[host].process else { return };
        let proposed = self.etcd.keys.get(key::PROPOSAL).map(|(value, ..)| value);
        let proposal = proposed.and_then(|value| self.seal.open::<Proposal>(key::PROPOSAL, value).ok());
        if let Some(proposal) = proposal {
            node.spoiled(&proposal.record.root, "the port is in use".into());
            self.hosts[host].is_spoiled = true;
            self.step(host);
        }
    }

    /// A node finds that what it serves is not good.
    pub(super) fn make_unwell(&mut self, host: usize) {
        let Some(Process::Node(node)) = &mut self.hosts[host].process else { return };
        node.unwell("handshakes fail".into());
        self.step(host);
    }

    pub(super) fn back_up_or_restore(&mut self) {
        if self.rng.bool() {
            self.backup = self.etcd.clone();
            return;
        }
        self.say(|| format!("the store is restored to revision {}", self.backup.revision));
        self.etcd = self.backup.clone();
        let ends = self.now + super::etcd::TTL;
        self.etcd.leases.values_mut().for_each(|lease| *lease = ends);
        self.etcd.last_lease += 1_000_000;
        // It was stopped for that: what was on the way to it is lost.
        self.queue.retain(|_, event| !matches!(event, Event::Request { .. }));
        (0..self.hosts.len()).for_each(|host| self.lose(host));
    }

    /// Somebody who has the store, but not the secret.
    pub(super) fn tamper(&mut self) {
        let keys: Vec<String> = self.etcd.keys.keys().cloned().collect();
        if keys.is_empty() {
            return;
        }
        let pick = |rng: &mut fastrand::Rng| keys[rng.usize(0..keys.len())].clone();
        let (one, other) = (pick(&mut self.rng), pick(&mut self.rng));
        let value = match self.rng.u32(0..4) {
            0 => {
                let mut value = self.etcd.keys[&one].0.clone();
                let bit = self.rng.usize(0..value.len() * 8);
                value[bit / 8] ^= 1 << (bit % 8);
                value
            }
            1 => self.etcd.keys[&other].0.clone(),
            2 if !self.old.is_empty() => {
                let (key, value) = self.old[self.rng.usize(0..self.old.len())].clone();
                return self.put(key, value);
            }
            _ => {
                self.old.push((one.clone(), self.etcd.keys[&one].0.clone()));
                return;
            }
        };
        self.put(one, value);
    }

    pub(super) fn put(&mut self, key: String, value: Vec<u8>) {
        self.say(|| format!("somebody puts {key}"));
        let change = Change::Put { key, value, lease: None };
        if let Some((_, entries)) = self.etcd.write(&Transaction { when: Vec::new(), then: vec![change] }) {
            self.notify(&entries);
        }
    }
}
