//! `[admin]` as written. Must not know: how keys depend on each other.

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::config::values::{HostName, Mode};
use crate::net::endpoint::Endpoint;

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub listen: Option<Located<Endpoint>>,
    pub socket_mode: Located<Mode>,
    pub token_file: Option<Located<String>>,
    pub hosts: Option<Vec<Located<HostName>>>,
}

impl Admin {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            listen: table.optional("listen"),
            // Every program that can open the socket can change the state: by default only those of the same user.
            socket_mode: table.or("socket_mode", Mode(0o600)),
            token_file: table.optional("token_file"),
            hosts: table.list("hosts"),
        }
    }
}
