//! What was counted of each listener's connections and handshakes, as numbers. Must not know: who asks for them, the text format.

use std::collections::{BTreeMap, HashMap};

use crate::observe::metrics::family::Counters;
use crate::observe::outcome::Outcome;

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

/// How the handshakes of one listener have ended since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shaken {
    /// Those that were completed, resumed ones included.
    pub done: u64,
    /// Those that have failed with one of [`Outcome::OF_WHAT_IS_SERVED`].
    pub failed: u64,
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

/// How handshakes have ended, by listener.
pub(super) fn shaken(done: &Counters<5>, failed: &Counters<2>) -> HashMap<String, Shaken> {
    let reasons: Vec<String> = Outcome::OF_WHAT_IS_SERVED.iter().map(ToString::to_string).collect();
    let mut all: HashMap<String, Shaken> = HashMap::new();
    let mut add = |listener: &str, more: Shaken| {
        let sum = all.entry(listener.to_owned()).or_default();
        *sum = Shaken { done: sum.done + more.done, failed: sum.failed + more.failed };
    };
    done.each(|[_cipher, _group, listener, _resumed, _version], done| add(listener, Shaken { done, failed: 0 }));
    failed.each(|[listener, reason], failed| {
        if reasons.iter().any(|known| known == reason) {
            add(listener, Shaken { done: 0, failed });
        }
    });
    all
}

fn of<'a>(all: &'a mut HashMap<String, Totals>, listener: &str) -> &'a mut Totals {
    all.entry(listener.to_owned()).or_default()
}
