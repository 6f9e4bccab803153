//! The keys of a `[[listener]]` that limit which clients may connect, and how often, as written.
//! Must not know: how keys depend on each other.

use ipnet::IpNet;

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::ja4::Ja4;
use crate::limit::admission::Failures;
use crate::limit::rate::Rate;

/// The keys of a `[[listener]]` that limit clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub allow: Option<Vec<Located<IpNet>>>,
    pub deny: Option<Vec<Located<IpNet>>>,
    pub deny_ja4: Option<Vec<Located<Ja4>>>,
    pub max_connections: Located<usize>,
    pub max_connections_per_client: Option<Located<usize>>,
    pub connection_rate: Option<Located<Rate>>,
    pub connection_rate_per_client: Option<Located<Rate>>,
    pub handshake_failures: Option<Located<Failures>>,
}

impl Limits {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            allow: table.list("allow"),
            deny: table.list("deny"),
            deny_ja4: table.list("deny_ja4"),
            max_connections: table.or("max_connections", 10_000),
            max_connections_per_client: table.optional("max_connections_per_client"),
            connection_rate: table.optional("connection_rate"),
            connection_rate_per_client: table.optional("connection_rate_per_client"),
            handshake_failures: table.optional("handshake_failures"),
        }
    }
}
