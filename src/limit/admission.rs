//! Whether one more connection is admitted, and the count of those that were.
//!
//! There are two permits, since behind a proxy the client is known later than the connection: one for the connection
//! ([`Admission::permit_connection`]) and one for its client ([`Clients::permit`]). Both are guards.
//! Must not know: how a refusal is reported, how a handshake can fail.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::limit::clients::Clients;
use crate::limit::counts::{Limits, Refused};
use crate::limit::prefixes::Prefixes;
use crate::limit::rate::{Limiter, Rate};
use crate::limit::room::{Room, RoomPermit};
use crate::limit::waiting::{Call, Waiter, Waiting};

/// The limits of one listener, and what counts towards them now.
#[derive(Debug)]
pub struct Admission {
    /// What single clients may do.
    pub clients: Clients,
    pub limits: Limits,
    active: Arc<AtomicUsize>,
    waiting: Arc<Waiting>,
    rate: Option<Arc<Limiter>>,
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

impl Admission {
    /// Limits that continue from `before`, which the same listener had before a reload. Active connections and blocked
    /// clients are kept in any case; rates are kept if they are unchanged.
    pub fn new(allowed: Prefixes, limits: Limits, before: Option<&Self>) -> Self {
        let rate = before.filter(|before| before.limits.rate == limits.rate).and_then(|before| before.rate.clone());
        Self {
            clients: Clients::new(allowed, limits.clone(), before.map(|before| &before.clients)),
            active: before.map(|before| Arc::clone(&before.active)).unwrap_or_default(),
            waiting: before.map(|before| Arc::clone(&before.waiting)).unwrap_or_default(),
            rate: rate.or_else(|| limits.rate.map(Limiter::new).map(Arc::new)),
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

    /// Whether one more refusal is logged. In a flood most are only counted: logging one costs more than refusing it.
    pub fn logs_refusal(&self) -> bool {
        self.reports.0.permits()
    }

    /// Whether it is time for another warning that some refusals are not logged.
    pub fn warns_of_unlogged(&self) -> bool {
        self.reports.1.permits()
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

/// At most 100 refusals per second and listener are logged.
const LOGGED: Rate = Rate { count: HUNDRED, per: Duration::from_secs(1), burst: HUNDRED };
const WARNED: Rate = Rate { count: NonZeroU32::MIN, per: Duration::from_secs(60), burst: NonZeroU32::MIN };
const HUNDRED: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::task::{Context, Waker};

    use super::*;
    use crate::limit::counts::Failures;

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
        let permits: Vec<_> = (0..2).map(|_| admission.clients.permit(address("10.0.0.1")).unwrap()).collect();
        assert_eq!(admission.clients.permit(address("10.0.0.1")).unwrap_err(), Refused::TooManyOfClient);
        assert!(admission.clients.permit(address("10.0.0.2")).is_ok());
        drop(permits);
        assert!(admission.clients.permit(address("10.0.0.1")).is_ok());
        assert!(admission.clients.remembers_none(), "nothing is remembered of who is gone");
        assert_eq!(admission.clients.permit(address("192.0.2.1")).unwrap_err(), Refused::Denied);
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
        assert!(admission.clients.permit(address("10.0.0.1")).is_ok());
        assert_eq!(admission.clients.permit(address("10.0.0.1")).unwrap_err(), Refused::TooOftenByClient);
        assert!(admission.clients.permit(address("10.0.0.2")).is_ok());
    }

    #[test]
    fn too_many_failures_block_for_a_while_and_a_reload_does_not_pardon() {
        let failures = |block| Some(Failures { rate: rate(3), block });
        let long = Limits { handshake_failures: failures(Duration::from_secs(3600)), ..limits() };
        let admission = Admission::new(clients(), long.clone(), None);
        for _ in 0..3 {
            admission.clients.failed(address("10.0.0.1"));
            assert!(admission.clients.permit(address("10.0.0.1")).is_ok());
        }
        admission.clients.failed(address("10.0.0.1"));
        assert_eq!(admission.clients.permit(address("10.0.0.1")).unwrap_err(), Refused::Blocked);
        assert!(admission.clients.permit(address("10.0.0.2")).is_ok());
        assert_eq!(admission.clients.blocked(), 1);
        let reloaded = Admission::new(clients(), Limits { max_connections: 7, ..long }, Some(&admission));
        assert_eq!(reloaded.clients.permit(address("10.0.0.1")).unwrap_err(), Refused::Blocked);
        let off = Admission::new(clients(), limits(), Some(&admission));
        assert!(off.clients.permit(address("10.0.0.1")).is_ok(), "without the limit nobody is blocked");

        let short = Limits { handshake_failures: failures(Duration::ZERO), ..limits() };
        let admission = Admission::new(clients(), short, None);
        (0..4).for_each(|_| admission.clients.failed(address("10.0.0.1")));
        assert!(admission.clients.permit(address("10.0.0.1")).is_ok(), "the block is over");
        assert_eq!(admission.clients.blocked(), 0);
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
