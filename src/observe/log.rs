//! The diagnostic log, on standard error. Must not know: what is logged.

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;

use crate::observe::line::Lines;
use crate::words::words;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

words! { Level { Error => "error", Warn => "warn", Info => "info", Debug => "debug", Trace => "trace" } }

/// Writes what is left when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Flush {
    _guard: Option<WorkerGuard>,
}

/// Starts logging, once in a process. Colours only on a terminal. Lines are written by a thread of their own and dropped
/// where nobody reads them, so that nothing ever waits for the log.
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
    let started = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_writer(move || Lines { inner: writer.clone(), coloured: colours })
        .with_ansi(colours)
        .with_target(false)
        .try_init();
    // A second start, as in tests within one process, keeps the first.
    Flush { _guard: started.is_ok().then_some(flush) }
}

/// Lines that may wait to be written: a word on each of ten thousand certificates, and half a megabyte for their places,
/// which is taken at the start. (What the crate takes by itself is four.)
const QUEUED: usize = 16 * 1024;
