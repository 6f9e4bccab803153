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
        self.end_as(|_| took)
    }

    fn end_as(&mut self, took: impl Fn(Work) -> Duration) -> Option<Work> {
        let (_, work) = self.ids.iter().copied().find(|(id, _)| self.queue.is_turn_of(*id)).unwrap();
        let took = took(work);
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
    // Real ones take a fifth; those that turn out to be full handshakes pass no more time than real ones.
    for (took, places) in [(MS / 5, [10, 21, 32]), (MS, [2, 5, 8])] {
        let mut worked = Worked::busy();
        worked.end(MS);
        worked.enter(Work::Full);
        worked.enter_all(Work::Full, 3);
        worked.enter_all(Work::Resume, 100);
        let order: Vec<_> =
            (0..40).map_while(|_| worked.end_as(|work| if work == Work::Full { MS } else { took })).collect();
        let full = order.iter().enumerate().filter(|(_, work)| **work == Work::Full).map(|(place, _)| place);
        assert_eq!(full.collect::<Vec<_>>(), places, "{took:?}");
    }
}

#[test]
fn bulk_transfers_have_half_of_the_time_with_what_handshakes_cost_beside_their_turns() {
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
    assert!(charged(took[0]).abs_diff(took[1]) <= 2 * MS, "{took:?}");
}

/// With a quarter for what has no turn.
fn charged(handshakes: Duration) -> Duration {
    handshakes + handshakes / 4
}

/// Handshakes and bulk transfers that come again as soon as they have had their turn: how long each kind had it, in 10 s.
fn closed_loop(worked: &mut Worked, handshakes: usize, bulk: usize) -> [Duration; 2] {
    worked.enter_all(Work::Full, handshakes);
    worked.enter_all(Work::Bulk, bulk);
    let (mut took, until) = ([Duration::ZERO; 2], worked.now + 10_000 * MS);
    while worked.now < until {
        let (_, work) = worked.ids.iter().copied().find(|(id, _)| worked.queue.is_turn_of(*id)).unwrap();
        let step = if work == Work::Bulk { MS / 5 } else { MS };
        took[work.share()] += step;
        worked.end(step);
        worked.ids.retain(|(id, _)| {
            worked.queue.is_turn_of(*id) || worked.queue.lines.iter().any(|line| line.contains_key(id))
        });
        worked.enter(work);
    }
    took
}

#[test]
fn whoever_was_alone_for_long_neither_owes_nor_is_owed() {
    for alone in [Work::Full, Work::Bulk] {
        let mut worked = Worked::busy();
        worked.end(MS);
        worked.ids.clear();
        for _ in 0..100_000 {
            worked.enter(alone);
            worked.end(MS);
            worked.ids.clear();
        }
        worked.enter(alone);
        let took = closed_loop(&mut worked, 10, 10);
        assert!(charged(took[0]).abs_diff(took[1]) <= 30 * MS, "{took:?} after {alone:?}");
    }
}

#[test]
fn resumptions_that_pass_are_part_of_the_wait() {
    let mut worked = Worked::busy();
    worked.enter_all(Work::Full, 200);
    for _ in 0..150 {
        worked.enter(Work::Resume);
        worked.enter(Work::Continue);
        while worked.end(MS).is_some_and(|work| work != Work::Full) {}
    }
    let wait = worked.queue.wait(Work::Full) / u32::try_from(worked.queue.handshakes()).unwrap();
    assert!(wait > 29 * MS / 10 && wait <= 3 * MS, "{wait:?} for each that needs 1 ms and lets 2 ms pass");
}

#[test]
fn a_pause_with_nobody_waiting_is_no_part_of_the_pace() {
    let mut worked = Worked::busy();
    for _ in 0..100 {
        worked.enter(Work::Full);
        worked.end(MS);
        // Everybody leaves, and much later somebody comes.
        worked.enter(Work::Full);
        let (id, work) = worked.ids.pop().unwrap();
        worked.queue.leave(work, id, worked.now);
        worked.end(MS);
        worked.now += 60_000 * MS;
        worked.ids.clear();
        worked.enter(Work::Full);
    }
    let pace = worked.queue.pace[Work::Full.line()];
    assert!(pace <= MS, "{pace:?}");
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
    assert_eq!(looks(&mut worked), 100);
    for (passed, expected) in [(0, 0), (1, 1), (20, 20), (100_000, 100)] {
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
    for (number, waited, patience) in [(1, 900, 900), (2, 600, 600), (3, 800, 600), (4, 20, 600)] {
        let since = worked.now;
        let (id, work) = worked.ids[number];
        let then = since + waited * MS;
        worked.queue.leave(work, id, then);
        let known = worked.queue.patience(then).unwrap();
        assert!(known.abs_diff(patience * MS) < 20 * MS, "{known:?}");
    }
    let then = worked.now + 800 * MS;
    assert!(worked.queue.patience(then + FORGET).unwrap() >= 1190 * MS);
    assert_eq!(worked.queue.patience(then + 9 * FORGET), None);
    // Whose turn has come is not one who waited in vain.
    let id = worked.ids[0].0;
    worked.queue.leave(Work::Full, id, then + 10 * FORGET);
    assert_eq!(worked.queue.patience(then + 10 * FORGET), None);
}
