//! A backend: its settings, its servers, and the choice of the next one. Must not know: who connects, or why.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::backend::balance::{Algorithm, Candidate};
use crate::backend::condition::{Fitness, Pauses, State};
use crate::backend::discover::Source;
use crate::backend::health::check::Check;
use crate::backend::lookup::Lookup;
use crate::backend::server::{Lease, Server};
use crate::labels::Labels;
use crate::net::address::Address;
use crate::net::proxy_protocol::write::Version;
use crate::starttls::protocol::Protocol;
use crate::tls::handshake::connect::Connector;
use crate::words::words;

mod members;
pub mod outgoing;

use members::Part;
pub use members::{Member, Members, Tier};
use outgoing::Outgoing;

/// The configuration of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub name: Arc<str>,
    pub labels: Labels,
    pub servers: Vec<Entry>,
    pub balance: Algorithm,
    /// The longest that one server may take to accept a connection.
    pub connect_timeout: Duration,
    /// How many servers are tried for one client, the first included.
    pub connect_attempts: usize,
    /// How long a server is passed over after connecting to it failed.
    pub pauses: Pauses,
    /// How long it takes until a server that comes back has its whole weight; `None`: it has it immediately.
    pub slow_start: Option<Duration>,
    pub when_all_down: WhenAllDown,
    pub on_down: OnDown,
    /// The PROXY header that is sent before each client's bytes.
    pub proxy_protocol: Version,
    /// `None`: the kernel chooses the address from which servers are connected to.
    pub source: Option<Outgoing>,
}

/// What happens to a client while every server is down according to its health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAllDown {
    /// The client is refused.
    Fail,
    /// All servers are used, as if they were up.
    Any,
}

words! { WhenAllDown { Fail => "fail", Any => "any" } }

/// What happens to a server's connections when it goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    Keep,
    /// They are cut.
    Close,
}

words! { OnDown { Keep => "keep", Close => "close" } }

/// The address of a server, or a source of servers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Address(Address),
    Source(Source),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Source(source) => source.fmt(f),
        }
    }
}

/// One entry of the list of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub place: Place,
    /// At least 1.
    pub weight: u32,
    /// Only used while no other server can be used.
    pub backup: bool,
    /// For each server of the entry.
    pub max_connections: usize,
}

/// A named group of servers that do the same job.
#[derive(Debug)]
pub struct Pool {
    pub settings: Settings,
    /// How its servers' health is checked.
    pub check: Option<Arc<Check>>,
    /// The sources among its entries.
    pub lookups: Vec<Arc<Lookup>>,
    /// How to connect to its servers over TLS; `None` for plain bytes.
    pub tls: Option<Tls>,
    members: ArcSwap<Members>,
    /// The pool in force, where one of this backend is. Pools that follow each other by reloads share it, and it is locked while
    /// one of them makes new members: so no server is made twice, whichever of them finds it.
    in_force: Arc<Mutex<Weak<Self>>>,
}

/// How a backend's servers are reached over TLS.
#[derive(Debug)]
pub struct Tls {
    pub connector: Arc<Connector>,
    /// The protocol in which the servers are asked for TLS; `None` where TLS begins at once.
    pub starttls: Option<Protocol>,
}

/// Why there is no server for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoServer {
    #[error("no server is known")]
    Unknown,
    #[error("every server that could be tried failed")]
    Tried,
    /// It knows who the client is: no other server is to be tried, of another backend neither.
    #[error("a server has refused the client")]
    Refused,
    #[error("every server is down or taken out of service")]
    Down,
    #[error("every server has max_connections")]
    Full,
}

impl Pool {
    /// A pool that shares servers and look-ups with its predecessor of the same name, so that a reload keeps their state.
    pub fn new(settings: Settings, check: Option<Arc<Check>>, before: Option<&Self>) -> Self {
        let known = by_source(before.map_or(&[], |before| &before.lookups));
        let lookups = settings.servers.iter().filter_map(|entry| match &entry.place {
            Place::Address(_) => None,
            Place::Source(source) => Some(match known.get(source) {
                Some(same) => Arc::clone(same),
                None => Arc::new(Lookup::new(source.clone())),
            }),
        });
        let lookups: Vec<_> = lookups.collect();
        let members =
            Members::new(&parts(&settings.servers, &lookups), before.map(Self::members), None, awaits(&lookups));
        let in_force = before.map(|before| Arc::clone(&before.in_force)).unwrap_or_default();
        Self { settings, check, tls: None, lookups, members: ArcSwap::new(members), in_force }
    }

    /// The same pool, with connections over TLS.
    pub fn over(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// Takes the place of the pool of this backend that is in force: continues with the servers that this one has now. Those that
    /// were made while this pool was built are not used. Until here nobody has had them, while the pool in force may have made
    /// others with their addresses, and however long a release is held, a slow start begins now. To be called before the first
    /// connection gets this pool.
    pub fn comes_into_force(self: &Arc<Self>) {
        let mut in_force = self.lock();
        if let Some(before) = Self::other(&in_force, self) {
            self.members.store(self.members_after(before.members(), None));
        }
        *in_force = Arc::downgrade(self);
    }

    /// Takes over what its sources have found. Returns whether any server has changed.
    pub(super) fn renew(&self) -> bool {
        let in_force = self.lock();
        let current = Self::other(&in_force, self);
        // A connection may have begun before a reload, and wait for a server that is found after it.
        let others = current.map(|current| {
            current.renew_with(None);
            current.members()
        });
        self.renew_with(others.as_deref())
    }

    /// The same, while `in_force` is locked. Servers of `others` are used rather than new ones.
    fn renew_with(&self, others: Option<&Members>) -> bool {
        let before = self.members();
        let members = self.members_after(Arc::clone(&before), others);
        let different = !Arc::ptr_eq(&before, &members);
        self.members.store(members);
        different
    }

    fn members_after(&self, before: Arc<Members>, others: Option<&Members>) -> Arc<Members> {
        Members::new(&parts(&self.settings.servers, &self.lookups), Some(before), others, awaits(&self.lookups))
    }

    fn lock(&self) -> MutexGuard<'_, Weak<Self>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool in force, where it is not `this` one.
    fn other(in_force: &Weak<Self>, this: &Self) -> Option<Arc<Self>> {
        in_force.upgrade().filter(|current| !ptr::eq(&raw const **current, this))
    }

    /// Gives a server the state that it had in another process. One that a source has not found yet has it when it is found.
    pub fn take_over(&self, address: &Address, state: State) {
        let _one_at_a_time = self.lock();
        let members = self.members();
        match members.list.iter().find(|member| member.server.address == *address) {
            Some(member) => drop(member.server.set_state(state)),
            None if awaits(&self.lookups) => {
                let server = Server::new(address.clone());
                server.set_state(state);
                self.members.store(Arc::new(members.with(Arc::new(server))));
            }
            None => {}
        }
    }

    /// The servers. Where there are none because a source was not looked up yet, waits for that, at most `connect_timeout`.
    pub(super) async fn members_found(&self) -> Arc<Members> {
        let members = self.members();
        if !members.list.is_empty() || self.lookups.iter().all(|lookup| lookup.is_settled()) {
            return members;
        }
        let all = async {
            for lookup in &self.lookups {
                lookup.settled().await;
            }
        };
        // After the timeout, what was found by then is used.
        let _ = tokio::time::timeout(self.settings.connect_timeout, all).await;
        self.renew();
        self.members()
    }

    /// The name of the backend.
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// The servers now.
    pub fn members(&self) -> Arc<Members> {
        self.members.load_full()
    }

    /// The servers now that have this address, or that this source leads to, as either is written in the configuration.
    pub fn named(&self, name: &str) -> Vec<Arc<Server>> {
        let sources = self.lookups.iter().filter(|lookup| lookup.source.to_string() == name);
        let found: HashSet<Address> = sources
            .flat_map(|lookup| lookup.found().iter().map(|found| found.address.into()).collect::<Vec<_>>())
            .collect();
        let is_named = |server: &Server| found.contains(&server.address) || server.address.to_string() == name;
        let members = self.members();
        members.list.iter().map(|member| &member.server).filter(|server| is_named(server)).cloned().collect()
    }

    /// How fit its fittest server is for one more connection; `None` where no server can have one. A backend whose servers
    /// are not looked up yet counts as fit, since a connection waits for that.
    pub fn fitness(&self, now: Instant) -> Option<Fitness> {
        let members = self.members();
        if members.list.is_empty() && !self.lookups.iter().all(|lookup| lookup.is_settled()) {
            return Some(Fitness::Fit);
        }
        let with_room = members.list.iter().filter(|member| member.server.active() < member.max_connections);
        with_room.filter_map(|member| member.server.look(None, now).0).filter(|fitness| self.is_used(*fitness)).min()
    }

    /// The next server for a client among those whose index is not in `tried`, with its index.
    pub(super) fn pick(
        &self,
        members: &Members,
        client: IpAddr,
        tried: &[usize],
        now: Instant,
    ) -> Result<(usize, Lease), NoServer> {
        // Another worker may fill a server between `candidates` and `lease`. The next round passes it over.
        for _ in 0..=members.list.len() {
            let candidates = self.candidates(members, tried, now)?;
            let chosen = self.settings.balance.choose(&candidates, client, &members.turns, &mut fastrand::Rng::new());
            let Some((index, member)) = chosen.and_then(|index| Some((index, members.list.get(index)?))) else { break };
            if let Some(lease) = member.server.lease(member.max_connections) {
                return Ok((index, lease));
            }
        }
        Err(NoServer::Full)
    }

    /// The fittest servers, and of these the lowest tier.
    fn candidates(&self, members: &Members, tried: &[usize], now: Instant) -> Result<Vec<Candidate>, NoServer> {
        let mut best: Option<(Fitness, Tier)> = None;
        let mut candidates = Vec::with_capacity(members.list.len());
        let (mut full, mut down) = (false, false);
        for (index, member) in members.list.iter().enumerate().filter(|(index, _)| !tried.contains(index)) {
            let (fitness, warmth) = member.server.look(self.settings.slow_start, now);
            let Some(fitness) = fitness.filter(|fitness| self.is_used(*fitness)) else {
                down = true;
                continue;
            };
            let active = member.server.active();
            if active >= member.max_connections {
                full = true;
                continue;
            }
            let rank = (fitness, member.tier);
            if best.is_some_and(|best| rank > best) {
                continue;
            }
            if best.is_none_or(|best| rank < best) {
                best = Some(rank);
                candidates.clear();
            }
            // In thousandths, so that also a weight of 1 can grow during a slow start.
            let weight = u64::from(member.weight) * u64::from(warmth);
            candidates.push(Candidate { index, weight, active, key: member.key });
        }
        match (candidates.is_empty(), full, down) {
            (false, ..) => Ok(candidates),
            (_, true, _) => Err(NoServer::Full),
            (_, _, true) => Err(NoServer::Down),
            _ if members.list.is_empty() => Err(NoServer::Unknown),
            _ => Err(NoServer::Tried),
        }
    }

    fn is_used(&self, fitness: Fitness) -> bool {
        fitness != Fitness::Down || self.settings.when_all_down == WhenAllDown::Any
    }
}

/// Whether a source may still find servers that were found before.
fn awaits(lookups: &[Arc<Lookup>]) -> bool {
    lookups.iter().any(|lookup| !lookup.is_settled() || lookup.trouble().is_some())
}

fn by_source(lookups: &[Arc<Lookup>]) -> HashMap<&Source, &Arc<Lookup>> {
    lookups.iter().map(|lookup| (&lookup.source, lookup)).collect()
}

/// The servers of all entries. An address that occurs more than once counts only where it is first.
fn parts(entries: &[Entry], lookups: &[Arc<Lookup>]) -> Vec<Part> {
    let lookups = by_source(lookups);
    let mut seen = HashSet::new();
    let mut parts = Vec::new();
    let mut add = |entry: &Entry, address: Address, weight: u32, priority| {
        if seen.insert(address.clone()) {
            let (weight, tier) = (entry.weight.saturating_mul(weight), Tier { backup: entry.backup, priority });
            parts.push(Part { address, weight, tier, max_connections: entry.max_connections });
        }
    };
    for entry in entries {
        match &entry.place {
            Place::Address(address) => add(entry, address.clone(), 1, 0),
            Place::Source(source) => {
                let found = lookups.get(source).map(|lookup| lookup.found());
                for found in found.iter().flat_map(|found| found.iter()) {
                    add(entry, found.address.into(), found.weight, found.priority);
                }
            }
        }
    }
    parts
}

#[cfg(test)]
pub(super) mod tests;
