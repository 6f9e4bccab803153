//! A backend: its servers, and how to choose and reach one. Must not know: who connects, or why.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::balance::{Algorithm, Balancer};
use crate::backend::server::Server;
use crate::net::proxy_protocol::Version;

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
    /// What a server is told of each client first.
    pub proxy_protocol: Version,
}

impl Pool {
    pub fn new(
        name: Arc<str>,
        servers: Vec<Arc<Server>>,
        balance: Algorithm,
        connect_timeout: Duration,
        connect_attempts: usize,
    ) -> Self {
        Self {
            name,
            servers,
            balancer: Balancer::new(balance),
            connect_timeout,
            connect_attempts,
            proxy_protocol: Version::Off,
        }
    }
}
