//! Bounds the connections of the admin server, in total and for each peer, and chooses which of them are closed where a new
//! one finds no room. Must not know: HTTP, how a connection is served.
//!
//! A connection that waits for its peer can be closed for another one; a connection for which an answer is being made
//! cannot. So a client that holds connections without using them cannot lock out a health check. The one that has waited
//! longest is closed at once: others wait in the queue behind a new connection, and a health check may be among them.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

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
        let give_up = Instant::now() + PATIENCE;
        loop {
            let mut freed = pin!(self.freed.notified());
            // What was freed before this look is taken into account by it, and must not end the wait after it.
            if freed.as_mut().enable() {
                freed.set(self.freed.notified());
            }
            if let Some((id, leave)) = self.table().enter(peer, Instant::now()) {
                return Some(Permit { permits: Arc::clone(self), id, leave });
            }
            if Instant::now() >= give_up {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            self.evict(|table, now| table.crowd(peer, now));
            // Where nobody waits for its peer, answers are being made, and places become free with them.
            let _ = timeout(PAUSE, freed).await;
        }
    }

    /// Closes connections whose peers do not read their answers, so that the memory of these becomes free.
    pub(in crate::admin) fn evict_senders(&self) {
        self.evict(Table::senders);
    }

    /// Closes connections that wait for their peers, of any peer.
    pub(in crate::admin) fn evict_anybody(&self) {
        self.evict(|table, now| table.slowest(now, |_| true));
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

    fn evict<C: IntoIterator<Item = u64>>(&self, choose: impl FnOnce(&Table, Instant) -> C) {
        let mut table = self.table();
        for id in choose(&table, Instant::now()) {
            if let Some(held) = table.held.get_mut(&id) {
                // It still has its permit until it ends. Marked, it is not chosen again.
                held.leaving = true;
                held.leave.notify_one();
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Records what the connection waits for from now on. Its peer has done something, so it is not closed for another one
    /// that was about to take its place.
    pub(in crate::admin) fn becomes(&self, doing: Doing) {
        if let Some(held) = self.permits.table().held.get_mut(&self.id) {
            (held.doing, held.since, held.leaving) = (doing, Instant::now(), false);
        }
    }

    /// Returns when the connection has to be closed for another one. To be polled after the connection itself: what its
    /// peer has sent by then must count.
    pub(in crate::admin) async fn evicted(&self) {
        loop {
            self.leave.notified().await;
            if self.permits.table().held.get(&self.id).is_none_or(|held| held.leaving) {
                self.permits.evicted.fetch_add(1, Ordering::Relaxed);
                return;
            }
            // It stays, so another one has to be chosen.
            self.permits.freed.notify_one();
        }
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

    /// Which connection is closed for a new one: one of the same peer if it has its share already, otherwise one of the peer
    /// with the most connections, otherwise any.
    fn crowd(&self, newcomer: Peer, now: Instant) -> Option<u64> {
        if self.count(newcomer) >= self.per_peer() {
            return self.slow(now, SETTLED, |held| held.peer == newcomer).min().map(|(_, id)| id);
        }
        let most = self.most(|_| true);
        let crowd = self.slow(now, SETTLED, |held| Some(held.peer) == most).min();
        crowd.or_else(|| self.slow(now, SETTLED, |_| true).min()).map(|(_, id)| id)
    }

    fn senders(&self, now: Instant) -> Vec<u64> {
        let sends = |held: &Held| held.doing == Doing::Sending;
        let most = self.most(|held| sends(held) && held.is_slow(now, GRACE));
        self.slowest(now, |held| sends(held) && Some(held.peer) == most)
    }

    /// Some of those that have waited longest for their peers, if that is at least [`GRACE`].
    fn slowest(&self, now: Instant, among: impl Fn(&Held) -> bool) -> Vec<u64> {
        let mut slow: Vec<_> = self.slow(now, GRACE, among).collect();
        slow.sort_unstable();
        slow.into_iter().take(AT_ONCE).map(|(_, id)| id).collect()
    }

    /// Those that have waited for their peers for at least that long, each with the time since when.
    fn slow(
        &self,
        now: Instant,
        grace: Duration,
        among: impl Fn(&Held) -> bool,
    ) -> impl Iterator<Item = (Instant, u64)> {
        let slow = self.held.iter().filter(move |(_, held)| held.is_slow(now, grace) && among(held));
        slow.map(|(id, held)| (held.since, *id))
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
    fn is_slow(&self, now: Instant, grace: Duration) -> bool {
        self.doing != Doing::Working && !self.leaving && now.saturating_duration_since(self.since) >= grace
    }
}

/// How long a connection may wait for its peer before it can be closed for a new one, if no other has waited longer: a
/// client sends its request as soon as it is connected. While 192 places are there for a peer, and it connects a thousand
/// times a second, each of its connections has 192 ms.
const SETTLED: Duration = Duration::from_millis(20);
/// The same where it is closed because memory or descriptors are short. A round trip takes less on any network.
const GRACE: Duration = Duration::from_secs(1);
/// How long to wait for a permit to become free before another connection is chosen.
const PAUSE: Duration = Duration::from_millis(10);
/// How many connections are closed at a time where memory or descriptors are short.
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
        assert_eq!(table.crowd(peer(3), now), None);
        assert_eq!(table.crowd(peer(3), now + SETTLED), Some(100), "the first of the second peer");
        let mut table = full(&[(peer(1), PER_PEER), (peer(2), 10)], now);
        assert_eq!(table.crowd(peer(1), now + SETTLED), Some(0), "it makes room for itself");
        table.held.get_mut(&0).unwrap().since = now + SETTLED;
        assert_eq!(table.crowd(peer(1), now + SETTLED), Some(1), "who has waited longest");
    }

    #[test]
    fn the_slowest_are_closed_and_never_one_that_waits_for_an_answer() {
        let now = Instant::now();
        let mut table = full(&[(peer(1), CONNECTIONS / 2), (peer(2), CONNECTIONS / 2)], now);
        for held in table.held.values_mut() {
            held.doing = Doing::Working;
        }
        assert_eq!(table.crowd(peer(3), now + GRACE * 9), None);
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

    #[test]
    fn silent_connections_hold_up_nobody_behind_them() {
        let start = Instant::now();
        let mut table = Table::new(CONNECTIONS);
        let mut come = |peer, now| {
            if table.enter(peer, now).is_none() {
                let chosen = table.crowd(peer, now);
                let chosen = chosen.unwrap_or_else(|| panic!("nobody gives way after {:?}", now - start));
                assert!(table.held.remove(&chosen).is_some());
                assert!(table.enter(peer, now).is_some());
            }
        };
        // A new one each millisecond, and now and then a health check from the same place, and from another one.
        for milliseconds in 0..3000 {
            let now = start + Duration::from_millis(milliseconds);
            come(peer(1), now);
            if milliseconds % 50 == 0 {
                come(peer(1), now);
                come(peer(2), now);
            }
        }
    }

    #[tokio::test]
    async fn who_has_sent_something_by_then_need_not_leave() {
        let permits = Arc::new(Permits::new(4));
        let busy = permits.enter(peer(1)).await.unwrap();
        for _ in 0..2 {
            let silent = permits.enter(peer(1)).await.unwrap();
            tokio::spawn(async move { silent.evicted().await });
        }
        let mut newcomer = {
            let permits = Arc::clone(&permits);
            tokio::spawn(async move { permits.enter(peer(1)).await.unwrap() })
        };
        while !permits.table().held[&busy.id].leaving {
            tokio::time::sleep(PAUSE).await;
        }
        // It is chosen, but its request arrives before it looks whether it has to leave.
        busy.becomes(Doing::Working);
        let newcomer = tokio::select! {
            newcomer = &mut newcomer => newcomer.unwrap(),
            () = busy.evicted() => panic!("closed in the middle of an answer"),
        };
        assert_eq!((permits.count(), permits.evicted(), permits.refused()), (3, 1, 0), "another one has left");
        drop((busy, newcomer));
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
