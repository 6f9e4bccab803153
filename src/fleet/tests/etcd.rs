//! The model of etcd: keys with revisions, leases, transactions.

use std::collections::BTreeMap;

use crate::fleet::store::{Change, Entry, Lease, Revision, Transaction, Written};

/// In milliseconds.
pub(super) const TTL: u64 = 10_000;

#[derive(Debug, Clone, Default)]
pub(super) struct Etcd {
    pub(super) keys: BTreeMap<String, (Vec<u8>, Revision, Option<Lease>)>,
    pub(super) revision: Revision,
    /// When each ends.
    pub(super) leases: BTreeMap<Lease, u64>,
    pub(super) last_lease: Lease,
}

impl Etcd {
    pub(super) fn grant(&mut self, now: u64) -> Lease {
        self.last_lease += 1;
        self.leases.insert(self.last_lease, now + TTL);
        self.last_lease
    }

    /// Whether the lease was still there.
    pub(super) fn keep_alive(&mut self, lease: Lease, now: u64) -> bool {
        self.leases.get_mut(&lease).map(|ends| *ends = now + TTL).is_some()
    }

    pub(super) fn list(&self, watched: &[String]) -> Vec<Entry> {
        let is_watched = |key: &str| watched.iter().any(|prefix| key.starts_with(prefix.as_str()));
        let entry = |(key, (value, revision, lease)): (&String, &(Vec<u8>, Revision, Option<Lease>))| Entry {
            lease: lease.unwrap_or(0),
            key: key.clone(),
            value: Some(value.clone()),
            revision: *revision,
        };
        self.keys.iter().filter(|(key, _)| is_watched(key)).map(entry).collect()
    }

    /// `None`: a lease that it names is gone.
    pub(super) fn write(&mut self, transaction: &Transaction) -> Option<(Written, Vec<Entry>)> {
        let holds =
            |(key, revision): &(String, Revision)| self.keys.get(key).map_or(0, |(_, last, _)| *last) == *revision;
        if !transaction.when.iter().all(holds) {
            return Some((Written::Refused, Vec::new()));
        }
        let leases = transaction.then.iter().filter_map(|change| match change {
            Change::Put { lease, .. } => *lease,
            Change::Delete { .. } => None,
        });
        if !leases.into_iter().all(|lease| self.leases.contains_key(&lease)) {
            return None;
        }
        self.revision += 1;
        let entries = transaction.then.iter().map(|change| self.change(change)).collect();
        Some((Written::Done(self.revision), entries))
    }

    fn change(&mut self, change: &Change) -> Entry {
        match change {
            Change::Put { key, value, lease } => {
                self.keys.insert(key.clone(), (value.clone(), self.revision, *lease));
                Entry {
                    key: key.clone(),
                    value: Some(value.clone()),
                    revision: self.revision,
                    lease: lease.unwrap_or(0),
                }
            }
            Change::Delete { key } => {
                self.keys.remove(key);
                Entry { key: key.clone(), value: None, revision: self.revision, lease: 0 }
            }
        }
    }

    /// Ends leases whose time has come, and all that was put with them.
    pub(super) fn expire(&mut self, now: u64) -> Vec<Entry> {
        let ended: Vec<Lease> = self.leases.iter().filter(|(_, ends)| **ends <= now).map(|(lease, _)| *lease).collect();
        let mut entries = Vec::new();
        for lease in ended {
            self.leases.remove(&lease);
            let keys: Vec<_> =
                self.keys.iter().filter(|(_, (_, _, of))| *of == Some(lease)).map(|(key, _)| key.clone()).collect();
            self.revision += i64::from(!keys.is_empty());
            entries.extend(keys.into_iter().map(|key| self.change(&Change::Delete { key })));
        }
        entries
    }
}
