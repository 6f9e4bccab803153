//! Connections that have not said yet what they want, oldest first: where there is no room, they give way to newcomers, so
//! that silence cannot keep others out. Must not know: how much room there is, what a connection says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All that wait. There are never more of them than connections.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Line>);

#[derive(Debug, Default)]
struct Line {
    next: u64,
    people: BTreeMap<u64, Arc<Notify>>,
}

/// A connection that waits; dropping it takes it off the line.
#[derive(Debug)]
pub(super) struct Waiter {
    number: u64,
    called: Arc<Notify>,
    waiting: Arc<Waiting>,
}

impl Waiting {
    pub(super) fn join(self: &Arc<Self>) -> Waiter {
        let called = Arc::new(Notify::new());
        let mut line = self.lock();
        let number = line.next;
        line.next += 1;
        line.people.insert(number, Arc::clone(&called));
        drop(line);
        Waiter { number, called, waiting: Arc::clone(self) }
    }

    /// Asks the one who has waited longest to give way, if there is any.
    pub(super) fn call(&self) -> bool {
        let oldest = self.lock().people.pop_first();
        oldest.inspect(|(_, called)| called.notify_one()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    pub(super) fn called(&self) -> Arc<Notify> {
        Arc::clone(&self.called)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiting.lock().people.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_has_waited_longest_is_called_once() {
        let waiting = Arc::new(Waiting::default());
        assert!(!waiting.call());
        let (first, second, third) = (waiting.join(), waiting.join(), waiting.join());
        drop(second);
        assert!(waiting.call());
        assert!(waiting.call());
        assert!(!waiting.call(), "the second has gone");
        drop((first, third));
        assert!(waiting.lock().people.is_empty());
    }
}
