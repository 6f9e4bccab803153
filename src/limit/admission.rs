//! Whether one more connection is admitted, and the count of those that were.
//!
//! There are two permits, since behind a proxy the client is known later than the connection: one for the connection
//! ([`Admission::permit_connection`]) and one for its client ([`Admission::permit_client`]). Both are guards.
//! Must not know: how a refusal is reported, how a handshake can fail.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limit::client::Client;
use crate::limit::prefixes::Prefixes;
use crate::limit::rate::{Limiter, PerClient, Rate, Remembered};
use crate::limit::room::{Room, RoomPermit};
use crate::limit::waiting::{Call, Waiter, Waiting};

/// How many connections a listener allows, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time.
    pub max_connections: usize,
    /// The same for each client; `None` is no limit, here and below.
    pub max_connections_per_client: Option<usize>,
    /// New connections.
    pub rate: Option<Rate>,
    /// The same for each client.
    pub rate_per_client: Option<Rate>,
    /// Failed handshakes of each client.
    pub handshake_failures: Option<Failures>,
}

/// How many handshakes of one client may fail, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// Up to `count` failures in `per` have no consequence.
    pub rate: Rate,
    /// How long a client is refused after more than that.
    pub block: Duration,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// By its address.
    Denied,
    /// Too many of the client's handshakes have failed.
    Blocked,
    /// `max_connections_per_client` is reached.
    TooManyOfClient,
    /// `rate_per_client` is exceeded.
    TooOftenByClient,
    /// `max_connections` is reached, and no connection can give way.
    TooMany,
    /// `rate` is exceeded.
    TooOften,
    /// All listeners together have as many connections as there are descriptors for.
    NoRoom,
}

/// The limits of one listener, and what counts towards them now.
#[derive(Debug)]
pub struct Admission {
    /// The addresses from which clients may connect.
    clients: Prefixes,
    pub limits: Limits,
    active: Arc<AtomicUsize>,
    waiting: Arc<Waiting>,
    /// Connections of each client. Clients without connections are removed, so it has at most `max_connections`
    /// entries.
    of_client: Arc<Mutex<HashMap<Client, usize>>>,
    rate: Option<Arc<Limiter>>,
    rate_per_client: Option<Arc<PerClient>>,
    failures: Option<Arc<PerClient>>,
    blocked: Arc<Remembered<Instant>>,
    /// How often a refusal is logged, and how often a warning that some are not.
    reports: Arc<(Limiter, Limiter)>,
}

/// Held while a connection counts for its listener and for all listeners together; dropping it gives both back.
#[derive(Debug)]
pub struct ListenerPermit {
    active: Arc<AtomicUsize>,
    /// Held until the client has sent its ClientHello.
    waiter: Option<Waiter>,
    _room: RoomPermit,
}

/// Held while a connection counts for its client; dropping it gives it back.
#[derive(Debug)]
pub struct ClientPermit(Option<(Arc<Mutex<HashMap<Client, usize>>>, Client)>);

impl Admission {
    /// Limits that continue from `before`, which the same listener had before a reload. Active connections and blocked
    /// clients are kept in any case; rates are kept if they are unchanged.
    pub fn new(clients: Prefixes, limits: Limits, before: Option<&Self>) -> Self {
        let rate = before.filter(|before| before.limits.rate == limits.rate).and_then(|before| before.rate.clone());
        let rate_per_client = before
            .filter(|before| before.limits.rate_per_client == limits.rate_per_client)
            .and_then(|before| before.rate_per_client.clone());
        let failures = before
            .filter(|before| before.limits.handshake_failures == limits.handshake_failures)
            .and_then(|before| before.failures.clone());
        Self {
            clients,
            active: before.map(|before| Arc::clone(&before.active)).unwrap_or_default(),
            waiting: before.map(|before| Arc::clone(&before.waiting)).unwrap_or_default(),
            of_client: before.map(|before| Arc::clone(&before.of_client)).unwrap_or_default(),
            rate: rate.or_else(|| limits.rate.map(Limiter::new).map(Arc::new)),
            rate_per_client: rate_per_client.or_else(|| limits.rate_per_client.map(PerClient::new).map(Arc::new)),
            failures: failures
                .or_else(|| limits.handshake_failures.map(|failures| PerClient::new(failures.rate)).map(Arc::new)),
            blocked: before.map(|before| Arc::clone(&before.blocked)).unwrap_or_default(),
            reports: before.map_or_else(
                || Arc::new((Limiter::new(LOGGED), Limiter::new(WARNED))),
                |before| Arc::clone(&before.reports),
            ),
            limits,
        }
    }

    /// How many connections there are now.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// How many clients are blocked now.
    pub fn blocked(&self) -> usize {
        let now = Instant::now();
        self.blocked.count(|until| until > now)
    }

    /// A permit for one more connection, if the listener and `room` have one left, or if a connection that has sent
    /// nothing yet can give way. If only `room` is full and this listener has no such connection, `elsewhere` asks the
    /// other listeners for one.
    pub fn permit_connection(
        &self,
        room: &Arc<Room>,
        elsewhere: impl FnOnce() -> bool,
    ) -> Result<ListenerPermit, Refused> {
        if self.rate.as_ref().is_some_and(|rate| !rate.permits()) {
            return Err(Refused::TooOften);
        }
        let (room, is_lent) = room.enter().ok_or(Refused::NoRoom)?;
        // Counted first and compared then, so that two workers cannot both take the last place. An early return drops
        // `permit`, which takes the count back.
        let full = self.active.fetch_add(1, Ordering::Relaxed) >= self.limits.max_connections;
        let mut permit = ListenerPermit { active: Arc::clone(&self.active), waiter: None, _room: room };
        match (full, is_lent) {
            (false, false) => {}
            // A connection that gives way here also gives back its permit of the room.
            (true, _) if !self.waiting.ask_oldest() => return Err(Refused::TooMany),
            (false, true) if !self.waiting.ask_oldest() && !elsewhere() => return Err(Refused::NoRoom),
            _ => {}
        }
        permit.waiter = Some(self.waiting.join());
        Ok(permit)
    }

    /// Asks the connection that has waited longest without sending anything to give way, if there is any.
    pub fn give_way(&self) -> bool {
        self.waiting.ask_oldest()
    }

    /// Asks connections that have sent nothing since before that time to give way, because memory is short: at most `most`
    /// of them. Returns how many.
    pub fn give_way_for_memory(&self, before: Instant, most: usize) -> usize {
        self.waiting.ask_since(before, most)
    }

    /// A permit for one more connection of the client at that address.
    pub fn permit_client(&self, address: IpAddr) -> Result<ClientPermit, Refused> {
        if !self.clients.allows(address) {
            return Err(Refused::Denied);
        }
        let client = Client::from(address);
        // `blocked` survives a reload: without `handshake_failures` its entries no longer apply.
        if let Some(until) = self.limits.handshake_failures.and_then(|_| self.blocked.find(client)) {
            if Instant::now() < until {
                return Err(Refused::Blocked);
            }
            self.blocked.forget(client);
        }
        let permit = self.of_client(client)?;
        // The rate is last: it counts only connections that nothing else refuses.
        match &self.rate_per_client {
            Some(rate) if !rate.permits(client) => Err(Refused::TooOftenByClient),
            _ => Ok(permit),
        }
    }

    /// Counts a failed handshake of the client at that address. Too many of them block it.
    pub fn failed(&self, address: IpAddr) {
        let client = Client::from(address);
        if let (Some(limit), Some(failures)) = (self.limits.handshake_failures, &self.failures)
            && !failures.permits(client)
        {
            self.blocked.put(client, Instant::now() + limit.block);
        }
    }

    /// Whether one more refusal is logged. In a flood most are only counted: logging one costs more than refusing it.
    pub fn logs_refusal(&self) -> bool {
        self.reports.0.permits()
    }

    /// Whether it is time for another warning that some refusals are not logged.
    pub fn warns_of_unlogged(&self) -> bool {
        self.reports.1.permits()
    }

    fn of_client(&self, client: Client) -> Result<ClientPermit, Refused> {
        let Some(most) = self.limits.max_connections_per_client else { return Ok(ClientPermit(None)) };
        let mut of_client = self.of_client.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of_client.entry(client).or_default();
        if *count >= most {
            return Err(Refused::TooManyOfClient);
        }
        *count += 1;
        Ok(ClientPermit(Some((Arc::clone(&self.of_client), client))))
    }
}

impl ListenerPermit {
    /// The client has sent its ClientHello: from now on the connection does not give way to others.
    pub fn stop_waiting(&mut self) {
        self.waiter = None;
    }

    /// Where the connection is asked to give way. `None` if it no longer has to.
    pub fn must_give_way(&self) -> Option<Arc<Call>> {
        self.waiter.as_ref().map(Waiter::call)
    }
}

impl Drop for ListenerPermit {
    fn drop(&mut self) {
        // Relaxed, here and above: only the number itself matters, no other memory depends on it.
        self.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let Some((of_client, client)) = &self.0 else { return };
        let mut of_client = of_client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of_client.get_mut(client) {
            *count -= 1;
            // Otherwise the map would keep every client that ever connected.
            if *count == 0 {
                of_client.remove(client);
            }
        }
    }
}

/// At most 100 refusals per second and listener are logged.
const LOGGED: Rate = Rate { count: HUNDRED, per: Duration::from_secs(1), burst: HUNDRED };
const WARNED: Rate = Rate { count: NonZeroU32::MIN, per: Duration::from_secs(60), burst: NonZeroU32::MIN };
const HUNDRED: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn clients() -> Prefixes {
        Prefixes::new(&[], &["192.0.2.0/24".parse().unwrap()])
    }

    fn limits() -> Limits {
        Limits {
            max_connections: 3,
            max_connections_per_client: Some(2),
            rate: None,
            rate_per_client: None,
            handshake_failures: None,
        }
    }

    /// Where there is room without end.
    fn permit(admission: &Admission) -> Result<ListenerPermit, Refused> {
        admission.permit_connection(&Arc::default(), || false)
    }

    fn rate(burst: u32) -> Rate {
        let (count, burst) = (NonZeroU32::MIN, NonZeroU32::new(burst).unwrap());
        Rate { count, per: Duration::from_secs(3600), burst }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn permits_are_given_back() {
        let admission = Admission::new(clients(), limits(), None);
        let mut permits: Vec<_> = (0..3).map(|_| permit(&admission).unwrap()).collect();
        permits.iter_mut().for_each(ListenerPermit::stop_waiting);
        assert_eq!(permit(&admission).unwrap_err(), Refused::TooMany);
        assert_eq!(admission.active(), 3);
        drop(permits);
        assert_eq!(admission.active(), 0);
        let permits: Vec<_> = (0..2).map(|_| admission.permit_client(address("10.0.0.1")).unwrap()).collect();
        assert_eq!(admission.permit_client(address("10.0.0.1")).unwrap_err(), Refused::TooManyOfClient);
        assert!(admission.permit_client(address("10.0.0.2")).is_ok());
        drop(permits);
        assert!(admission.permit_client(address("10.0.0.1")).is_ok());
        assert!(admission.of_client.lock().unwrap().is_empty(), "nothing is remembered of who is gone");
        assert_eq!(admission.permit_client(address("192.0.2.1")).unwrap_err(), Refused::Denied);
    }

    #[test]
    fn who_has_said_nothing_gives_way_and_who_has_does_not() {
        let admission = Admission::new(clients(), limits(), None);
        let mut permits: Vec<_> = (0..3).map(|_| permit(&admission).unwrap()).collect();
        permits[0].stop_waiting();
        let called = |permit: &ListenerPermit| {
            let called = permit.must_give_way().unwrap();
            std::pin::pin!(called.asked()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };
        let newcomer = permit(&admission).unwrap();
        assert!(permits[0].must_give_way().is_none() && called(&permits[1]) && !called(&permits[2]));
        drop(permits.remove(1));
        assert_eq!(admission.active(), 3);
        drop(newcomer);
    }

    #[test]
    fn rates_hold_for_the_listener_and_for_each_client() {
        let limits = Limits { rate: Some(rate(2)), rate_per_client: Some(rate(1)), max_connections: 100, ..limits() };
        let admission = Admission::new(clients(), limits, None);
        assert!(permit(&admission).is_ok() && permit(&admission).is_ok());
        assert_eq!(permit(&admission).unwrap_err(), Refused::TooOften);
        assert_eq!(admission.active(), 0);
        assert!(admission.permit_client(address("10.0.0.1")).is_ok());
        assert_eq!(admission.permit_client(address("10.0.0.1")).unwrap_err(), Refused::TooOftenByClient);
        assert!(admission.permit_client(address("10.0.0.2")).is_ok());
    }

    #[test]
    fn too_many_failures_block_for_a_while_and_a_reload_does_not_pardon() {
        let failures = |block| Some(Failures { rate: rate(3), block });
        let long = Limits { handshake_failures: failures(Duration::from_secs(3600)), ..limits() };
        let admission = Admission::new(clients(), long.clone(), None);
        for _ in 0..3 {
            admission.failed(address("10.0.0.1"));
            assert!(admission.permit_client(address("10.0.0.1")).is_ok());
        }
        admission.failed(address("10.0.0.1"));
        assert_eq!(admission.permit_client(address("10.0.0.1")).unwrap_err(), Refused::Blocked);
        assert!(admission.permit_client(address("10.0.0.2")).is_ok());
        assert_eq!(admission.blocked(), 1);
        let reloaded = Admission::new(clients(), Limits { max_connections: 7, ..long }, Some(&admission));
        assert_eq!(reloaded.permit_client(address("10.0.0.1")).unwrap_err(), Refused::Blocked);
        let off = Admission::new(clients(), limits(), Some(&admission));
        assert!(off.permit_client(address("10.0.0.1")).is_ok(), "without the limit nobody is blocked");

        let short = Limits { handshake_failures: failures(Duration::ZERO), ..limits() };
        let admission = Admission::new(clients(), short, None);
        (0..4).for_each(|_| admission.failed(address("10.0.0.1")));
        assert!(admission.permit_client(address("10.0.0.1")).is_ok(), "the block is over");
        assert_eq!(admission.blocked(), 0);
    }

    #[test]
    fn a_reload_keeps_what_is_used_up_unless_the_limit_is_another() {
        let with = |burst| Limits { rate: Some(rate(burst)), max_connections: 100, ..limits() };
        let admission = Admission::new(clients(), with(1), None);
        let _permit = permit(&admission).unwrap();
        let same = Admission::new(clients(), with(1), Some(&admission));
        assert_eq!(same.active(), 1);
        assert_eq!(permit(&same).unwrap_err(), Refused::TooOften);
        assert!(permit(&Admission::new(clients(), with(2), Some(&admission))).is_ok());
    }

    #[test]
    fn where_the_room_is_full_who_is_silent_gives_way_whatever_its_listener() {
        let room = Arc::new(Room::default());
        room.set(2);
        let [one, other] = [(); 2].map(|()| Admission::new(clients(), limits(), None));
        let enter =
            |admission: &Admission, elsewhere: &Admission| admission.permit_connection(&room, || elsewhere.give_way());
        let (mut served, silent) = (enter(&one, &other).unwrap(), enter(&one, &other).unwrap());
        served.stop_waiting();
        let mut newcomer = enter(&other, &one).unwrap();
        assert!(!one.waiting.ask_oldest(), "the silent one was asked already");
        drop(silent);
        newcomer.stop_waiting();
        assert_eq!(enter(&one, &other).unwrap_err(), Refused::NoRoom);
        assert_eq!((one.active(), other.active()), (1, 1), "a refused connection holds no permit");
        drop(served);
        assert!(enter(&one, &other).is_ok());
    }
}
