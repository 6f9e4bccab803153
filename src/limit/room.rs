//! Permits for the connections of all listeners together. Must not know: why there is a limit, what a connection is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the connections of all listeners together, against a limit that may change at any time: permits that were
/// given stay valid.
#[derive(Debug)]
pub struct Room {
    most: AtomicUsize,
    taken: AtomicUsize,
}

/// Held while a connection counts for all listeners together; dropping it gives it back.
#[derive(Debug)]
pub struct RoomPermit(Arc<Room>);

impl Default for Room {
    fn default() -> Self {
        Self { most: AtomicUsize::new(usize::MAX), taken: AtomicUsize::new(0) }
    }
}

impl Room {
    /// Sets the limit. Without it there is none.
    pub fn set(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// The limit.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// How many connections there are.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether the limit is reached.
    pub fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most.load(Ordering::Relaxed)
    }

    /// A permit, and whether it is lent, which means that there is room for it only when another connection has given
    /// way. At most [`LENT`] are lent at one time.
    pub(super) fn enter(self: &Arc<Self>) -> Option<(RoomPermit, bool)> {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        let most = self.most.load(Ordering::Relaxed);
        // Made even if it is not returned: dropping it takes the count back.
        let permit = RoomPermit(Arc::clone(self));
        (taken < most.saturating_add(LENT)).then_some((permit, taken >= most))
    }
}

impl Drop for RoomPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Newcomers that hold a permit while the connections that were asked to give way still close. That takes one turn of
/// their worker, so that a few are enough.
const LENT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_a_few_are_lent_and_all_are_given_back() {
        let room = Arc::new(Room::default());
        assert!(!room.is_full() && !room.enter().unwrap().1);
        room.set(2);
        let mut permits: Vec<(RoomPermit, bool)> = (0..100).map_while(|_| room.enter()).collect();
        assert_eq!(permits.iter().filter(|(_, lent)| !lent).count(), 2);
        assert_eq!(permits.len(), 2 + LENT);
        assert!(room.is_full() && room.enter().is_none(), "a refused connection holds no permit");
        permits.truncate(1);
        assert!(!room.is_full() && !room.enter().unwrap().1);
        room.set(1);
        assert!(room.is_full() && room.enter().unwrap().1, "fewer, without anybody being asked to leave");
    }
}
