//! Which member is asked, and which are passed over for a while because they did not answer.
//!
//! One member is preferred until it fails, so that a watch and the renewals of a lease meet the same member: if that stops
//! answering, the renewals find out, and the watch goes to the next one with them.
//!
//! Must not know: how members are asked.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The members, by their place in the settings.
#[derive(Debug)]
pub(super) struct Turns {
    /// Until when each is passed over.
    passed: Mutex<Vec<Option<Instant>>>,
    preferred: watch::Sender<usize>,
}

impl Turns {
    /// The first to be preferred is drawn by chance, so that clients spread over the members.
    pub(super) fn new(members: usize) -> Self {
        let preferred = fastrand::usize(0..members.max(1));
        Self { passed: Mutex::new(vec![None; members]), preferred: watch::Sender::new(preferred) }
    }

    /// All members, in the order in which they are to be tried: those that have failed lately come last.
    pub(super) fn order(&self) -> Vec<usize> {
        let (passed, now) = (self.passed.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        let first = *self.preferred.borrow();
        let mut order: Vec<usize> = (first..passed.len()).chain(0..first.min(passed.len())).collect();
        order.sort_by_key(|at| is_passed(&passed, *at, now));
        order
    }

    /// It has answered.
    pub(super) fn succeeded(&self, member: usize) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = passed.get_mut(member) {
            *until = None;
        }
        if is_passed(&passed, *self.preferred.borrow(), Instant::now()) {
            self.prefer(member);
        }
    }

    /// It has not answered, or not as a member does that has a leader.
    pub(super) fn failed(&self, member: usize) {
        let (mut passed, now) = (self.passed.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        if let Some(until) = passed.get_mut(member) {
            *until = Some(now + PASSED);
        }
        if *self.preferred.borrow() == member {
            let next = (1..passed.len()).map(|step| (member + step) % passed.len());
            if let Some(next) = next.into_iter().find(|at| !is_passed(&passed, *at, now)) {
                self.prefer(next);
            }
        }
    }

    /// Changes when another member is preferred.
    pub(super) fn preferred(&self) -> watch::Receiver<usize> {
        self.preferred.subscribe()
    }

    fn prefer(&self, member: usize) {
        self.preferred.send_if_modified(|preferred| std::mem::replace(preferred, member) != member);
    }
}

fn is_passed(passed: &[Option<Instant>], member: usize, now: Instant) -> bool {
    passed.get(member).is_some_and(|until| until.is_some_and(|until| until > now))
}

/// A member that hangs costs a request its whole time limit, so it is not tried too often.
const PASSED: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_failed_comes_last_and_another_one_is_preferred() {
        let turns = Turns::new(3);
        let first = turns.order()[0];
        turns.failed(first);
        let order = turns.order();
        assert_eq!((order.len(), order[2]), (3, first));
        assert_eq!(*turns.preferred().borrow(), order[0]);
        // With none left, the order stays, and the first that answers is preferred.
        order.iter().for_each(|at| turns.failed(*at));
        assert_eq!(turns.order().len(), 3);
        turns.succeeded(first);
        assert_eq!((*turns.preferred().borrow(), turns.order()[0]), (first, first));
        assert_eq!(Turns::new(1).order(), [0]);
    }
}
