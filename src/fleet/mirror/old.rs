//! What the store has that another secret than the first has sealed: the leader seals it again, so that the other secret can go.
//! Pure.
//!
//! Most of it is not written again by itself for months, such as an account: nobody could read it any more, and nobody would order.
//!
//! Must not know: etcd, what seals.

use std::collections::BTreeMap;

use super::item::{Item, MOST, MOST_BYTES};
use crate::fleet::store::Revision;

/// Values as they are to be put again, each with the path, and the revision of the one in its place.
pub(super) type Again = Vec<(String, Revision, Item)>;

/// See the module. It is empty unless a secret is being changed.
#[derive(Debug, Default)]
pub(super) struct Old(BTreeMap<String, (Revision, Item)>);

impl Old {
    /// The store is read again, or this node does not lead any longer.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The last change at a path: an item that is to be sealed again, or anything else.
    pub(super) fn see(&mut self, path: &str, old: Option<(Revision, Item)>) {
        match old {
            Some(old) => drop(self.0.insert(path.to_owned(), old)),
            None => drop(self.0.remove(path)),
        }
    }

    /// It was put again, or something else was, at this revision.
    pub(super) fn put(&mut self, path: &str, revision: Revision) {
        if self.0.get(path).is_some_and(|(old, _)| *old <= revision) {
            self.0.remove(path);
        }
    }

    /// What is sealed again next, in one transaction.
    pub(super) fn next(&self) -> Option<Again> {
        let (mut again, mut size) = (Vec::new(), 0);
        for (path, (revision, item)) in self.0.iter().take(MOST) {
            size += item.content.size();
            if !again.is_empty() && size > MOST_BYTES {
                break;
            }
            again.push((path.clone(), *revision, item.clone()));
        }
        (!again.is_empty()).then_some(again)
    }
}
