//! What was counted of each listener's connections, as numbers. Must not know: who asks for them, the text format.

use std::collections::{BTreeMap, HashMap};

use crate::observe::metrics::family::Counters;

/// The connections of one listener since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub accepted: u64,
    /// Those that were refused on accept, by the reason.
    pub rejected: BTreeMap<String, u64>,
    /// Those that have ended, by their outcome.
    pub closed: BTreeMap<String, u64>,
    /// Application bytes from clients.
    pub received: u64,
    /// Application bytes to clients.
    pub sent: u64,
}

/// The counters of connections, by listener, and by one more label where they have one.
pub(super) struct Sources<'m> {
    pub(super) accepted: &'m Counters<1>,
    pub(super) rejected: &'m Counters<2>,
    pub(super) closed: &'m Counters<2>,
    pub(super) received: &'m Counters<1>,
    pub(super) sent: &'m Counters<1>,
}

/// What they have counted, by listener.
pub(super) fn totals(sources: &Sources<'_>) -> HashMap<String, Totals> {
    let mut all: HashMap<String, Totals> = HashMap::new();
    sources.accepted.each(|[listener], count| of(&mut all, listener).accepted = count);
    sources.received.each(|[listener], count| of(&mut all, listener).received = count);
    sources.sent.each(|[listener], count| of(&mut all, listener).sent = count);
    sources.rejected.each(|[listener, reason], count| {
        of(&mut all, listener).rejected.insert(reason.to_owned(), count);
    });
    sources.closed.each(|[listener, outcome], count| {
        of(&mut all, listener).closed.insert(outcome.to_owned(), count);
    });
    all
}

fn of<'a>(all: &'a mut HashMap<String, Totals>, listener: &str) -> &'a mut Totals {
    all.entry(listener.to_owned()).or_default()
}
