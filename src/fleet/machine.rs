//! What a node and a publisher have in common: both are told what has happened, and say what to do next, one thing at a time.
//!
//! Must not know: which of them it is.

use super::record::{Record, Root};
use super::seal::{Seal, SealError};
use super::store::{Entry, Lease, Revision, Transaction, Written};

/// What to do next. Whoever does it reports the result before it asks for the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Get a lease, read what is watched, and watch from there; then [`Machine::connected`].
    Connect,
    /// Read what is watched again, with the lease that there is; then [`Machine::connected`].
    Read,
    /// Write; then [`Machine::written`].
    Write(Transaction),
    /// Put the parts of this release into the store if they are missing, then write; then [`Machine::written`].
    Restore(Record, Transaction),
    /// Fetch this release, verify it, build it and bind its addresses, without serving it; then [`Machine::built`].
    Build(Root),
    /// Keep this record and serve what was built for it; then [`Machine::served`].
    Serve(Record),
    /// Let go of what was built.
    Forget(Root),
}

/// One who takes part in the fleet.
pub trait Machine {
    /// What to do next; `None`: wait for one of the calls below. `now` is in milliseconds since 1970.
    fn next(&mut self, now: u64) -> Option<Action>;

    /// Prefixes or keys of what is to be read and watched.
    fn watched(&self) -> Vec<String>;

    /// All keys that are watched, and the lease.
    fn connected(&mut self, lease: Lease, entries: Vec<Entry>);

    /// A key has changed.
    fn changed(&mut self, entry: Entry);

    /// The lease or the connection was lost; what was being written may have been written.
    fn lost(&mut self);

    /// The transaction's result.
    fn written(&mut self, written: Written);

    /// The build's result: why it cannot be served. Also after [`Action::Serve`], if what was built cannot be served any more.
    fn built(&mut self, root: &Root, result: Result<(), String>);

    /// What was to be served is served.
    fn served(&mut self, record: &Record);
}

/// A key as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen<T> {
    /// 0: absent.
    pub(super) revision: Revision,
    /// 0: it stays.
    pub(super) lease: Lease,
    pub(super) value: Option<Result<T, SealError>>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { revision: 0, lease: 0, value: None }
    }
}

impl<T: serde::de::DeserializeOwned> Seen<T> {
    pub(super) fn new(seal: &Seal, entry: &Entry) -> Self {
        let value = entry.value.as_ref().map(|value| seal.open(&entry.key, value));
        Self { revision: if value.is_some() { entry.revision } else { 0 }, lease: entry.lease, value }
    }
}

impl<T> Seen<T> {
    /// The value, if there is one and it can be read.
    pub(super) fn good(&self) -> Option<&T> {
        self.value.as_ref()?.as_ref().ok()
    }

    pub(super) fn error(&self) -> Option<&SealError> {
        self.value.as_ref()?.as_ref().err()
    }
}
