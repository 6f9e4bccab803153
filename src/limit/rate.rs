//! How often something may happen, for one client or for all; what is remembered of clients is bounded.
//!
//! The algorithm is governor's GCRA: a bucket of `burst` that fills at the rate. A table has room for [`REMEMBERED`]
//! clients. When it is full, the client that was not seen for the longest time is forgotten; at worst it begins again
//! with a full bucket. Must not know: what is limited.

use std::hash::RandomState;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use lru::LruCache;

use crate::limit::client::Client;

/// How many in how much time, and how many at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many in `per`.
    pub count: NonZeroU32,
    pub per: Duration,
    /// How many at the same moment, after a pause.
    pub burst: NonZeroU32,
}

impl Rate {
    fn quota(self) -> Quota {
        // governor refuses a period of zero. Nothing reaches a rate of one in a nanosecond.
        let period = (self.per / self.count.get()).max(Duration::from_nanos(1));
        Quota::with_period(period).unwrap_or(Quota::per_second(self.count)).allow_burst(self.burst)
    }
}

/// A rate for all clients together.
#[derive(Debug)]
pub struct Limiter(RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>);

impl Limiter {
    /// Begins with a full bucket.
    pub fn new(rate: Rate) -> Self {
        Self(RateLimiter::direct_with_clock(rate.quota(), MonotonicClock))
    }

    /// Counts one more and returns true, unless that would exceed the rate.
    pub fn permits(&self) -> bool {
        self.0.check().is_ok()
    }
}

/// A rate for each client.
#[derive(Debug)]
pub struct PerClient {
    limiter: RateLimiter<Client, Remembered<Nanos>, MonotonicClock, NoOpMiddleware<std::time::Instant>>,
    /// The table of the limiter.
    known: Remembered<Nanos>,
}

impl PerClient {
    /// Begins with a full bucket for each client.
    pub fn new(rate: Rate) -> Self {
        let known = Remembered::default();
        Self { limiter: RateLimiter::new(rate.quota(), known.clone(), MonotonicClock), known }
    }

    /// Counts one more of the client and returns true, unless that would exceed the rate.
    pub fn permits(&self, client: Client) -> bool {
        self.limiter.check_key(&client).is_ok()
    }

    /// How many clients are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value for each of the [`REMEMBERED`] clients that were seen last. A clone is the same table.
#[derive(Debug, Clone)]
pub struct Remembered<V>(Arc<Mutex<LruCache<Client, V, RandomState>>>);

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        // A bounded cache would reserve its whole memory now. This one grows, and `put` limits it. `RandomState`, since
        // clients choose their own addresses and could otherwise make all of them collide.
        Self(Arc::new(Mutex::new(LruCache::unbounded_with_hasher(RandomState::new()))))
    }
}

impl<V: Copy> Remembered<V> {
    /// The client's value. That does not count as seeing the client.
    pub fn find(&self, client: Client) -> Option<V> {
        // `get` would move the client to the front, and a blocked one that keeps trying would never be forgotten.
        self.lock().peek(&client).copied()
    }

    /// Sets the client's value.
    pub fn put(&self, client: Client, value: V) {
        put(&mut self.lock(), client, value);
    }

    /// Removes the client.
    pub fn forget(&self, client: Client) {
        self.lock().pop(&client);
    }

    /// For how many clients there is a value.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For how many clients `is_it` is true.
    pub fn count(&self, is_it: impl Fn(V) -> bool) -> usize {
        self.lock().iter().filter(|(_, value)| is_it(**value)).count()
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Client, V, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Remembered<Nanos> {
    type Key = Client;

    fn measure_and_replace<T, F, E>(&self, client: &Client, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut known = self.lock();
        let (answer, next) = decide(known.get(client).copied())?;
        put(&mut known, *client, next);
        Ok(answer)
    }
}

fn put<V>(known: &mut LruCache<Client, V, RandomState>, client: Client, value: V) {
    known.put(client, value);
    while known.len() > REMEMBERED {
        known.pop_lru();
    }
}

/// How many clients one table has room for. It takes about 7 MiB when it is full.
pub const REMEMBERED: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn rate(count: u32, per: u64, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rate { count: number(count), per: Duration::from_secs(per), burst: number(burst) }
    }

    fn client(number: u32) -> Client {
        IpAddr::V4(Ipv4Addr::from_bits(number)).into()
    }

    #[test]
    fn the_burst_passes_and_no_more_until_time_has_passed() {
        let limiter = Limiter::new(rate(1, 3600, 3));
        assert_eq!((0..10).filter(|_| limiter.permits()).count(), 3);
        let quick = Limiter::new(rate(u32::MAX, 1, 1));
        assert!((0..1000).all(|_| quick.permits()));
    }

    #[test]
    fn one_client_does_not_use_up_what_another_has() {
        let limiter = PerClient::new(rate(1, 3600, 2));
        assert_eq!((0..5).filter(|_| limiter.permits(client(1))).count(), 2);
        assert_eq!((0..5).filter(|_| limiter.permits(client(2))).count(), 2);
    }

    #[test]
    fn a_flood_of_addresses_fills_the_table_and_no_more() {
        let known = Remembered::default();
        for number in 0..3 * REMEMBERED as u32 {
            known.put(client(number), number);
        }
        assert_eq!(known.count(|_| true), REMEMBERED);
        assert_eq!(known.find(client(0)), None, "the oldest is forgotten");
        assert!(known.find(client(3 * REMEMBERED as u32 - 1)).is_some());
    }

    #[test]
    fn who_keeps_coming_is_not_forgotten_in_a_flood_of_others() {
        let limiter = PerClient::new(rate(1, 3600, 1));
        assert!(limiter.permits(client(u32::MAX)));
        for number in 0..2 * REMEMBERED as u32 {
            limiter.permits(client(number));
            if number % 1000 == 0 {
                assert!(!limiter.permits(client(u32::MAX)), "after {number}");
            }
        }
    }
}
