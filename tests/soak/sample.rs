//! What is known of the program in one second. Must not know: how it is measured, what is made of it.

use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the start of the soak.
    pub(crate) at: f64,
    /// The process that accepts.
    pub(crate) pid: u32,
    pub(crate) resident_kib: u64,
    /// What the program has allocated and not freed, by its own metric.
    pub(crate) allocated_kib: Option<f64>,
    pub(crate) open_files: usize,
    /// Processor seconds per second, of this process.
    pub(crate) processor: Option<f64>,
    /// Connections that ended in this second.
    pub(crate) connections: u64,
    /// From before connecting to the first message's answer, of good clients, in milliseconds.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) mib: f64,
    /// Many clients do not read.
    pub(crate) is_pressed: bool,
}
