//! How names are to be resolved, as configured. Must not know: how that is done.

use std::net::SocketAddr;
use std::time::Duration;

/// How names are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// If empty, those of /etc/resolv.conf, with its search domains.
    pub name_servers: Vec<SocketAddr>,
    /// For one question to one name server.
    pub timeout: Duration,
    /// An answer is used at least this long, and this is the first pause after a failure.
    pub min_ttl: Duration,
    /// An answer is used at most this long, and this is the longest pause after failures.
    pub max_ttl: Duration,
}
