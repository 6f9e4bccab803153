//! Bounds the connections of the admin server, in total and for each peer, and chooses which of them are closed where a new
//! one finds no room. Must not know: HTTP, how a connection is served.
//!
//! A connection that waits for its peer can be closed for another one; a connection for which an answer is being made
//! cannot. So a client that holds connections without using them cannot lock out a health check.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::admin::connection::caller::Peer;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Doing {
    /// Its peer has to send something.
    Receiving,
    /// An answer is being made here.
    Working,
    /// Its peer has to read an answer.
    Sending,
}

/// All permits for connections: those that are held, and how many there may be.
#[derive(Debug)]
pub(in crate::admin) struct Permits {
    table: Mutex<Table>,
    freed: Notify,
    evicted: AtomicU64,
    refused: AtomicU64,
}

/// Held while a connection counts; dropping it gives the permit back.
#[derive(Debug)]
pub(in crate::admin) struct Permit {
    permits: Arc<Permits>,
    id: u64,
    leave: Arc<Notify>,
}

#[derive(Debug)]
struct Table {
    /// Connections at one time.
    most: usize,
    next: u64,
    held: HashMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    peer: Peer,
    doing: Doing,
    since: Instant,
    leave: Arc<Notify>,
    leaving: bool,
}

impl Permits {
    /// Permits for at most that many connections.
    pub(in crate::admin) fn new(most: usize) -> Self {
        Self {
            table: Mutex::new(Table::new(most)),
            freed: Notify::new(),
            evicted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// A permit for a connection of that peer. Closes other connections for it where that is needed. `None` where no permit
    /// becomes free in time.
    pub(in crate::admin) async fn enter(self: &Arc<Self>, peer: Peer) -> Option<Permit> {
        for _ in 0..PATIENCE.as_millis().div_ceil(PAUSE.as_millis()) {
            if let Some((id, leave)) = self.table().enter(peer, Instant::now()) {
                return Some(Permit { permits: Arc::clone(self), id, leave });
            }
            // Most connections end by themselves soon. Only where none does for a while, some are closed.
            if timeout(PAUSE, self.freed.notified()).await.is_err() {
                self.evict(Table::crowd, peer);
            }
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Closes connections whose peers do not read their answers, so that the memory of these becomes free.
    pub(in crate::admin) fn evict_senders(&self) {
        self.evict(|table, (), now| table.senders(now), ());
    }

    /// Closes connections that wait for their peers, of any peer.
    pub(in crate::admin) fn evict_anybody(&self) {
        self.evict(|table, (), now| table.slowest(now, |_| true), ());
    }

    /// Waits until every permit is free.
    pub(in crate::admin) async fn all_free(&self) {
        while self.count() > 0 {
            self.freed.notified().await;
        }
    }

    /// Connections now.
    pub(in crate::admin) fn count(&self) -> usize {
        self.table().held.len()
    }

    /// How many connections were closed for others so far.
    pub(in crate::admin) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// How many connections were refused so far because there was no permit.
    pub(in crate::admin) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn evict<A>(&self, choose: impl FnOnce(&Table, A, Instant) -> Vec<u64>, among: A) {
        let mut table = self.table();
        for id in choose(&table, among, Instant::now()) {
            if let Some(held) = table.held.get_mut(&id) {
                // It still has its permit until it ends. Marked, it is not chosen again.
                held.leaving = true;
                held.leave.notify_one();
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Records what the connection waits for from now on.
    pub(in crate::admin) fn becomes(&self, doing: Doing) {
        if let Some(held) = self.permits.table().held.get_mut(&self.id) {
            (held.doing, held.since) = (doing, Instant::now());
        }
    }

    /// Returns when the connection has to be closed for another one.
    pub(in crate::admin) async fn evicted(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.table().held.remove(&self.id);
        self.permits.freed.notify_one();
    }
}

impl Table {
    fn new(most: usize) -> Self {
        Self { most, next: 0, held: HashMap::new() }
    }

    /// The largest number of connections of one peer.
    // A quarter remains for others, since a health check usually comes from another address than a flood.
    fn per_peer(&self) -> usize {
        self.most - self.most / 4
    }

    fn enter(&mut self, peer: Peer, now: Instant) -> Option<(u64, Arc<Notify>)> {
        if self.held.len() >= self.most || self.count(peer) >= self.per_peer() {
            return None;
        }
        let (id, leave) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        let doing = Doing::Receiving;
        self.held.insert(id, Held { peer, doing, since: now, leave: Arc::clone(&leave), leaving: false });
        Some((id, leave))
    }

    /// Which connections are closed for a new one: those of the same peer if it has its share already, otherwise those of
    /// the peer with the most connections, otherwise any.
    fn crowd(&self, newcomer: Peer, now: Instant) -> Vec<u64> {
        if self.count(newcomer) >= self.per_peer() {
            return self.slowest(now, |held| held.peer == newcomer);
        }
        let most = self.most(|_| true);
        let crowd = self.slowest(now, |held| Some(held.peer) == most);
        if crowd.is_empty() { self.slowest(now, |_| true) } else { crowd }
    }

    fn senders(&self, now: Instant) -> Vec<u64> {
        let sends = |held: &Held| held.doing == Doing::Sending;
        let most = self.most(|held| sends(held) && held.is_slow(now));
        self.slowest(now, |held| sends(held) && Some(held.peer) == most)
    }

    /// Those that have waited longest for their peers, if that is at least [`GRACE`].
    fn slowest(&self, now: Instant, among: impl Fn(&Held) -> bool) -> Vec<u64> {
        let slow = self.held.iter().filter(|(_, held)| held.is_slow(now) && among(held));
        let mut slow: Vec<_> = slow.map(|(id, held)| (held.since, *id)).collect();
        slow.sort_unstable();
        slow.into_iter().take(AT_ONCE).map(|(_, id)| id).collect()
    }

    /// The peer with the most connections of a kind.
    fn most(&self, kind: impl Fn(&Held) -> bool) -> Option<Peer> {
        let mut counts: HashMap<Peer, usize> = HashMap::new();
        for held in self.held.values().filter(|held| kind(held)) {
            *counts.entry(held.peer).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(peer, _)| peer)
    }

    fn count(&self, peer: Peer) -> usize {
        self.held.values().filter(|held| held.peer == peer).count()
    }
}

impl Held {
    fn is_slow(&self, now: Instant) -> bool {
        self.doing != Doing::Working && !self.leaving && now.saturating_duration_since(self.since) >= GRACE
    }
}

/// How long a connection may wait for its peer before it can be closed for another one. A round trip takes less on any
/// network.
const GRACE: Duration = Duration::from_secs(1);
/// How long to wait for a permit to become free before connections are closed.
const PAUSE: Duration = Duration::from_millis(50);
/// How many connections are closed at a time.
const AT_ONCE: usize = 32;
/// How long a new connection waits for a permit.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const CONNECTIONS: usize = 256;
    const PER_PEER: usize = 192;

    fn peer(last: u8) -> Peer {
        Peer::Client(IpAddr::from([192, 0, 2, last]).into())
    }

    fn full(peers: &[(Peer, usize)], now: Instant) -> Table {
        let mut table = Table::new(CONNECTIONS);
        for (peer, count) in peers {
            for _ in 0..*count {
                assert!(table.enter(*peer, now).is_some());
            }
        }
        table
    }

    #[test]
    fn no_peer_has_all_permits() {
        let now = Instant::now();
        let mut table = full(&[(peer(1), PER_PEER)], now);
        assert!(table.enter(peer(1), now).is_none());
        for _ in PER_PEER..CONNECTIONS {
            assert!(table.enter(peer(2), now).is_some());
        }
        assert!(table.enter(peer(3), now).is_none());
    }

    #[test]
    fn the_peer_with_the_most_connections_makes_room_and_only_after_a_while() {
        let now = Instant::now();
        let table = full(&[(peer(1), 100), (peer(2), CONNECTIONS - 100)], now);
        assert!(table.crowd(peer(3), now).is_empty());
        let crowd = table.crowd(peer(3), now + GRACE);
        assert_eq!(crowd.len(), AT_ONCE);
        assert!(crowd.iter().all(|id| table.held[id].peer == peer(2)));
        let own = full(&[(peer(1), PER_PEER), (peer(2), 10)], now).crowd(peer(1), now + GRACE);
        assert!(own.iter().all(|id| *id < PER_PEER as u64), "it makes room for itself");
    }

    #[test]
    fn the_slowest_are_closed_and_never_one_that_waits_for_an_answer() {
        let now = Instant::now();
        let mut table = full(&[(peer(1), CONNECTIONS / 2), (peer(2), CONNECTIONS / 2)], now);
        for held in table.held.values_mut() {
            held.doing = Doing::Working;
        }
        assert!(table.crowd(peer(3), now + GRACE * 9).is_empty());
        for (id, later) in [(5, 2), (200, 1)] {
            let held = table.held.get_mut(&id).unwrap();
            (held.doing, held.since) = (Doing::Sending, now + GRACE * later);
        }
        assert_eq!(table.slowest(now + GRACE * 9, |_| true), [200, 5]);
        assert_eq!(table.slowest(now + GRACE * 2, |_| true), [200]);
        assert_eq!(table.senders(now + GRACE * 2), [200]);
        table.held.get_mut(&200).unwrap().leaving = true;
        assert_eq!(table.slowest(now + GRACE * 9, |_| true), [5], "once is enough");
    }

    #[tokio::test]
    async fn a_permit_is_free_when_it_is_dropped() {
        let permits = Arc::new(Permits::new(CONNECTIONS));
        let permit = permits.enter(peer(1)).await.unwrap();
        assert_eq!(permits.count(), 1);
        drop(permit);
        assert_eq!(permits.count(), 0);
        permits.all_free().await;
    }
}
