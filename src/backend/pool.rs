//! A backend's servers, and how many connections each one has. Must not know: why a server is chosen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::backend::balance::{Algorithm, Balancer};

/// A named group of servers that do the same job.
#[derive(Debug)]
pub struct Pool {
    pub name: Arc<str>,
    pub servers: Vec<Arc<Server>>,
    pub balancer: Balancer,
    /// The longest that one server may take to accept a connection.
    pub connect_timeout: Duration,
    /// How many servers are tried for one client, the first included.
    pub connect_attempts: usize,
}

/// One address of a backend.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    active: AtomicUsize,
}

/// Counts one connection of a server for as long as it lives.
#[derive(Debug)]
pub struct Lease(Arc<Server>);

impl Pool {
    pub fn new(
        name: Arc<str>,
        servers: &[SocketAddr],
        balance: Algorithm,
        connect_timeout: Duration,
        connect_attempts: usize,
    ) -> Self {
        let servers = servers.iter().map(|address| Arc::new(Server { address: *address, active: AtomicUsize::new(0) }));
        Self { name, servers: servers.collect(), balancer: Balancer::new(balance), connect_timeout, connect_attempts }
    }
}

impl Server {
    /// Connections now being made or relayed.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    pub fn lease(self: &Arc<Self>) -> Lease {
        self.active.fetch_add(1, Ordering::Relaxed);
        Lease(Arc::clone(self))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}
