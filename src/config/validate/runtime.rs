//! Settings of the process. Every value that could be read is valid.

use std::time::Duration;

use crate::config::file;
use crate::config::values::Workers;
use crate::tls::record::Layer;

/// `[runtime]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    pub workers: Workers,
    pub record_layer: Layer,
    pub shutdown_timeout: Duration,
}

pub(super) fn validated(runtime: file::runtime::Runtime) -> Runtime {
    let file::runtime::Runtime { workers, record_layer, shutdown_timeout } = runtime;
    Runtime { workers: workers.value, record_layer: record_layer.value, shutdown_timeout: shutdown_timeout.value }
}
