//! `[backend.NAME]` as written. Must not know: how keys depend on each other.

use std::time::Duration;

use crate::backend::balance::Algorithm;
use crate::backend::pool::outgoing::Outgoing;
use crate::backend::pool::{self, OnDown, WhenAllDown};
use crate::config::decode::{Entry, Table};
use crate::config::file::backend_tls::Tls;
use crate::config::file::health::Health;
use crate::config::located::Located;
use crate::config::values::labels::LabelValue;
use crate::net::proxy_protocol::write::Version;

/// `[backend.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    pub here: Located<()>,
    pub name: String,
    pub labels: Option<Located<Vec<Entry<LabelValue>>>>,
    pub servers: Option<Vec<Located<pool::Entry>>>,
    pub balance: Located<Algorithm>,
    pub connect_timeout: Located<Duration>,
    pub connect_attempts: Located<usize>,
    pub proxy_protocol: Located<Version>,
    pub source: Option<Located<Outgoing>>,
    pub fail_timeout: Located<Duration>,
    pub max_fail_timeout: Located<Duration>,
    pub slow_start: Option<Located<Duration>>,
    pub when_all_down: Located<WhenAllDown>,
    pub on_down: Located<OnDown>,
    pub health: Option<Health>,
    pub tls: Option<Tls>,
}

impl Backend {
    pub(super) fn read(name: &str, table: &mut Table<'_>) -> Self {
        Self {
            here: table.here(),
            name: name.to_owned(),
            labels: table.entries("labels"),
            servers: table.list("servers"),
            balance: table.or("balance", Algorithm::LeastConnections),
            connect_timeout: table.or("connect_timeout", Duration::from_secs(5)),
            connect_attempts: table.or("connect_attempts", 3),
            proxy_protocol: table.or("proxy_protocol", Version::Off),
            source: table.optional("source"),
            fail_timeout: table.or("fail_timeout", Duration::from_secs(1)),
            max_fail_timeout: table.or("max_fail_timeout", Duration::from_secs(60)),
            slow_start: table.optional("slow_start"),
            when_all_down: table.or("when_all_down", WhenAllDown::Fail),
            on_down: table.or("on_down", OnDown::Keep),
            health: table.optional_table("health", Health::read),
            tls: table.optional_table("tls", Tls::read),
        }
    }
}
