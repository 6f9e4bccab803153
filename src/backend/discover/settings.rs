//! How names are resolved, as the configuration has it. Must not know: who resolves them.

use std::net::SocketAddr;
use std::time::Duration;

/// How names are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// With none, those of /etc/resolv.conf, with its search domains.
    pub name_servers: Vec<SocketAddr>,
    /// For one question to one server.
    pub timeout: Duration,
    pub min_ttl: Duration,
    pub max_ttl: Duration,
}
