//! Wakes who judges open connections again: when the rules have changed, when a verdict ends, and when a connection was still
//! judged by rules that have changed meanwhile. Must not know: what is judged, how.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When to judge next.
///
/// A connection joins without the lock, unless it has to wake who judges. Whoever changes one of the numbers has put the
/// connection into the list before, and whoever judges sets them before it reads the list: so the lock of the list's part
/// decides that one of both sees what the other has done.
#[derive(Debug)]
pub struct Alarm {
    /// Which rules all that is there was judged by, or is being judged by.
    generation: AtomicU64,
    /// The first second, since 1970, at which a verdict holds no more.
    due: AtomicI64,
    /// It is to be judged now.
    rung: AtomicBool,
    /// Nobody has to judge any more. Locked by who waits, and by who wakes.
    over: Mutex<bool>,
    changed: Condvar,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(0),
            due: AtomicI64::new(i64::MAX),
            rung: AtomicBool::new(false),
            over: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl Alarm {
    /// A connection can be judged from now on, and is in the list. It was, by the rules of `generation`, with a verdict that
    /// holds at `good_until` and not longer.
    pub fn joined(&self, generation: u64, good_until: i64) {
        // Whoever judges may have passed it by before it had joined.
        if generation != self.generation.load(Ordering::Acquire) {
            self.ring();
        }
        let due = good_until.saturating_add(1);
        // Mostly another one is due sooner: reading takes the number from no other worker.
        if due < self.due.load(Ordering::Acquire) && due < self.due.fetch_min(due, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// The rules have changed.
    pub fn ring(&self) {
        // Where it was rung before, who did so wakes. Not only read: whoever takes the ring away has to see the rules that were
        // there before this.
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// From now on everything is judged by the rules of `generation`; before the first connection is looked at.
    pub fn begin(&self, generation: u64) {
        self.generation.store(generation, Ordering::Release);
    }

    /// At that second something has to be judged again. Wakes nobody: it is for whoever judges.
    pub fn due_at(&self, due: i64) {
        self.due.fetch_min(due, Ordering::AcqRel);
    }

    /// Nobody has to judge any more.
    pub fn end(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    /// Waits until it is time to judge; `false` at the end. `clock` is in seconds since 1970. The rules are to be read after
    /// that: whoever changes them rings then, and is heard by the next wait.
    pub fn wait(&self, clock: impl Fn() -> i64) -> bool {
        let mut over = self.lock();
        loop {
            let left = self.due.load(Ordering::Acquire).saturating_sub(clock());
            if *over || self.rung.load(Ordering::Acquire) || left <= 0 {
                // What is taken away here was set by somebody who is in the list already.
                self.rung.swap(false, Ordering::AcqRel);
                self.due.swap(i64::MAX, Ordering::AcqRel);
                return !*over;
            }
            let waited = self.changed.wait_timeout(over, pause(left));
            over = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// After a number has changed. With the lock, so that who has read it before is waiting by now.
    fn wake(&self) {
        let _over = self.lock();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    /// Whether it returns without anybody's help.
    fn is_time(alarm: &Alarm, now: i64) -> bool {
        alarm.rung.load(Ordering::Relaxed) || alarm.due.load(Ordering::Relaxed) <= now
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
    fn a_connection_that_wakes_nobody_joins_without_the_lock() {
        let alarm = Arc::new(Alarm::default());
        alarm.begin(3);
        alarm.joined(3, 100);
        let held = alarm.lock();
        let (done, is_done) = channel();
        let joining = Arc::clone(&alarm);
        let joins = thread::spawn(move || {
            (100..200).for_each(|good_until| joining.joined(3, good_until));
            done.send(()).unwrap();
        });
        let joined = is_done.recv_timeout(Duration::from_secs(60));
        drop(held);
        joins.join().unwrap();
        assert_eq!(joined, Ok(()), "it waits for the lock");
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
