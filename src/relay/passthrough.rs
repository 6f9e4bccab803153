//! The relay of a connection that is passed through: bytes both ways, as they are.
//!
//! One task drives both directions, as for a terminated connection; each holds at most one buffer or pipe, and none
//! while nothing moves. What an end means in TLS is for the peers to decide: a FIN is passed on as a FIN, a reset as a
//! reset. Must not know: what the bytes are.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, sleep_until};

use crate::gate::Gate;
use crate::net::stream::Stream;
use crate::pressure::Pressure;
use crate::pressure::stalled::{Asked, Waiting};
use crate::relay::called::Called;
use crate::relay::carrier::Carrier;
use crate::relay::leaving::Leaving;
use crate::relay::patience::{Clock, Moved, Patience};
use crate::relay::share::{Share, Went};
use crate::relay::stall::Stall;
use crate::relay::{End, Watched};

/// Relays until both directions have ended, or something ends them earlier. `first` is what the client has sent
/// already.
pub fn relay<'a>(
    client: &'a mut Stream,
    backend: &'a mut Stream,
    first: Vec<u8>,
    patience: Patience,
    gate: &'a Gate,
    pressure: &'a Pressure,
    watched: Watched<'a>,
) -> impl Future<Output = End> + use<'a> {
    // Not an `async fn`, which would keep its arguments in memory beside the relay that they are moved into.
    watched.traffic.receive(first.len());
    let mut relay = Relay {
        client,
        backend,
        watched,
        up: Direction { carrier: Carrier::holding(&first), state: State::Open },
        down: Direction { carrier: Carrier::default(), state: State::Open },
        client_broke: false,
        backend_broke: false,
        moved: 0,
        came: Moved { up: true, down: false },
        clock: Clock::new(patience),
    };
    let (mut share, mut stall) = (Share::new(gate), Stall::new(pressure));
    async move { run(&mut relay, &mut share, &mut stall).await }
}

async fn run(relay: &mut Relay<'_>, share: &mut Share<'_>, stall: &mut Stall<'_>) -> End {
    stall.begin([relay.client, relay.backend]);
    let mut timer = pin!(sleep_until(relay.clock.due()));
    poll_fn(|cx| {
        loop {
            match Called::of(relay.watched.call, &mut relay.clock, cx) {
                // What is passed through has no certificates to judge.
                Called::Now | Called::Distrusted(_) => return Poll::Ready(Leaving::at_once()),
                Called::First => timer.as_mut().reset(relay.clock.due().max(Instant::now())),
                Called::No => {}
            }
            let turn = ready!(share.poll(cx));
            let (went, moved) = relay.advance(cx);
            drop(turn);
            share.moved(std::mem::take(&mut relay.moved));
            if let Went::Over(end) = went {
                return Poll::Ready(end);
            }
            relay.clock.heard(std::mem::take(&mut relay.came));
            // The timer is set again only when it fires: setting it for every byte would cost more than the byte.
            if relay.clock.note(moved, relay.up.is_over() || relay.down.is_over()) {
                // Not in the past, where it would seem to fire late.
                timer.as_mut().reset(relay.clock.due().max(Instant::now()));
            }
            while timer.as_mut().poll(cx).is_ready() {
                let holds = !relay.up.carrier.is_empty() || !relay.down.carrier.is_empty();
                if let Some(end) = relay.clock.ring(timer.deadline(), relay.client, relay.backend, holds) {
                    return Poll::Ready(end);
                }
                timer.as_mut().reset(relay.clock.due().max(Instant::now()));
            }
            if went == Went::Waits && relay.must_leave(stall, cx) {
                return Poll::Ready(End::MemoryStalled);
            }
            if went == Went::Waits || share.yields(cx) {
                return Poll::Pending;
            }
        }
    })
    .await
}

struct Relay<'a> {
    client: &'a mut Stream,
    backend: &'a mut Stream,
    watched: Watched<'a>,
    up: Direction,
    down: Direction,
    /// The client's connection was reset. The kernel reports that only once; a later read looks like the end of the
    /// data.
    client_broke: bool,
    /// The same for the backend's.
    backend_broke: bool,
    /// How many bytes were read in this turn.
    moved: usize,
    /// From where.
    came: Moved,
    clock: Clock,
}

/// One way, from one peer to the other.
struct Direction {
    carrier: Carrier,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The sender has ended its data; that is passed on as soon as the receiver has everything.
    Ending,
    Ended,
    /// The receiver accepts no more.
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Moved,
    /// This many bytes were read from the sender.
    Took(usize),
    /// Waits for a socket, which will wake the task.
    Blocked,
    Finished,
}

/// What went wrong, and on whose side.
enum Broken {
    Sender,
    Receiver(io::Error),
}

impl Direction {
    /// Nothing more is sent in this direction, and the receiver knows it.
    fn is_over(&self) -> bool {
        self.carrier.is_empty() && matches!(self.state, State::Ended | State::Refused)
    }

    /// One step. If `from` `broke`, an end of its data is not a real one. `last`: the other direction has ended.
    fn step(
        &mut self,
        from: &mut Stream,
        broke: bool,
        to: &mut Stream,
        last: bool,
        cx: &mut Context<'_>,
    ) -> Result<Step, Broken> {
        if !self.carrier.is_empty() {
            return match self.carrier.empty(to, cx) {
                Poll::Pending => Ok(Step::Blocked),
                Poll::Ready(Ok(())) => Ok(Step::Moved),
                Poll::Ready(Err(error)) => {
                    self.carrier.clear();
                    self.state = State::Refused;
                    Err(Broken::Receiver(error))
                }
            };
        }
        match self.state {
            State::Open => match self.carrier.fill(from, cx) {
                Poll::Pending => Ok(Step::Blocked),
                Poll::Ready(Ok(0)) => {
                    self.state = if broke { State::Ended } else { State::Ending };
                    Ok(Step::Moved)
                }
                Poll::Ready(Ok(count)) => Ok(Step::Took(count)),
                Poll::Ready(Err(_)) => Err(Broken::Sender),
            },
            State::Ending => {
                // The last direction needs no shutdown, since closing the connection ends it too. It fails only if the
                // receiver is gone already, and then the next read from it returns that error.
                if !last {
                    let _ = to.shutdown_write();
                }
                self.state = State::Ended;
                Ok(Step::Moved)
            }
            State::Ended | State::Refused => Ok(Step::Finished),
        }
    }
}

impl Relay<'_> {
    /// Continues until both directions wait, or this turn is over. Also returns which of them moved.
    fn advance(&mut self, cx: &mut Context<'_>) -> (Went, Moved) {
        let mut moved = Moved::default();
        for _ in 0..ROUNDS {
            let (up, down) = match (self.client_to_backend(cx), self.backend_to_client(cx)) {
                (Ok(up), Ok(down)) => (up, down),
                (Err(end), _) | (_, Err(end)) => return (Went::Over(end), moved),
            };
            let waits = |step| matches!(step, Step::Blocked | Step::Finished);
            moved.up |= !waits(up);
            moved.down |= !waits(down);
            match (up, down) {
                (Step::Finished, Step::Finished) => return (Went::Over(self.end()), moved),
                _ if waits(up) && waits(down) => {
                    self.look_away();
                    return (Went::Waits, moved);
                }
                _ if self.moved >= TURN
                    && (waits(up) || self.up.carrier.is_empty())
                    && (waits(down) || self.down.carrier.is_empty()) =>
                {
                    break;
                }
                _ => {}
            }
        }
        (Went::Far, moved)
    }

    /// The relay waits: gives back memory if it is asked to. Returns whether it has to end.
    fn must_leave(&mut self, stall: &mut Stall<'_>, cx: &Context<'_>) -> bool {
        let asked = stall.note(self.waiting(), &self.clock, [self.client, self.backend], cx);
        if asked == Asked::Shrink {
            self.up.carrier.shrink();
            self.down.carrier.shrink();
            stall.note(self.waiting(), &self.clock, [self.client, self.backend], cx);
        }
        asked == Asked::Leave
    }

    /// What waits for a peer that takes nothing.
    fn waiting(&self) -> Option<Waiting> {
        let which = Moved { up: !self.up.carrier.is_empty(), down: !self.down.carrier.is_empty() };
        let (up, down) = (self.up.carrier.held(), self.down.carrier.held());
        (which.up || which.down).then(|| Waiting {
            since: self.clock.moved(which).into_std(),
            held: up.0 + down.0,
            spare: up.1 + down.1,
        })
    }

    /// Stops watching a sender of many bytes whose receiver is slow, until there is room again: each of its packets
    /// would wake this thread for nothing.
    fn look_away(&mut self) {
        if self.up.carrier.is_splicing() && self.down.carrier.is_empty() {
            self.client.unwatch();
        }
        if self.down.carrier.is_splicing() && self.up.carrier.is_empty() {
            self.backend.unwatch();
        }
    }

    /// How the relay ended, when both directions are finished.
    fn end(&self) -> End {
        match (self.up.state, self.down.state) {
            (_, State::Refused) => End::ClientReset { ended: true },
            (State::Refused, _) if self.backend_broke => End::BackendReset,
            (State::Refused, _) => End::BackendClosedEarly,
            _ => End::Completed,
        }
    }

    fn client_to_backend(&mut self, cx: &mut Context<'_>) -> Result<Step, End> {
        let last = self.down.state == State::Ended;
        match self.up.step(self.client, self.client_broke, self.backend, last, cx) {
            Ok(Step::Took(count)) => {
                self.moved += count;
                self.came.up = true;
                self.watched.traffic.receive(count);
                Ok(Step::Moved)
            }
            Ok(step) => Ok(step),
            Err(Broken::Sender) => Err(End::ClientReset { ended: false }),
            // The backend may have answered before it closed, and that answer is still delivered. EPIPE follows an
            // orderly end; any other error is a reset.
            Err(Broken::Receiver(error)) => {
                self.backend_broke |= error.kind() != ErrorKind::BrokenPipe;
                Ok(Step::Moved)
            }
        }
    }

    fn backend_to_client(&mut self, cx: &mut Context<'_>) -> Result<Step, End> {
        let last = self.up.state == State::Ended;
        match self.down.step(self.backend, self.backend_broke, self.client, last, cx) {
            Ok(Step::Took(count)) => {
                self.moved += count;
                self.came.down = true;
                self.watched.traffic.send(count);
                Ok(Step::Moved)
            }
            Ok(step) => Ok(step),
            Err(Broken::Sender) => Err(End::BackendReset),
            // What the client sent before it closed is still delivered.
            Err(Broken::Receiver(error)) => {
                self.client_broke |= error.kind() != ErrorKind::BrokenPipe;
                Ok(Step::Moved)
            }
        }
    }
}

/// After so many bytes the others of the thread have their turn: two pipes, some 100 µs.
const TURN: usize = 1024 * 1024;
/// And after so many steps, which may be about few bytes.
const ROUNDS: usize = 16;
