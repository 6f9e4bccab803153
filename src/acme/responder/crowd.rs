//! Bounds the connections of the server for http-01: for one too many, the oldest is closed. Must not know: HTTP, what a
//! connection does.
//!
//! An answer takes one round trip. So a client that holds connections without using them loses them first, and cannot keep
//! an authority out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// The connections that are open, the oldest first.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    most: usize,
    open: Arc<Mutex<VecDeque<AbortHandle>>>,
}

impl Crowd {
    /// For at most that many connections.
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// Counts a connection, and closes the oldest if there are too many with it.
    pub(super) fn enter(&self, connection: AbortHandle) {
        let mut open = self.open();
        // Usually the oldest have ended first. The others are looked at only where there seem to be too many.
        while open.front().is_some_and(AbortHandle::is_finished) {
            open.pop_front();
        }
        if open.len() >= self.most {
            open.retain(|one| !one.is_finished());
        }
        if open.len() >= self.most {
            close_oldest(&mut open);
        }
        open.push_back(connection);
    }

    /// Closes the oldest connection.
    pub(super) fn make_room(&self) {
        let mut open = self.open();
        open.retain(|one| !one.is_finished());
        close_oldest(&mut open);
    }

    /// The list is valid even if a thread panicked while it held the lock.
    fn open(&self) -> MutexGuard<'_, VecDeque<AbortHandle>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close_oldest(open: &mut VecDeque<AbortHandle>) {
    if let Some(oldest) = open.pop_front() {
        oldest.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::JoinHandle;

    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way_and_those_that_have_ended_do_not_count() {
        const MOST: usize = 100;
        let crowd = Crowd::new(MOST);
        let enter = |connection: JoinHandle<()>| {
            crowd.enter(connection.abort_handle());
            connection
        };
        let lasting = || tokio::spawn(pending::<()>());
        let first = enter(lasting());
        for _ in 0..3 * MOST {
            enter(tokio::spawn(async {})).await.unwrap();
        }
        assert!(!first.is_finished());
        let rest: Vec<_> = (1..MOST).map(|_| enter(lasting())).collect();
        tokio::task::yield_now().await;
        assert!(!first.is_finished() && rest.iter().all(|one| !one.is_finished()));
        let _one_more = enter(lasting());
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(rest.iter().all(|one| !one.is_finished()));
        crowd.make_room();
        tokio::task::yield_now().await;
        assert_eq!(rest.iter().map(JoinHandle::is_finished).collect::<Vec<_>>(), {
            let mut expected = vec![false; rest.len()];
            expected[0] = true;
            expected
        });
    }
}
