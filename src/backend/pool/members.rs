//! The servers of a backend at one time, those that are leaving included. Must not know: settings, how one of them is chosen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use crate::backend::balance::{self, Turns};
use crate::backend::condition::State;
use crate::backend::server::Server;
use crate::net::address::Address;

/// The servers of a pool at one time.
#[derive(Debug)]
pub struct Members {
    pub list: Vec<Member>,
    pub(super) turns: Turns,
    /// Servers that are not in use, but that still have connections, or that have a state and may be found.
    leaving: Vec<Arc<Server>>,
}

/// How a pool uses a server.
#[derive(Debug, Clone)]
pub struct Member {
    pub server: Arc<Server>,
    pub weight: u32,
    /// Only servers of the lowest usable tier are used.
    pub tier: Tier,
    pub max_connections: usize,
    pub(super) key: u64,
}

/// The order of use: first by `backup`, then by `priority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier {
    pub backup: bool,
    /// The priority of the SRV record; 0 for other servers.
    pub priority: u16,
}

/// A server of a pool, before its `Server` is found or made.
pub(super) struct Part {
    pub(super) address: Address,
    pub(super) weight: u32,
    pub(super) tier: Tier,
    pub(super) max_connections: usize,
}

impl Members {
    /// The members for these parts: the same ones as before where nothing is different, so that the turns continue. A server that
    /// `others` have is used in any case. `awaits` is whether more servers may still be found.
    pub(super) fn new(parts: &[Part], before: Option<Arc<Self>>, others: Option<&Self>, awaits: bool) -> Arc<Self> {
        // A server that is added to others has a slow start. The first servers have none, since all would be equally slow.
        let since = before.as_ref().filter(|before| !before.list.is_empty()).map(|_| Instant::now());
        let mut by_address = HashMap::new();
        for server in others.into_iter().chain(before.as_deref()).flat_map(Self::servers) {
            // Servers in use come before leaving ones, and the first one counts.
            by_address.entry(&server.address).or_insert(server);
        }
        let known = |address: &Address| by_address.get(address).map(|server| Arc::clone(server));
        let member = |part: &Part| Member {
            server: known(&part.address).unwrap_or_else(|| Arc::new(Server::since(part.address.clone(), since))),
            weight: part.weight,
            tier: part.tier,
            max_connections: part.max_connections,
            key: balance::key(part.address.to_string().as_bytes()),
        };
        let list: Vec<Member> = parts.iter().map(member).collect();
        let Some(before) = &before else {
            return Arc::new(Self { turns: Turns::new(list.len()), list, leaving: Vec::new() });
        };
        if list.len() == before.list.len() && list.iter().zip(&before.list).all(|(new, old)| new.is(old)) {
            return Arc::clone(before);
        }
        let staying: HashSet<*const Server> = list.iter().map(|member| Arc::as_ptr(&member.server)).collect();
        let stays = |server: &Arc<Server>| staying.contains(&Arc::as_ptr(server));
        // Kept while they have connections: if their address comes back, the count is still right.
        let is_kept = |server: &Arc<Server>| server.active() > 0 || awaits && server.state() != State::Ready;
        let leaving = before.servers().filter(|server| is_kept(server) && !stays(server)).cloned().collect();
        Arc::new(Self { turns: Turns::new(list.len()), list, leaving })
    }

    /// The same, and a server that is not in use yet.
    pub(super) fn with(&self, server: Arc<Server>) -> Self {
        let leaving = self.leaving.iter().cloned().chain([server]).collect();
        Self { list: self.list.clone(), turns: Turns::new(self.list.len()), leaving }
    }

    /// The servers in use, then the leaving ones.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.list.iter().map(|member| &member.server).chain(&self.leaving)
    }
}

impl Member {
    /// Whether nothing is different.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.server, &other.server)
            && (self.weight, self.tier, self.max_connections) == (other.weight, other.tier, other.max_connections)
    }
}
