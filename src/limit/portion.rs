//! What a route has of its own about who may use it, how many at a time and how often. It applies once the route is known,
//! after the listener's. Must not know: how a refusal is reported, how a handshake can fail.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ja4::Ja4;
use crate::limit::clients::{ClientPermit, Clients};
use crate::limit::counts::{Limits, Refused};
use crate::limit::fingerprints::Fingerprints;
use crate::limit::prefixes::Prefixes;
use crate::limit::rate::Limiter;

/// The limits of a route, and what counts towards them now.
#[derive(Debug)]
pub struct Portion {
    pub clients: Clients,
    /// The clients that are refused by the JA4 of their ClientHello.
    pub deny_ja4: Fingerprints,
    pub limits: Limits,
    active: Arc<AtomicUsize>,
    rate: Option<Arc<Limiter>>,
}

/// Held while a connection counts for its route; dropping it gives it back.
#[derive(Debug)]
pub struct PortionPermit {
    portion: Arc<Portion>,
    _client: Option<ClientPermit>,
}

/// Why a route refuses a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptOut {
    /// By the JA4 of its ClientHello.
    Fingerprint,
    /// By its address, or a limit.
    Limit(Refused),
}

impl Portion {
    /// `None` where a route has nothing of its own. Continues from `before`, which the same route had before a reload, as
    /// [`Clients`] do.
    pub fn new(allowed: Prefixes, deny_ja4: Fingerprints, limits: Limits, before: Option<&Self>) -> Option<Self> {
        if allowed.allow_all() && deny_ja4.is_empty() && limits == Limits::NONE {
            return None;
        }
        let rate = before.filter(|before| before.limits.rate == limits.rate).and_then(|before| before.rate.clone());
        Some(Self {
            clients: Clients::new(allowed, limits.clone(), before.map(|before| &before.clients)),
            deny_ja4,
            active: before.map(|before| Arc::clone(&before.active)).unwrap_or_default(),
            rate: rate.or_else(|| limits.rate.map(Limiter::new).map(Arc::new)),
            limits,
        })
    }

    /// How many connections there are now.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// A permit for one more connection of a client, whose address is not known over a Unix socket.
    pub fn permit(self: &Arc<Self>, client: Option<IpAddr>, ja4: Option<Ja4>) -> Result<PortionPermit, KeptOut> {
        if ja4.is_some_and(|ja4| self.deny_ja4.has(&ja4)) {
            return Err(KeptOut::Fingerprint);
        }
        // The client's permit comes first: a client that is refused must not use up the route's rate.
        let of_client = client.map(|address| self.clients.permit(address)).transpose().map_err(KeptOut::Limit)?;
        if self.rate.as_ref().is_some_and(|rate| !rate.permits()) {
            return Err(KeptOut::Limit(Refused::TooOften));
        }
        // Counted first and compared then, so that two workers cannot both take the last place. Dropping the permit takes
        // the count back.
        let full = self.active.fetch_add(1, Ordering::Relaxed) >= self.limits.max_connections;
        let permit = PortionPermit { portion: Arc::clone(self), _client: of_client };
        if full { Err(KeptOut::Limit(Refused::TooMany)) } else { Ok(permit) }
    }
}

impl PortionPermit {
    /// The limits that it is of.
    pub fn portion(&self) -> &Portion {
        &self.portion
    }
}

impl Drop for PortionPermit {
    fn drop(&mut self) {
        self.portion.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::limit::rate::Rate;

    const CLIENT: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));

    fn portion(limits: Limits, deny: &[&str], before: Option<&Portion>) -> Option<Arc<Portion>> {
        let deny: Vec<_> = deny.iter().map(|text| text.parse().unwrap()).collect();
        Portion::new(Prefixes::new(&[], &deny), Fingerprints::default(), limits, before).map(Arc::new)
    }

    #[test]
    fn a_route_without_limits_has_none() {
        assert!(portion(Limits::NONE, &[], None).is_none());
        assert!(portion(Limits::NONE, &["10.0.0.0/8"], None).is_some());
    }

    #[test]
    fn a_place_is_given_back_and_a_reload_keeps_the_count() {
        let limits = |most| Limits { max_connections: most, ..Limits::NONE };
        let first = portion(limits(1), &[], None).unwrap();
        let permit = first.permit(CLIENT, None).unwrap();
        assert_eq!(first.permit(CLIENT, None).unwrap_err(), KeptOut::Limit(Refused::TooMany));
        let second = portion(limits(2), &[], Some(&first)).unwrap();
        let other = second.permit(CLIENT, None).unwrap();
        assert_eq!((first.active(), second.permit(None, None).unwrap_err()), (2, KeptOut::Limit(Refused::TooMany)));
        drop((permit, other));
        assert_eq!((first.active(), second.active()), (0, 0));
    }

    #[test]
    fn who_is_denied_uses_up_nothing_of_the_rate() {
        let rate = Rate { count: NonZeroU32::MIN, per: Duration::from_secs(3600), burst: NonZeroU32::MIN };
        let limited = portion(Limits { rate: Some(rate), ..Limits::NONE }, &["10.0.0.0/8"], None).unwrap();
        assert!((0..3).all(|_| limited.permit(CLIENT, None).unwrap_err() == KeptOut::Limit(Refused::Denied)));
        drop(limited.permit(None, None).unwrap());
        assert_eq!(limited.permit(None, None).unwrap_err(), KeptOut::Limit(Refused::TooOften));
        assert_eq!(limited.active(), 0);
    }

    #[test]
    fn a_client_with_a_denied_ja4_is_refused() {
        let ja4 = |letter| Ja4::parse(&format!("t13d1516h2_8daaf6152771_e5627efa2ab{letter}"));
        let denied = Fingerprints::of([Arc::new([ja4(1).unwrap()].into_iter().collect())]);
        let limited = Arc::new(Portion::new(Prefixes::default(), denied, Limits::NONE, None).unwrap());
        assert_eq!(limited.permit(CLIENT, ja4(1)).unwrap_err(), KeptOut::Fingerprint);
        assert!(limited.permit(CLIENT, ja4(2)).is_ok() && limited.permit(CLIENT, None).is_ok());
    }
}
