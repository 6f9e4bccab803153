//! Connections that have not sent a ClientHello yet, oldest first. Where there is no room, they give way to newcomers,
//! so that silent clients cannot keep others out. Must not know: how much room there is, what a connection sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All connections that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    // Ordered by number, so that both the oldest and any that leaves are found quickly.
    waiters: BTreeMap<u64, Arc<Notify>>,
}

/// A connection that waits; dropping it takes it off the queue.
#[derive(Debug)]
pub(super) struct Waiter {
    number: u64,
    asked: Arc<Notify>,
    waiting: Arc<Waiting>,
}

impl Waiting {
    /// Adds a connection at the end.
    pub(super) fn join(self: &Arc<Self>) -> Waiter {
        let asked = Arc::new(Notify::new());
        let mut queue = self.lock();
        let number = queue.next;
        queue.next += 1;
        queue.waiters.insert(number, Arc::clone(&asked));
        drop(queue);
        Waiter { number, asked, waiting: Arc::clone(self) }
    }

    /// Asks the connection that has waited longest to give way. False if none waits.
    pub(super) fn ask_oldest(&self) -> bool {
        // Removed here and not when it closes, so that it is asked only once.
        let oldest = self.lock().waiters.pop_first();
        oldest.inspect(|(_, asked)| asked.notify_one()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Notified when the connection is asked to give way.
    pub(super) fn asked(&self) -> Arc<Notify> {
        Arc::clone(&self.asked)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiting.lock().waiters.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_has_waited_longest_is_asked_once() {
        let waiting = Arc::new(Waiting::default());
        assert!(!waiting.ask_oldest());
        let (first, second, third) = (waiting.join(), waiting.join(), waiting.join());
        drop(second);
        assert!(waiting.ask_oldest());
        assert!(waiting.ask_oldest());
        assert!(!waiting.ask_oldest(), "the second has gone");
        drop((first, third));
        assert!(waiting.lock().waiters.is_empty());
    }
}
