//! Turns for costly work on a worker's thread: one at a time, first come, first served, and between two of them the
//! thread polls its sockets. So whoever is established waits for one signature, and not for all that are due.
//!
//! A thread does everything in turn: while it signs for one client, all others wait. Without a gate, a hundred clients that
//! arrive together are a hundred ready tasks, and the thread looks at its sockets only after it has run most of them.
//!
//! Must not know: what the work is, who it is for.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Instant as Deadline;

mod queue;

pub use queue::Work;
use queue::{Id, Queue};

/// The gate of one thread.
#[derive(Debug, Default)]
pub struct Gate {
    queue: Mutex<Queue>,
    /// How long turns have taken since the thread last polled its sockets, in nanoseconds.
    spent: AtomicU64,
    /// How long the handshakes in the queue will take, in nanoseconds.
    due: AtomicU64,
    /// How many turns of bulk transfers there were since the thread last served somebody else.
    among_themselves: AtomicU32,
}

/// The right to work. Dropping it ends the turn.
#[derive(Debug)]
#[must_use]
pub struct Turn<'g> {
    gate: &'g Gate,
    work: Work,
    began: Instant,
}

/// A task's place at the gate. Dropping it gives the place up.
#[derive(Debug)]
pub struct Place<'g> {
    gate: &'g Gate,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Out,
    Waiting(Work, Id),
    /// The turn has come, and begins when the thread has polled its sockets so many times.
    Next(Work, Id, u8),
}

/// Where, and until when, a handshake waits for its turns.
#[derive(Debug, Clone, Copy)]
pub struct Pace<'g> {
    /// The gate of the thread on which the handshake runs.
    pub gate: &'g Gate,
    /// The caller's deadline: after it no step begins.
    pub deadline: Deadline,
}

impl Gate {
    /// Waits for a turn.
    pub async fn turn(&self, work: Work) -> Turn<'_> {
        let mut place = Place::new(self);
        poll_fn(|cx| place.poll_turn(work, cx)).await
    }

    /// Whether a connection that has just arrived is worth its ClientHello being read: there is time for a full handshake
    /// within `limit`, or it is one of a few that may turn out to resume a session.
    pub fn admits(&self, limit: Duration) -> bool {
        if self.due().is_zero() {
            return true;
        }
        let (mut queue, now) = (self.queue(), Instant::now());
        queue.has_time_for(Work::Full, limit, now) || queue.looks_at_one(now)
    }

    /// How long the handshakes in the queue will take. Any thread may ask.
    pub fn due(&self) -> Duration {
        Duration::from_nanos(self.due.load(Ordering::Relaxed))
    }

    /// How many handshakes wait.
    pub fn waiting(&self) -> usize {
        self.queue().handshakes()
    }

    /// To be called when the thread has polled its sockets because it had nothing else to do.
    pub fn polled(&self) {
        self.spent.store(0, Ordering::Relaxed);
    }

    /// To be called when the thread has served somebody without a turn.
    pub fn served_another(&self) {
        self.among_themselves.store(0, Ordering::Relaxed);
    }

    fn is_fresh(&self) -> bool {
        self.spent.load(Ordering::Relaxed) < self.quantum()
    }

    /// Where nobody but bulk transfers has been served lately, each look at the sockets costs them and helps nobody.
    fn quantum(&self) -> u64 {
        if self.among_themselves.load(Ordering::Relaxed) < QUIET { QUANTUM } else { QUIET_QUANTUM }
    }

    /// The queue is valid even if a thread panicked while it held the lock.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue, and wakes the task whose turn has come.
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue();
        change(&mut queue);
        let next = queue.next();
        self.due.store(nanos(queue.due()), Ordering::Relaxed);
        drop(queue);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl<'g> Pace<'g> {
    /// For a caller who has the gate for himself, and a timer of his own.
    pub fn alone(gate: &'g Gate) -> Self {
        Self { gate, deadline: Deadline::now() + Duration::from_secs(86_400 * 365) }
    }

    /// Whether a newcomer's turn will probably come early enough: within half of the time that is left, or half of the
    /// time after which clients have given up lately. The other half is for the network. A queue that is longer than its
    /// clients are patient serves only those who are about to leave.
    pub fn has_time_for(&self, work: Work) -> bool {
        let left = self.deadline.saturating_duration_since(Deadline::now());
        self.gate.queue().has_time_for(work, left, Instant::now())
    }

    /// Waits for a turn. If the deadline has passed by then, waits on: the caller's timer ends it.
    pub async fn turn(&self, work: Work) -> Turn<'g> {
        let turn = self.gate.turn(work).await;
        if Deadline::now() >= self.deadline {
            drop(turn);
            return pending().await;
        }
        turn
    }
}

impl<'g> Place<'g> {
    /// The gate at which it is.
    pub fn gate(&self) -> &'g Gate {
        self.gate
    }

    pub fn new(gate: &'g Gate) -> Self {
        Self { gate, state: State::Out }
    }

    /// Waits for a turn. Until it comes, `work` must be the same in each call.
    pub fn poll_turn(&mut self, work: Work, cx: &mut Context<'_>) -> Poll<Turn<'g>> {
        let gate = self.gate;
        match self.state {
            State::Out => {
                let mut queue = gate.queue();
                let id = queue.enter(work, cx.waker(), Instant::now());
                if !queue.is_turn_of(id) {
                    gate.due.store(nanos(queue.due()), Ordering::Relaxed);
                    self.state = State::Waiting(work, id);
                    return Poll::Pending;
                }
                drop(queue);
                self.come(work, id, cx)
            }
            State::Waiting(work, id) => {
                let mut queue = gate.queue();
                if !queue.is_turn_of(id) {
                    queue.wait_with(work, id, cx.waker());
                    return Poll::Pending;
                }
                drop(queue);
                self.come(work, id, cx)
            }
            State::Next(work, id, polls @ 2..) => {
                self.state = State::Next(work, id, polls - 1);
                after_polling(cx);
                Poll::Pending
            }
            State::Next(work, ..) => {
                gate.polled();
                self.begin(work)
            }
        }
    }

    fn come(&mut self, work: Work, id: Id, cx: &mut Context<'_>) -> Poll<Turn<'g>> {
        if self.gate.is_fresh() {
            return self.begin(work);
        }
        // What the first poll finds may take a while, and bring more: an answer that comes at once must not wait for a step
        // that takes long.
        let polls = if self.gate.queue().cost(work) >= LONG { 2 } else { 1 };
        self.state = State::Next(work, id, polls);
        after_polling(cx);
        Poll::Pending
    }

    fn begin(&mut self, work: Work) -> Poll<Turn<'g>> {
        self.state = State::Out;
        Poll::Ready(Turn { gate: self.gate, work, began: Instant::now() })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let State::Waiting(work, id) | State::Next(work, id, _) = self.state {
            self.gate.change(|queue| queue.leave(work, id, Instant::now()));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let took = nanos(now.saturating_duration_since(self.began));
        let spent = self.gate.spent.load(Ordering::Relaxed);
        self.gate.spent.store(spent.saturating_add(took), Ordering::Relaxed);
        let among = self.gate.among_themselves.load(Ordering::Relaxed);
        let among = if self.work == Work::Bulk { among.saturating_add(1) } else { 0 };
        self.gate.among_themselves.store(among, Ordering::Relaxed);
        self.gate.change(|queue| queue.end(self.work, self.began, now));
    }
}

/// Wakes the task after the runtime has polled its sockets, and after all tasks that are ready by then.
pub fn after_polling(cx: &mut Context<'_>) {
    // The first poll of tokio's `yield_now` leaves the waker with the runtime. The second would only tell that it was woken.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// Turns that are shorter than this together, in nanoseconds, need no look at the sockets between them.
const QUANTUM: u64 = 100_000;

/// The same while bulk transfers are among themselves. The first one who comes then waits this much longer.
const QUIET_QUANTUM: u64 = 500_000;

/// After so many turns, which take some milliseconds, bulk transfers are among themselves.
const QUIET: u32 = 32;

/// A step that takes longer is worth a second look at the sockets.
const LONG: Duration = Duration::from_micros(250);

#[cfg(test)]
mod tests;
