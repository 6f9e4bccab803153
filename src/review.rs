//! Judges the clients of open connections again, when the rules have changed and when a verdict ends, on a thread of its own:
//! thousands of signatures are verified here, for whom no other client waits. Must not know: how a connection ends, what its
//! end is recorded with.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;

use crate::live::alarm::Alarm;
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
        live.alarm().ring();
        let run = move || {
            let mut known = Known::default();
            rounds(of_thread.alarm(), unix_time, || round(&of_thread, &current.load(), &mut known));
        };
        let thread = thread::Builder::new().name("review".into()).spawn(run)?;
        Ok(Self { live, thread: Some(thread) })
    }

    /// Whether a client of an open connection is judged again, or of one whose handshake is not complete may be.
    pub fn is_needed(&self, snapshot: &Snapshot) -> bool {
        self.live.has_presented() || Rules::of(snapshot).judge()
    }

    /// The rules may have changed.
    pub fn ring(&self) {
        self.live.alarm().ring();
    }
}

impl Drop for Review {
    fn drop(&mut self) {
        self.live.alarm().end();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("judging open connections again has panicked");
        }
    }
}

/// Judges whenever it is time to, until the end.
fn rounds(alarm: &Alarm, clock: impl Fn() -> i64, mut judge: impl FnMut()) {
    while alarm.wait(&clock) {
        // A panic may have left out verdicts, which are found again then, and nothing else.
        if catch_unwind(AssertUnwindSafe(&mut judge)).is_err() {
            tracing::error!("judging open connections again has panicked, and is tried again in {AGAIN} s");
            alarm.due_at(clock().saturating_add(AGAIN));
        }
        // Connections that join one after the other are judged together.
        thread::sleep(BETWEEN);
    }
}

/// One look at all connections.
fn round(live: &Registry, snapshot: &Snapshot, known: &mut Known) {
    let alarm = live.alarm();
    alarm.begin(snapshot.generation());
    // Most processes have no client to judge.
    if !live.has_presented() {
        return known.forget();
    }
    let found = known.judge(live.presented(), &Rules::of(snapshot), unix_time());
    alarm.due_at(found.due);
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

/// After how many seconds a round that has panicked is tried again, if nothing asks for one sooner.
const AGAIN: i64 = 10;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn after_a_panic_the_next_rounds_judge_again_soon_without_being_asked() {
        let (alarm, now) = (Alarm::default(), AtomicI64::new(1_000));
        let (began, begins) = channel();
        let mut count = 0;
        let judge = || {
            count += 1;
            began.send(count).unwrap();
            assert_ne!(count, 1, "a fault");
        };
        // At each look so much time has passed that the next round is due.
        let clock = || now.fetch_add(AGAIN, Ordering::Relaxed);
        alarm.ring();
        thread::scope(|scope| {
            let running = scope.spawn(|| rounds(&alarm, clock, judge));
            let seen = [(), ()].map(|()| begins.recv_timeout(Duration::from_secs(60)));
            alarm.end();
            assert_eq!(seen, [Ok(1), Ok(2)]);
            assert!(running.join().is_ok());
        });
    }
}
