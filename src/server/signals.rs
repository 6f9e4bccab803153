//! The signals of the process, and what each asks for. Must not know: how it is done.

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::reload::job::{Job, Lost};

/// The signals of the process. From [`Signals::listen`] on they no longer kill it, but wait until they are received here.
#[derive(Debug)]
pub struct Signals {
    runtime: runtime::Runtime,
    streams: Streams,
}

impl Signals {
    /// Replaces the system's handling of TERM, INT, QUIT, HUP, USR1 and USR2. Fails where a handler cannot be installed.
    pub fn listen() -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let streams = {
            // tokio ties a signal's stream to the runtime in which it is created.
            let _inside = runtime.enter();
            Streams {
                term: signal(SignalKind::terminate())?,
                int: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
                hup: signal(SignalKind::hangup())?,
                usr1: signal(SignalKind::user_defined1())?,
                usr2: signal(SignalKind::user_defined2())?,
            }
        };
        Ok(Self { runtime, streams })
    }

    /// Waits for a job to finish. `None` where TERM, INT or QUIT arrives before that; other signals stay pending.
    pub fn wait_for<T: Send + 'static>(&mut self, job: &mut Job<T>) -> Option<Result<T, Lost>> {
        let streams = &mut self.streams;
        self.runtime.block_on(async {
            tokio::select! {
                // A job that has finished counts, even if a signal has arrived as well.
                biased;
                result = job.finished() => Some(result),
                () = streams.end() => None,
            }
        })
    }

    /// The streams of signals, and the runtime on which they have to be received.
    pub(super) fn into_parts(self) -> (runtime::Runtime, Streams) {
        (self.runtime, self.streams)
    }
}

#[derive(Debug)]
pub(super) struct Streams {
    term: Signal,
    int: Signal,
    quit: Signal,
    hup: Signal,
    usr1: Signal,
    usr2: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Drain,
    Stop,
    Reload,
    ReopenLogs,
    /// Let this program's new version take over.
    Upgrade,
}

impl Streams {
    /// Waits for a signal that asks for the end of the process.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
            _ = self.quit.recv() => {}
        }
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::Drain,
            _ = self.int.recv() => Asked::Drain,
            _ = self.quit.recv() => Asked::Stop,
            _ = self.hup.recv() => Asked::Reload,
            _ = self.usr1.recv() => Asked::ReopenLogs,
            _ = self.usr2.recv() => Asked::Upgrade,
        }
    }
}
