//! `[backend.NAME]` as written. Must not know: what depends on what.

use std::net::SocketAddr;
use std::time::Duration;

use crate::backend::balance::Algorithm;
use crate::config::decode::{Located, Table};
use crate::net::proxy_protocol::Version;

/// `[backend.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    pub here: Located<()>,
    pub name: String,
    pub servers: Option<Vec<Located<SocketAddr>>>,
    pub balance: Located<Algorithm>,
    pub connect_timeout: Located<Duration>,
    pub connect_attempts: Located<usize>,
    pub proxy_protocol: Located<Version>,
}

impl Backend {
    pub(super) fn read(name: &str, table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            name: name.to_owned(),
            servers: table.list("servers"),
            balance: table.or("balance", Algorithm::LeastConnections),
            connect_timeout: table.or("connect_timeout", Duration::from_secs(5)),
            connect_attempts: table.or("connect_attempts", 3),
            proxy_protocol: table.or("proxy_protocol", Version::Off),
        }
    }
}
