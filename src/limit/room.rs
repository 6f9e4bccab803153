//! Places for the connections of all listeners together. Must not know: what they are limited by, what a connection is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many connections at one time, whatever listener they are of. The number may change at any time: who is in stays in.
#[derive(Debug)]
pub struct Room {
    most: AtomicUsize,
    taken: AtomicUsize,
}

/// One of the places, given back when dropped.
#[derive(Debug)]
pub struct Seat(Arc<Room>);

impl Default for Room {
    fn default() -> Self {
        Self { most: AtomicUsize::new(usize::MAX), taken: AtomicUsize::new(0) }
    }
}

impl Room {
    pub fn set(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    pub fn is_full(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.most.load(Ordering::Relaxed)
    }

    /// A place, and whether it is lent: there is room for it only once another connection has given way. Few can be had so.
    pub(super) fn enter(self: &Arc<Self>) -> Option<(Seat, bool)> {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        let most = self.most.load(Ordering::Relaxed);
        let seat = Seat(Arc::clone(self));
        (taken < most.saturating_add(LENT)).then_some((seat, taken >= most))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// They wait for those that were asked to give way: for a turn of their worker, which is short.
const LENT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_places_a_few_are_lent_and_all_are_given_back() {
        let room = Arc::new(Room::default());
        assert!(!room.is_full() && !room.enter().unwrap().1);
        room.set(2);
        let mut seats: Vec<(Seat, bool)> = (0..100).map_while(|_| room.enter()).collect();
        assert_eq!(seats.iter().filter(|(_, lent)| !lent).count(), 2);
        assert_eq!(seats.len(), 2 + LENT);
        assert!(room.is_full() && room.enter().is_none(), "who is refused takes no place");
        seats.truncate(1);
        assert!(!room.is_full() && !room.enter().unwrap().1);
        room.set(1);
        assert!(room.is_full() && room.enter().unwrap().1, "fewer, without anybody being asked to leave");
    }
}
