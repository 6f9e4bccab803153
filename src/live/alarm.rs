//! Wakes who judges open connections again: when the rules have changed, when a verdict ends, and when a connection was still
//! judged by rules that have changed meanwhile. Must not know: what is judged, how.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When to judge next.
#[derive(Debug, Default)]
pub struct Alarm {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Which rules all that is there was judged by, or is being judged by.
    generation: u64,
    /// The first second, since 1970, at which a verdict holds no more.
    due: i64,
    /// It is to be judged now.
    rung: bool,
    over: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { generation: 0, due: i64::MAX, rung: false, over: false }
    }
}

impl Alarm {
    /// A connection can be judged from now on. It was, by the rules of `generation`, with a verdict that holds at `good_until` and
    /// not longer.
    pub fn joined(&self, generation: u64, good_until: i64) {
        let mut state = self.lock();
        // Whoever judges may have passed it by before it had joined.
        let is_late = generation != state.generation;
        let due = good_until.saturating_add(1);
        if is_late || due < state.due {
            state.rung |= is_late;
            state.due = due.min(state.due);
            self.changed.notify_all();
        }
    }

    /// The rules have changed.
    pub fn ring(&self) {
        self.lock().rung = true;
        self.changed.notify_all();
    }

    /// From now on everything is judged by the rules of `generation`; before the first connection is looked at.
    pub fn begin(&self, generation: u64) {
        self.lock().generation = generation;
    }

    /// At that second something has to be judged again.
    pub fn due_at(&self, due: i64) {
        let mut state = self.lock();
        state.due = due.min(state.due);
    }

    /// Nobody has to judge any more.
    pub fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// Waits until it is time to judge; `false` at the end. `clock` is in seconds since 1970. The rules are to be read after
    /// that: whoever changes them rings then, and is heard by the next wait.
    pub fn wait(&self, clock: impl Fn() -> i64) -> bool {
        let mut state = self.lock();
        loop {
            let left = state.due.saturating_sub(clock());
            if state.over || state.rung || left <= 0 {
                (state.rung, state.due) = (false, i64::MAX);
                return !state.over;
            }
            let waited = self.changed.wait_timeout(state, pause(left));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to sleep if something is due in so many seconds. The time of day can be set, and stops for no sleeping machine.
fn pause(left: i64) -> Duration {
    match u64::try_from(left) {
        Ok(left @ 2..) => Duration::from_secs(left - 1).min(LONGEST),
        // The clock has whole seconds.
        _ => SHORT,
    }
}

const LONGEST: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::thread;

    use super::*;

    /// Whether it returns without anybody's help.
    fn is_time(alarm: &Alarm, now: i64) -> bool {
        let state = alarm.lock();
        state.rung || state.due <= now
    }

    #[test]
    fn a_connection_that_joins_late_rings_and_one_in_time_only_sets_the_time() {
        let alarm = Alarm::default();
        alarm.begin(3);
        alarm.joined(3, 100);
        assert!(!is_time(&alarm, 100) && is_time(&alarm, 101));
        alarm.joined(3, 200);
        assert!(is_time(&alarm, 101), "the earlier one counts");
        alarm.joined(2, 200);
        assert!(is_time(&alarm, 0));
        assert!(alarm.wait(|| 0));
        assert!(!is_time(&alarm, i64::MAX - 1), "that is done now");
        // The rules change after the wait has ended, and before they are read.
        alarm.ring();
        alarm.begin(4);
        assert!(is_time(&alarm, 0), "the next round reads them again");
        assert!(alarm.wait(|| 0));
        // Between the beginning and the end of a round.
        alarm.joined(4, 50);
        alarm.due_at(70);
        assert!(!is_time(&alarm, 50) && is_time(&alarm, 51));
        alarm.joined(4, i64::MAX);
    }

    #[test]
    fn a_ring_the_time_and_the_end_wake_who_waits() {
        let (alarm, now) = (Arc::new(Alarm::default()), Arc::new(AtomicI64::new(0)));
        let wait = || {
            let (alarm, now) = (Arc::clone(&alarm), Arc::clone(&now));
            thread::spawn(move || alarm.wait(|| now.load(Ordering::Relaxed)))
        };
        let waiting = wait();
        alarm.ring();
        assert!(waiting.join().unwrap());
        alarm.begin(1);
        alarm.due_at(1);
        let waiting = wait();
        now.store(1, Ordering::Relaxed);
        assert!(waiting.join().unwrap());
        alarm.begin(1);
        let waiting = wait();
        alarm.end();
        assert!(!waiting.join().unwrap());
    }

    #[test]
    fn it_sleeps_a_while_and_near_the_time_very_little() {
        assert_eq!([pause(i64::MAX), pause(12), pause(4), pause(1)], [LONGEST, LONGEST, SHORT * 60, SHORT]);
    }
}
