//! Connections that have not sent a ClientHello yet, oldest first. Where there is no room, they give way to newcomers,
//! so that silent clients cannot keep others out. Must not know: how much room there is, what a connection sends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Why a connection is asked to give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Another one needs its place.
    ForAnother,
    /// Memory is short.
    ForMemory,
}

/// Where a connection is asked to give way.
#[derive(Debug)]
pub struct Call {
    number: u64,
    since: Instant,
    notify: Notify,
    for_memory: AtomicBool,
}

impl Call {
    /// Completes when the connection is asked.
    pub async fn asked(&self) -> Asked {
        self.notify.notified().await;
        if self.for_memory.load(Ordering::Acquire) { Asked::ForMemory } else { Asked::ForAnother }
    }

    fn ask(&self, why: Asked) {
        self.for_memory.store(why == Asked::ForMemory, Ordering::Release);
        self.notify.notify_one();
    }
}

/// All connections that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    // Ordered by number, so that both the oldest and any that leaves are found quickly.
    waiters: BTreeMap<u64, Arc<Call>>,
}

/// A connection that waits; dropping it takes it off the queue.
#[derive(Debug)]
pub(super) struct Waiter {
    call: Arc<Call>,
    waiting: Arc<Waiting>,
}

impl Waiting {
    /// Adds a connection at the end.
    pub(super) fn join(self: &Arc<Self>) -> Waiter {
        let since = Instant::now();
        let mut queue = self.lock();
        let number = queue.next;
        queue.next += 1;
        let call = Arc::new(Call { number, since, notify: Notify::new(), for_memory: AtomicBool::new(false) });
        queue.waiters.insert(number, Arc::clone(&call));
        drop(queue);
        Waiter { call, waiting: Arc::clone(self) }
    }

    /// Asks the connection that has waited longest to give way. False if none waits.
    pub(super) fn ask_oldest(&self) -> bool {
        // Removed here and not when it closes, so that it is asked only once.
        let oldest = self.lock().waiters.pop_first();
        oldest.inspect(|(_, call)| call.ask(Asked::ForAnother)).is_some()
    }

    /// Asks those that have waited since before that time to give way, because memory is short: at most `most` of them.
    /// Returns how many.
    pub(super) fn ask_since(&self, before: Instant, most: usize) -> usize {
        let mut queue = self.lock();
        let mut count = 0;
        while count < most
            && let Some(oldest) = queue.waiters.first_entry()
            && oldest.get().since < before
        {
            oldest.remove().ask(Asked::ForMemory);
            count += 1;
        }
        count
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Where the connection is asked to give way.
    pub(super) fn call(&self) -> Arc<Call> {
        Arc::clone(&self.call)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiting.lock().waiters.remove(&self.call.number);
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

    #[test]
    fn where_memory_is_short_only_those_are_asked_that_have_waited_long() {
        let waiting = Arc::new(Waiting::default());
        let early = [waiting.join(), waiting.join(), waiting.join()];
        std::thread::sleep(std::time::Duration::from_millis(2));
        let between = Instant::now();
        let late = waiting.join();
        let asked = |waiter: &Waiter| {
            let call = waiter.call();
            let asked = std::pin::pin!(call.asked());
            asked.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        };
        assert_eq!(waiting.ask_since(between, 2), 2);
        let [first, second, third] = early.each_ref().map(asked);
        use std::task::Poll::Ready;
        assert_eq!((first, second), (Ready(Asked::ForMemory), Ready(Asked::ForMemory)));
        assert!(third.is_pending());
        assert_eq!(waiting.ask_since(between, 9), 1);
        assert_eq!(waiting.ask_since(between, 9), 0);
        assert!(waiting.ask_oldest() && asked(&late) == Ready(Asked::ForAnother));
    }
}
