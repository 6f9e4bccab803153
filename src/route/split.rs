//! Which of several backends gets a connection: by their weights, which an operator can change while connections arrive.
//! Must not know: how a server is connected to, who changes weights.
//!
//! A backend is drawn at random. Where all of them choose their servers by the client's address (`source_ip`), that address
//! decides here as well, and a change of weights moves as few clients as possible. As among the servers of one backend,
//! those that are fit come first: a backend of which no server can be used gets no connection while another one with a
//! weight can have it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use crate::backend::balance::{self, Algorithm, Candidate};
use crate::backend::condition::Fitness;
use crate::backend::pool::Pool;
use crate::labels::Labels;

/// The backends that share the connections of a route.
#[derive(Debug)]
pub struct Split {
    shares: Vec<Share>,
    /// In the order of the shares. A reload that does not change the list keeps them, so that old and new connections see
    /// the same.
    weights: Arc<ArcSwap<Vec<u32>>>,
    by_client: bool,
}

/// One of the backends.
#[derive(Debug)]
pub struct Share {
    pub pool: Arc<Pool>,
    /// The weight in the configuration.
    pub configured: u32,
    /// What a connection has that gets this backend.
    pub labels: Labels,
    key: u64,
}

/// Backends that were tried for one connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried(u32);

impl Split {
    /// `labels` are those of the route, without its backends'. The weights are those of `before`, the same route's split in
    /// the snapshot before, where the configuration has the same list.
    pub fn new(backends: impl IntoIterator<Item = (Arc<Pool>, u32)>, labels: &Labels, before: Option<&Self>) -> Self {
        let share = |(pool, configured): (Arc<Pool>, u32)| Share {
            configured,
            labels: pool.settings.labels.over(labels),
            key: balance::key(pool.name().as_bytes()),
            pool,
        };
        let shares: Vec<Share> = backends.into_iter().map(share).collect();
        let written = |share: &Share| (Arc::clone(share.pool.name()), share.configured);
        let same = before.filter(|before| before.shares.iter().map(written).eq(shares.iter().map(written)));
        let weights = match same {
            Some(same) => Arc::clone(&same.weights),
            None => Arc::new(ArcSwap::from_pointee(shares.iter().map(|share| share.configured).collect())),
        };
        let by_client = shares.iter().all(|share| share.pool.settings.balance == Algorithm::SourceIp);
        Self { shares, weights, by_client }
    }

    /// The whole of one backend.
    pub fn only(pool: Arc<Pool>, labels: &Labels) -> Self {
        Self::new([(pool, 1)], labels, None)
    }

    /// The backends, in the order of the configuration.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The backend, where there is only one.
    pub fn sole(&self) -> Option<&Share> {
        match &*self.shares {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The weights now, in the order of the shares.
    pub fn weights(&self) -> Vec<u32> {
        self.weights.load().to_vec()
    }

    /// Sets the weights, in the order of the shares, for connections that have no backend yet. Returns those before.
    pub fn set_weights(&self, weights: Vec<u32>) -> Vec<u32> {
        self.weights.swap(Arc::new(weights)).to_vec()
    }

    /// The backend for a connection of that client, which is added to `tried`; `None` where all that can have it were tried.
    pub fn choose(&self, client: Option<IpAddr>, tried: &mut Tried, now: Instant) -> Option<&Share> {
        let index = match self.sole() {
            Some(_) if tried.has(0) => return None,
            Some(_) => 0,
            None => {
                let candidates = self.candidates(*tried, now);
                match self.by_client {
                    true => balance::rendezvous(&candidates, client.unwrap_or(NOBODY))?,
                    false => balance::draw(candidates.iter(), &mut fastrand::Rng::new())?.index,
                }
            }
        };
        tried.add(index);
        self.shares.get(index)
    }

    /// The fittest backends of those that have a weight.
    fn candidates(&self, tried: Tried, now: Instant) -> Vec<Candidate> {
        let weights = self.weights.load();
        let (mut candidates, mut best) = (Vec::with_capacity(self.shares.len()), WORST);
        for (index, (share, weight)) in self.shares.iter().zip(weights.iter()).enumerate() {
            if *weight == 0 || tried.has(index) {
                continue;
            }
            // One that has no server at all is the last choice: whoever gets it is refused with the reason.
            let fitness = share.pool.fitness(now);
            let rank = (fitness.is_none(), fitness);
            if rank > best {
                continue;
            }
            if rank < best {
                best = rank;
                candidates.clear();
            }
            candidates.push(Candidate { index, weight: u64::from(*weight), active: 0, key: share.key });
        }
        candidates
    }
}

impl Tried {
    fn has(self, index: usize) -> bool {
        self.0 & bit(index) != 0
    }

    fn add(&mut self, index: usize) {
        self.0 |= bit(index);
    }
}

/// The configuration allows no more backends than there are bits.
fn bit(index: usize) -> u32 {
    u32::try_from(index).ok().and_then(|index| 1_u32.checked_shl(index)).unwrap_or_default()
}

/// No better than any backend.
const WORST: (bool, Option<Fitness>) = (true, None);

/// Clients without an address share this one.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::condition::{Pauses, State};
    use crate::backend::pool::{Entry, OnDown, Place, Settings, WhenAllDown};
    use crate::net::address::Address;
    use crate::net::proxy_protocol::write::Version;

    fn pool(name: &str, balance: Algorithm) -> Arc<Pool> {
        let second = std::time::Duration::from_secs(1);
        let address = Address::Tcp(([127, 0, 0, 1], 1).into());
        let server = Entry { place: Place::Address(address), weight: 1, backup: false, max_connections: usize::MAX };
        let settings = Settings {
            name: name.into(),
            labels: Labels::default(),
            servers: vec![server],
            balance,
            connect_timeout: second,
            connect_attempts: 1,
            pauses: Pauses { first: second, longest: second },
            slow_start: None,
            when_all_down: WhenAllDown::Fail,
            on_down: OnDown::Keep,
            proxy_protocol: Version::Off,
            source: None,
        };
        Arc::new(Pool::new(settings, None, None))
    }

    fn split(weights: [u32; 3], balance: Algorithm, before: Option<&Split>) -> Split {
        let pools = ["red", "green", "blue"].map(|name| pool(name, balance));
        Split::new(pools.into_iter().zip(weights), &Labels::default(), before)
    }

    fn chosen(split: &Split, client: u8) -> Option<&str> {
        let client = IpAddr::from([10, 0, 0, client]);
        split.choose(Some(client), &mut Tried::default(), Instant::now()).map(|share| &**share.pool.name())
    }

    fn counts(split: &Split, of: usize) -> [usize; 3] {
        let all: Vec<&str> = (0..of).map(|at| chosen(split, (at % 200) as u8).unwrap()).collect();
        ["red", "green", "blue"].map(|name| all.iter().filter(|one| **one == name).count())
    }

    #[test]
    fn each_backend_gets_its_share_and_one_without_a_weight_none() {
        let split = split([90, 10, 0], Algorithm::RoundRobin, None);
        let [red, green, blue] = counts(&split, 20_000);
        // Five times the standard deviation of a binomial distribution.
        assert!(red.abs_diff(18_000) < 213 && blue == 0, "{red} {green} {blue}");
        assert_eq!(split.set_weights(vec![0, 0, 1]), [90, 10, 0]);
        assert_eq!(counts(&split, 100), [0, 0, 100]);
    }

    #[test]
    fn each_is_tried_once_and_never_one_without_a_weight() {
        let split = split([5, 1, 0], Algorithm::RoundRobin, None);
        let mut tried = Tried::default();
        let mut names: Vec<&str> = std::iter::from_fn(|| split.choose(None, &mut tried, Instant::now()))
            .map(|one| &**one.pool.name())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["green", "red"]);
        let only = Split::only(pool("red", Algorithm::First), &Labels::default());
        let mut tried = Tried::default();
        assert!(only.choose(None, &mut tried, Instant::now()).is_some());
        assert!(only.choose(None, &mut tried, Instant::now()).is_none());
    }

    #[test]
    fn one_of_which_no_server_can_be_used_is_the_last_choice() {
        let split = split([1000, 1, 0], Algorithm::RoundRobin, None);
        split.shares()[0].pool.members().list[0].server.set_state(State::Drain);
        assert_eq!(counts(&split, 100), [0, 100, 0]);
        split.shares()[1].pool.members().list[0].server.set_state(State::Maint);
        let [red, green, blue] = counts(&split, 20_000);
        assert!(red > 19_000 && red + green == 20_000 && blue == 0, "somebody has to report why: {red} {green}");
    }

    #[test]
    fn with_source_ip_a_client_stays_where_it_is_and_few_move_with_the_weights() {
        let split = split([50, 50, 0], Algorithm::SourceIp, None);
        let places = || (0..200).map(|client| chosen(&split, client).unwrap().to_owned()).collect::<Vec<_>>();
        let before = places();
        assert_eq!(before, places());
        split.set_weights(vec![40, 60, 0]);
        let moved = before.into_iter().zip(places()).filter(|(was, is)| was != is);
        let moved: Vec<_> = moved.collect();
        assert!(!moved.is_empty() && moved.len() < 40, "{}", moved.len());
        assert!(moved.iter().all(|(was, is)| was == "red" && is == "green"), "{moved:?}");
    }

    #[test]
    fn a_reload_keeps_the_weights_while_the_configuration_has_the_same() {
        let first = split([95, 5, 0], Algorithm::RoundRobin, None);
        first.set_weights(vec![0, 1, 0]);
        let same = split([95, 5, 0], Algorithm::First, Some(&first));
        assert_eq!(same.weights(), [0, 1, 0]);
        // A connection that was accepted before the reload gets what is set after it.
        same.set_weights(vec![7, 7, 0]);
        assert_eq!(first.weights(), [7, 7, 0]);
        assert_eq!(split([95, 6, 0], Algorithm::RoundRobin, Some(&same)).weights(), [95, 6, 0]);
    }
}
