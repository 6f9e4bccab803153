//! Judges the clients of open connections again, when the rules have changed and when a verdict ends, on a thread of its own:
//! thousands of signatures are verified here, for whom no other client waits. Must not know: how a connection ends, what its
//! end is recorded with.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;

use crate::live::registry::Registry;
use crate::snapshot::{Current, Snapshot};

mod round;
mod rules;

use round::Known;
use rules::Rules;

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub struct Review {
    live: Arc<Registry>,
    thread: Option<JoinHandle<()>>,
}

impl Review {
    /// Judges by what is current.
    pub fn start(current: Arc<Current>, live: Arc<Registry>) -> io::Result<Self> {
        let of_thread = Arc::clone(&live);
        // It does not step back behind those who serve: a client that is revoked must not stay the longer for it.
        // Connections may have joined before the thread runs.
        live.again().alarm.ring();
        let run = move || {
            let mut known = Known::default();
            while of_thread.again().alarm.wait(unix_time) {
                round(&of_thread, &current.load(), &mut known);
                // Connections that join one after the other are judged together.
                thread::sleep(BETWEEN);
            }
        };
        let thread = thread::Builder::new().name("review".into()).spawn(run)?;
        Ok(Self { live, thread: Some(thread) })
    }

    /// The rules may have changed.
    pub fn ring(&self) {
        self.live.again().alarm.ring();
    }
}

impl Drop for Review {
    fn drop(&mut self) {
        self.live.again().alarm.end();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("judging open connections again has panicked");
        }
    }
}

/// One look at all connections.
fn round(live: &Registry, snapshot: &Snapshot, known: &mut Known) {
    let again = live.again();
    again.alarm.begin(snapshot.generation());
    // Most processes have no client to judge.
    if again.chains.is_empty() {
        return known.forget();
    }
    let found = known.judge(live.presented(), &Rules::of(snapshot), unix_time());
    again.alarm.due_at(found.due);
    if found.closed > 0 {
        let connections = found.closed;
        tracing::info!(connections, "connections end, whose clients would not be accepted any more");
    }
}

fn unix_time() -> i64 {
    Timestamp::now().as_second()
}

/// The pause between two rounds.
const BETWEEN: Duration = Duration::from_millis(100);
