//! The diagnostic log, on standard error. Must not know: what is logged.

use std::sync::OnceLock;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;

use crate::observe::line::Lines;
use crate::words::words;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

words! { Level { Error => "error", Warn => "warn", Info => "info", Debug => "debug", Trace => "trace" } }

/// When this is dropped, the lines that still wait are written.
#[derive(Debug)]
#[must_use]
pub struct Flush {
    _guard: Option<WorkerGuard>,
}

/// Starts the log of this process, with colours only on a terminal. A separate thread writes the lines. If it cannot
/// keep up, lines are dropped and counted, so that nothing ever waits for the log.
pub fn start(level: Level) -> Flush {
    let filter = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let (writer, flush) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUED).finish(std::io::stderr());
    let dropped = writer.error_counter();
    let started = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_writer(move || Lines { inner: writer.clone(), coloured: colours })
        .with_ansi(colours)
        .with_target(false)
        .try_init();
    // A second start, as in tests within one process, changes nothing.
    if started.is_ok() {
        let _ = DROPPED.set(dropped);
    }
    Flush { _guard: started.is_ok().then_some(flush) }
}

/// How many lines this process has dropped.
pub fn dropped() -> u64 {
    DROPPED.get().map_or(0, |dropped| dropped.dropped_lines() as u64)
}

/// Of the log of this process, once it is started.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How many lines may wait to be written: enough for one warning about each of ten thousand certificates. The queue
/// takes half a megabyte from the start; the crate's default would take four.
const QUEUED: usize = 16 * 1024;
