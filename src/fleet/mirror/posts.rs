//! Answers to challenges: which of them the leader wants up, which are in the store, and which nodes have put them up. Pure. Must
//! not know: what an answer is, etcd, clocks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fleet::store::Revision;

/// What a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// Everything up to this change of the store is up.
    pub(super) up_to: Revision,
}

/// One that this node wants up, as the leader.
#[derive(Debug, Clone)]
struct Mine {
    id: String,
    post: Value,
    /// The revision at which it was put into the store.
    put: Option<Revision>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Posts {
    mine: BTreeMap<u64, Mine>,
    /// What the store has, also of this node.
    there: BTreeMap<String, (Revision, Option<Value>)>,
    /// What this node has put there and wants no longer.
    down: BTreeSet<String>,
    /// By the names of the nodes.
    said: BTreeMap<String, Revision>,
    /// What this node says.
    up_to: Revision,
    /// What it has said, with this lease.
    has_said: Option<Said>,
}

impl Posts {
    /// Another lease: nothing of this node's is in the store.
    pub(super) fn begin(&mut self) {
        self.has_said = None;
        self.down.clear();
        self.mine.values_mut().for_each(|mine| mine.put = None);
    }

    /// The store is read again.
    pub(super) fn reread(&mut self) {
        self.there.clear();
        self.said.clear();
        self.mine.values_mut().for_each(|mine| mine.put = None);
    }

    /// What the store has under an identity; a value that cannot be read is nothing that can be put up.
    pub(super) fn see(&mut self, id: &str, revision: Revision, post: Option<Option<Value>>) {
        // What was put and what was deleted are not always reported in their order.
        if self.there.get(id).is_some_and(|(known, _)| *known > revision) {
            return;
        }
        match post {
            Some(post) => drop(self.there.insert(id.to_owned(), (revision, post))),
            None => {
                self.there.remove(id);
                self.down.remove(id);
            }
        }
        let is_there = self.there.get(id).map(|(revision, _)| *revision);
        for mine in self.mine.values_mut().filter(|mine| mine.id == id) {
            mine.put = is_there;
        }
    }

    pub(super) fn heard(&mut self, node: &str, said: Option<Said>) {
        match said {
            Some(said) => drop(self.said.insert(node.to_owned(), said.up_to)),
            None => drop(self.said.remove(node)),
        }
    }

    /// All that are to be up, but those of this node, which has them up already.
    pub(super) fn of_others(&self) -> BTreeMap<&str, &Value> {
        let others = self.there.iter().filter(|(id, _)| !self.is_mine(id) && !self.down.contains(*id));
        others.filter_map(|(id, (_, post))| Some((id.as_str(), post.as_ref()?))).collect()
    }

    fn is_mine(&self, id: &str) -> bool {
        self.mine.values().any(|mine| mine.id == id)
    }

    /// All of them are up here.
    pub(super) fn are_up(&mut self) {
        let last = self.there.values().map(|(revision, _)| *revision).max();
        self.up_to = self.up_to.max(last.unwrap_or_default());
    }

    /// What this node has to say, and has not said yet.
    pub(super) fn to_say(&self) -> Option<Said> {
        Some(Said { up_to: self.up_to }).filter(|said| self.has_said != Some(*said))
    }

    pub(super) fn said(&mut self, said: Said) {
        self.has_said = Some(said);
    }

    /// This node leads, and wants one up.
    pub(super) fn put_up(&mut self, number: u64, id: String, post: Value) {
        self.mine.insert(number, Mine { id, post, put: None });
    }

    pub(super) fn take_down(&mut self, number: u64) {
        if let Some(mine) = self.mine.remove(&number) {
            self.down.insert(mine.id);
        }
    }

    /// This node leads no longer.
    pub(super) fn withdraw(&mut self) {
        let ids = std::mem::take(&mut self.mine).into_values().map(|mine| mine.id);
        self.down.extend(ids);
    }

    /// The next that is to be put into the store.
    pub(super) fn to_put(&self) -> Option<(&str, &Value)> {
        let next = self.mine.values().find(|mine| mine.put.is_none());
        next.map(|mine| (mine.id.as_str(), &mine.post))
    }

    /// The next that is to be deleted there, and its revision.
    pub(super) fn to_delete(&self) -> Option<(&str, Revision)> {
        let mut there = self.down.iter().filter_map(|id| Some((id.as_str(), self.there.get(id)?.0)));
        there.next()
    }

    /// It was put there.
    pub(super) fn put(&mut self, id: &str, revision: Revision) {
        let known = self.there.entry(id.to_owned()).or_insert((revision, None));
        let known = known.0.max(revision);
        self.mine.values_mut().filter(|mine| mine.id == id).for_each(|mine| mine.put = Some(known));
    }

    /// It was deleted there.
    pub(super) fn deleted(&mut self, id: &str) {
        self.there.remove(id);
        self.down.remove(id);
    }

    /// The other nodes that have not put up one of this node's; `None` as long as it is not in the store.
    pub(super) fn waits_for(&self, number: u64, me: &str) -> Option<Vec<String>> {
        let put = self.mine.get(&number)?.put?;
        let late = self.said.iter().filter(|(node, up_to)| *node != me && **up_to < put);
        Some(late.map(|(node, _)| node.clone()).collect())
    }
}
