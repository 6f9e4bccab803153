//! What a node of a fleet knows of itself, for those who show it. Must not know: how it is shown.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::fleet::record::Record;

/// The state of a node.
#[derive(Debug, Clone)]
pub struct Status {
    /// The name of the node.
    pub node: String,
    /// The members of etcd that it knows.
    pub etcd: Vec<String>,
    /// What all keys of the fleet begin with.
    pub prefix: String,
    /// Whether it is registered, and sees what is published.
    pub connected: bool,
    /// Why etcd cannot be reached, or does not do what it is asked for.
    pub etcd_trouble: Option<String>,
    /// The node that leads, as far as it is known here.
    pub leader: Option<String>,
    /// Why this node cannot take the lead, or cannot share keys of session tickets.
    pub leader_trouble: Option<String>,
    /// Why the node does not take part as it should.
    pub trouble: Option<String>,
    /// What it serves.
    pub release: Record,
    /// Since when it has served that; where it was served by the process before, since the start of this one.
    pub since: Timestamp,
    pub counts: Counts,
    /// The last release that it could not prepare.
    pub refused: Option<Refused>,
}

/// How often something was done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub prepared: u64,
    pub refused: u64,
    pub served: u64,
    /// What was prepared, and could not be served in the end.
    pub failed: u64,
}

/// A release that could not be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub root: String,
    pub reason: String,
    pub at: Timestamp,
}

/// Where the state is found. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(Arc<ArcSwap<Status>>);

impl Handle {
    pub(super) fn new(status: Status) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(status)))
    }

    /// As it is now.
    pub fn status(&self) -> Arc<Status> {
        self.0.load_full()
    }

    pub(super) fn note(&self, mut change: impl FnMut(&mut Status)) {
        // More than one thread notes something.
        self.0.rcu(|status| {
            let mut status = Status::clone(status);
            change(&mut status);
            status
        });
    }
}
