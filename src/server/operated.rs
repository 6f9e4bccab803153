//! What operators have changed while a process runs and no file has: weights of backends, and states of servers. The process
//! that takes over gets it from the one before it. Must not know: how it comes there, who has changed it.

use std::io;

use serde::{Deserialize, Serialize};

use crate::backend::condition::State;
use crate::net::address::Address;
use crate::route::split::Split;
use crate::snapshot::Snapshot;

/// In JSON. Each version of the program may add fields, and ignores those that it does not know.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Operated {
    weights: Vec<Weights>,
    servers: Vec<Server>,
}

/// The weights of one route that are not those of the configuration.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Weights {
    listener: String,
    route: String,
    /// In the order of the configuration.
    backends: Vec<Share>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Share {
    backend: String,
    /// The weight in the configuration.
    configured: u32,
    weight: u32,
}

/// A server that is not `ready`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Server {
    backend: String,
    /// Its address.
    server: String,
    /// As in the admin API.
    state: String,
}

/// What another process needs.
pub(super) fn to_hand_over(snapshot: &Snapshot) -> Vec<u8> {
    // It cannot fail: there are only texts and numbers. Without an answer, the other process reports that.
    serde_json::to_vec(&Operated::of(snapshot)).unwrap_or_default()
}

/// Whether there is anything that another process needs.
pub(super) fn is_any(snapshot: &Snapshot) -> bool {
    Operated::of(snapshot) != Operated::default()
}

/// Puts into force what the process before this one has answered.
pub(super) fn take_over(answer: io::Result<Vec<u8>>, snapshot: &Snapshot) {
    let operated = answer.and_then(|answer| Ok(serde_json::from_slice::<Operated>(&answer)?));
    match operated {
        Ok(operated) if operated == Operated::default() => {}
        Ok(operated) => {
            let routes = operated.weights.iter().filter(|weights| weights.set(snapshot)).count();
            let servers = operated.servers.iter().filter(|server| server.set(snapshot)).count();
            tracing::info!(routes, servers, "weights and states of servers are those of the process before this one");
        }
        Err(error) => tracing::warn!(
            "weights and states of servers are those of the configuration, since the process before this one has not sent its own: {error}"
        ),
    }
}

impl Operated {
    fn of(snapshot: &Snapshot) -> Self {
        let mut operated = Self::default();
        for listener in snapshot.listeners() {
            for route in listener.ways.all() {
                let Some(backends) = route.way.split().and_then(changed) else { continue };
                operated.weights.push(Weights {
                    listener: listener.name.to_string(),
                    route: route.name.to_string(),
                    backends,
                });
            }
        }
        for pool in snapshot.pools() {
            let members = pool.members();
            // Those that a source has not found again are not lost by two upgrades, one soon after the other.
            let servers = members.servers();
            let out = servers.map(|server| (server, server.state())).filter(|(_, state)| *state != State::Ready);
            operated.servers.extend(out.map(|(server, state)| Server {
                backend: pool.name().to_string(),
                server: server.address.to_string(),
                state: state.word().to_owned(),
            }));
        }
        operated
    }
}

/// The weights, where they are not those of the configuration.
fn changed(split: &Split) -> Option<Vec<Share>> {
    let shares = split.shares().iter().zip(split.weights());
    let shares: Vec<Share> = shares
        .map(|(share, weight)| Share { backend: share.pool.name().to_string(), configured: share.configured, weight })
        .collect();
    shares.iter().any(|share| share.weight != share.configured).then_some(shares)
}

impl Weights {
    /// Sets them where the configuration has the same list, as a reload does. Returns whether it has.
    fn set(&self, snapshot: &Snapshot) -> bool {
        let Some(listener) = snapshot.listener(&self.listener) else { return false };
        let route = listener.ways.all().find(|route| *route.name == *self.route);
        let Some(split) = route.and_then(|route| route.way.split()) else { return false };
        let written = split.shares().iter().map(|share| (&**share.pool.name(), share.configured));
        let same = written.eq(self.backends.iter().map(|share| (share.backend.as_str(), share.configured)));
        if same {
            split.set_weights(self.backends.iter().map(|share| share.weight).collect());
        }
        same
    }
}

impl Server {
    /// Sets its state. Returns whether the configuration has its backend.
    fn set(&self, snapshot: &Snapshot) -> bool {
        let state = State::ALL.into_iter().find(|state| state.word() == self.state);
        match (snapshot.pool(&self.backend), Address::parse(&self.server), state) {
            (Some(pool), Some(address), Some(state)) => {
                pool.take_over(&address, state);
                true
            }
            _ => false,
        }
    }
}
