//! `[crl]` as written. Must not know: how keys depend on each other.

use std::time::Duration;

use crate::config::decode::Table;
use crate::config::located::Located;

/// `[crl]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    pub proxy: Option<Located<String>>,
    pub ca: Option<Located<String>>,
    pub refresh: Located<Duration>,
    pub timeout: Located<Duration>,
}

impl Crl {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            proxy: table.optional("proxy"),
            ca: table.optional("ca"),
            refresh: table.or("refresh", Duration::from_secs(86_400)),
            timeout: table.or("timeout", Duration::from_secs(30)),
        }
    }
}
