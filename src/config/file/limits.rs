//! The keys of a `[[listener]]` or a `[[listener.route]]` that limit which clients may connect, and how often, as written.
//! Must not know: how keys depend on each other.

use ipnet::IpNet;

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::ja4::Ja4;
use crate::limit::counts::Failures;
use crate::limit::rate::Rate;

/// The keys of a listener or a route that limit clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub allow: Option<Vec<Located<IpNet>>>,
    pub allow_file: Option<Vec<Located<String>>>,
    pub deny: Option<Vec<Located<IpNet>>>,
    pub deny_file: Option<Vec<Located<String>>>,
    pub deny_ja4: Option<Vec<Located<Ja4>>>,
    pub deny_ja4_file: Option<Vec<Located<String>>>,
    /// `None` is no limit.
    pub max_connections: Option<Located<usize>>,
    pub max_connections_per_client: Option<Located<usize>>,
    pub connection_rate: Option<Located<Rate>>,
    pub connection_rate_per_client: Option<Located<Rate>>,
    pub handshake_failures: Option<Located<Failures>>,
}

impl Limits {
    /// `most` is the default of `max_connections`.
    pub(super) fn read(table: &mut Table<'_>, most: Option<usize>) -> Self {
        Self {
            allow: table.list("allow"),
            allow_file: table.list("allow_file"),
            deny: table.list("deny"),
            deny_file: table.list("deny_file"),
            deny_ja4: table.list("deny_ja4"),
            deny_ja4_file: table.list("deny_ja4_file"),
            max_connections: match most {
                Some(most) => Some(table.or("max_connections", most)),
                None => table.optional("max_connections"),
            },
            max_connections_per_client: table.optional("max_connections_per_client"),
            connection_rate: table.optional("connection_rate"),
            connection_rate_per_client: table.optional("connection_rate_per_client"),
            handshake_failures: table.optional("handshake_failures"),
        }
    }
}
