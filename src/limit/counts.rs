//! How many connections there may be, how often, and why one is refused. Must not know: what is counted now.

use std::time::Duration;

use crate::limit::rate::Rate;

/// How many connections a listener or a route allows, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time; `usize::MAX` is no limit.
    pub max_connections: usize,
    /// The same for each client; `None` is no limit, here and below.
    pub max_connections_per_client: Option<usize>,
    /// New connections.
    pub rate: Option<Rate>,
    /// The same for each client.
    pub rate_per_client: Option<Rate>,
    /// Failed handshakes of each client.
    pub handshake_failures: Option<Failures>,
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self = Self {
        max_connections: usize::MAX,
        max_connections_per_client: None,
        rate: None,
        rate_per_client: None,
        handshake_failures: None,
    };
}

/// How many handshakes of one client may fail, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// Up to `count` failures in `per` have no consequence.
    pub rate: Rate,
    /// How long a client is refused after more than that.
    pub block: Duration,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// By its address.
    Denied,
    /// Too many of the client's handshakes have failed.
    Blocked,
    /// `max_connections_per_client` is reached.
    TooManyOfClient,
    /// `rate_per_client` is exceeded.
    TooOftenByClient,
    /// `max_connections` is reached, and no connection can give way.
    TooMany,
    /// `rate` is exceeded.
    TooOften,
    /// All listeners together have as many connections as there are descriptors for.
    NoRoom,
}
