//! `[runtime]` as written. Must not know: how keys depend on each other.

use std::time::Duration;

use crate::config::decode::Table;
use crate::config::located::Located;
use crate::config::values::Workers;
use crate::tls::record::Layer;

/// `[runtime]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    pub workers: Located<Workers>,
    pub record_layer: Located<Layer>,
    pub shutdown_timeout: Located<Duration>,
}

impl Runtime {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        Self {
            workers: table.or("workers", Workers::Auto),
            record_layer: table.or("record_layer", Layer::Tlsgate),
            shutdown_timeout: table.or("shutdown_timeout", Duration::from_secs(30)),
        }
    }
}
