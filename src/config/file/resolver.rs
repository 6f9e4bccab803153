//! `[resolver]` as written. Must not know: how keys depend on each other.

use std::time::Duration;

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::config::values::resolver::NameServer;

/// `[resolver]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    pub nameservers: Option<Vec<Located<NameServer>>>,
    pub timeout: Located<Duration>,
    pub min_ttl: Located<Duration>,
    pub max_ttl: Located<Duration>,
}

impl Resolver {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            nameservers: table.list("nameservers"),
            timeout: table.or("timeout", Duration::from_secs(2)),
            min_ttl: table.or("min_ttl", Duration::from_secs(1)),
            max_ttl: table.or("max_ttl", Duration::from_secs(30)),
        }
    }
}
