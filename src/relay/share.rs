//! A bulk transfer takes turns with whatever else costs its thread much. A connection that moves little at a time takes
//! none: it is served as soon as its bytes are there. Must not know: what is relayed, how.

use std::task::{Context, Poll};

use crate::gate::{Gate, Place, Turn, Work, after_polling};
use crate::relay::End;

/// How far the relay has come.
#[derive(PartialEq, Eq)]
pub(super) enum Went {
    Over(End),
    /// Both ways wait for sockets, which will wake the task.
    Waits,
    /// There is more to do, but the others of this thread have their turn first.
    Far,
}

/// One connection's share of its thread.
#[derive(Debug)]
pub(super) struct Share<'g> {
    place: Place<'g>,
    /// The last turn moved many bytes.
    bulk: bool,
}

impl<'g> Share<'g> {
    pub(super) fn new(gate: &'g Gate) -> Self {
        Self { place: Place::new(gate), bulk: false }
    }

    /// Waits until the connection may go on; with a turn, if it needs one.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Turn<'g>>> {
        match self.bulk {
            true => self.place.poll_turn(Work::Bulk, cx).map(Some),
            false => Poll::Ready(None),
        }
    }

    /// There is more to do. Returns whether the connection lets the others of the thread go first here; a bulk transfer
    /// does that where it waits for its next turn.
    pub(super) fn yields(&self, cx: &mut Context<'_>) -> bool {
        if !self.bulk {
            after_polling(cx);
        }
        !self.bulk
    }

    /// Notes how many bytes were moved since [`Share::poll`].
    pub(super) fn moved(&mut self, bytes: usize) {
        let was = self.bulk;
        self.bulk = bytes >= if was { LITTLE } else { MUCH };
        if !was && !self.bulk && bytes > 0 {
            self.place.gate().served_another();
        }
    }
}

/// After so many bytes at one time, a connection is a bulk transfer.
const MUCH: usize = 64 * 1024;
/// And it is one until it moves fewer than these.
const LITTLE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn only_a_bulk_transfer_waits_for_a_turn() {
        let gate = Gate::default();
        let mut cx = Context::from_waker(Waker::noop());
        let [mut bulk, mut other] = [Share::new(&gate), Share::new(&gate)];
        for share in [&mut bulk, &mut other] {
            assert!(matches!(share.poll(&mut cx), Poll::Ready(None)));
            share.moved(MUCH);
        }
        let Poll::Ready(Some(turn)) = bulk.poll(&mut cx) else { panic!("nobody else is there") };
        assert!(other.poll(&mut cx).is_pending());
        drop(turn);
        // Where this thread was held up, the turn took so long that the sockets would be looked at first.
        gate.polled();
        bulk.moved(LITTLE);
        assert!(bulk.poll(&mut cx).is_pending(), "it is still one, and the other is before it");
        assert!(matches!(other.poll(&mut cx), Poll::Ready(Some(_))));
        gate.polled();
        assert!(matches!(bulk.poll(&mut cx), Poll::Ready(Some(_))));
        bulk.moved(LITTLE - 1);
        assert!(matches!(bulk.poll(&mut cx), Poll::Ready(None)));
    }
}
