use super::*;

const MS: Duration = Duration::from_millis(1);

/// A queue with a clock, where each turn takes a fixed time.
struct Worked {
    queue: Queue,
    now: Instant,
    ids: Vec<(Id, Work)>,
}

impl Worked {
    /// Somebody works, so that all others have to wait.
    fn busy() -> Self {
        let mut worked = Self { queue: Queue::default(), now: Instant::now(), ids: Vec::new() };
        worked.enter(Work::Full);
        worked
    }

    fn enter(&mut self, work: Work) {
        let id = self.queue.enter(work, Waker::noop(), self.now);
        self.ids.push((id, work));
    }

    fn enter_all(&mut self, work: Work, count: usize) {
        (0..count).for_each(|_| self.enter(work));
    }

    /// Ends the turn after `took`, and returns what comes next.
    fn end(&mut self, took: Duration) -> Option<Work> {
        let (_, work) = self.ids.iter().copied().find(|(id, _)| self.queue.is_turn_of(*id)).unwrap();
        let began = self.now;
        self.now += took;
        self.queue.end(work, began, self.now);
        self.queue.next()?;
        self.ids.iter().find(|(id, _)| self.queue.is_turn_of(*id)).map(|(_, work)| *work)
    }
}

#[test]
fn what_has_begun_comes_before_resumptions_and_they_before_full_handshakes() {
    let mut worked = Worked::busy();
    for work in [Work::Full, Work::Resume, Work::Continue, Work::Resume, Work::Continue] {
        worked.enter(work);
    }
    let order: Vec<_> = (0..6).map_while(|_| worked.end(MS)).collect();
    assert_eq!(order, [Work::Continue, Work::Continue, Work::Resume, Work::Resume, Work::Full]);
}

#[test]
fn a_flood_of_resumptions_does_not_keep_full_handshakes_out() {
    let mut worked = Worked::busy();
    worked.enter_all(Work::Full, 3);
    worked.enter_all(Work::Resume, 100);
    let order: Vec<_> = (0..103).map_while(|_| worked.end(MS)).collect();
    let full: Vec<_> =
        order.iter().enumerate().filter(|(_, work)| **work == Work::Full).map(|(place, _)| place).collect();
    assert_eq!(full, [8, 17, 26]);
}

#[test]
fn handshakes_and_bulk_transfers_share_the_time() {
    let mut worked = Worked::busy();
    worked.enter_all(Work::Full, 100);
    worked.enter_all(Work::Bulk, 1000);
    let mut took = [Duration::ZERO; 2];
    let mut work = Work::Full;
    for _ in 0..200 {
        let step = if work == Work::Bulk { MS / 5 } else { MS };
        took[work.share()] += step;
        work = worked.end(step).unwrap();
    }
    assert!(took[0].abs_diff(took[1]) <= 2 * MS, "{took:?}");
}

#[test]
fn whoever_was_idle_has_saved_nothing_up() {
    let mut worked = Worked::busy();
    worked.enter_all(Work::Full, 1000);
    (0..1000).for_each(|_| assert!(worked.end(MS).is_some()));
    worked.enter_all(Work::Full, 10);
    worked.enter_all(Work::Bulk, 10);
    let order: Vec<_> = (0..6).map_while(|_| worked.end(MS)).collect();
    assert_eq!(order.iter().filter(|work| **work == Work::Bulk).count(), 3, "{order:?}");
}

#[test]
fn the_wait_is_what_is_ahead_at_the_pace_of_late() {
    let mut worked = Worked::busy();
    assert_eq!(worked.queue.wait(Work::Full), Duration::ZERO, "only the turn of now");
    worked.enter_all(Work::Full, 51);
    worked.end(MS);
    assert_eq!(worked.queue.wait(Work::Full), 50 * MS);
    assert_eq!(worked.queue.wait(Work::Resume), Duration::ZERO, "full handshakes wait for it");
    // The thread does other things as well, and half of it is left for handshakes.
    for _ in 0..40 {
        worked.now += MS;
        worked.end(MS);
    }
    let wait = worked.queue.wait(Work::Full);
    assert!(wait > 18 * MS && wait <= 20 * MS, "{wait:?} for 10 handshakes of 2 ms");
    assert_eq!(worked.queue.due(), wait);
}

#[test]
fn a_machine_that_stood_still_does_not_make_handshakes_slow_for_long() {
    let mut worked = Worked::busy();
    worked.enter_all(Work::Full, 100);
    worked.end(MS);
    worked.end(Duration::from_secs(3600));
    assert!(worked.queue.wait(Work::Full) < 98 * 8 * MS);
}

#[test]
fn a_few_newcomers_are_looked_at_whatever_is_due() {
    let mut worked = Worked::busy();
    let looks = |worked: &mut Worked| (0..1000).filter(|_| worked.queue.looks_at_one(worked.now)).count();
    assert_eq!(looks(&mut worked), 50);
    for (passed, expected) in [(0, 0), (2, 1), (20, 10), (100_000, 50)] {
        worked.now += passed * MS;
        assert_eq!(looks(&mut worked), expected, "{passed} ms");
    }
}

#[test]
fn leaving_is_possible_at_any_time() {
    let mut queue = Queue::default();
    let now = Instant::now();
    let ids: Vec<Id> = (0..10).map(|_| queue.enter(Work::Full, Waker::noop(), now)).collect();
    // The one whose turn it is, one that waits, and one that is not there.
    for (id, next) in [(ids[0], ids[1]), (ids[5], ids[1]), (ids[0], ids[1]), (ids[1], ids[2])] {
        queue.leave(Work::Full, id, now);
        queue.next();
        assert!(queue.is_turn_of(next), "{id}");
    }
    assert_eq!(queue.handshakes(), 6);
}

#[test]
fn the_least_patient_of_late_tell_how_long_the_queue_may_be() {
    let mut worked = Worked::busy();
    worked.enter_all(Work::Full, 5);
    assert_eq!(worked.queue.patience(worked.now), None);
    for (number, waited, patience) in [(1, 900, 900), (2, 500, 500), (3, 800, 500)] {
        let since = worked.now;
        let (id, work) = worked.ids[number];
        let then = since + waited * MS;
        worked.queue.leave(work, id, then);
        let known = worked.queue.patience(then).unwrap();
        assert!(known.abs_diff(patience * MS) < 20 * MS, "{known:?}");
    }
    let then = worked.now + 500 * MS;
    assert!(worked.queue.patience(then + FORGET).unwrap() >= 990 * MS);
    assert_eq!(worked.queue.patience(then + 9 * FORGET), None);
    // Whose turn has come is not one who waited in vain.
    let id = worked.ids[0].0;
    worked.queue.leave(Work::Full, id, then + 10 * FORGET);
    assert_eq!(worked.queue.patience(then + 10 * FORGET), None);
}
