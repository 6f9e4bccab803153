//! One server of a backend, and how many connections it has. Must not know: which backend it belongs to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One address of a backend.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    active: AtomicUsize,
}

/// Counts one connection of a server for as long as it lives.
#[derive(Debug)]
pub struct Lease(Arc<Server>);

impl Server {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, active: AtomicUsize::new(0) }
    }

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
