//! The diagnostic log, on standard error. Must not know: what is logged.

use std::io::Write;
use std::sync::OnceLock;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
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
    let (writer, flush) = queue(std::io::stderr());
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

/// Waits for the sink on a thread of its own.
fn queue(sink: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUED).finish(sink)
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Takes nothing until the other end of the channel is dropped.
    struct Blocked(Receiver<()>);

    impl Write for Blocked {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_for_which_there_is_no_room_are_dropped_and_counted() {
        let (release, blocked) = channel();
        let (mut writer, flush) = queue(Blocked(blocked));
        let dropped = writer.error_counter();
        let mut lines = 0;
        while dropped.dropped_lines() == 0 {
            assert!(lines <= 2 * QUEUED, "nothing is dropped");
            writer.write_all(b"line\n").unwrap();
            lines += 1;
        }
        assert!(lines > QUEUED, "dropped after {lines}");
        writer.write_all(b"line\n").unwrap();
        assert_eq!(dropped.dropped_lines(), 2);
        drop(release);
        drop(flush);
    }
}
