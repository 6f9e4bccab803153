//! The relay of a terminated connection: two peers, each in TLS records or in plain bytes, and two ways between them.
//!
//! One task drives both ways. Each has at most one buffer: it reads only when what it read before is written. So a peer
//! that does not read slows the other one down, and a connection on which nothing moves holds no buffer. Must not know:
//! certificates, how connections are closed.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::gate::Gate;
use crate::pressure::Pressure;
use crate::pressure::stalled::{Asked, Waiting};
use crate::relay::called::Called;
use crate::relay::direction::Direction;
use crate::relay::intake::{Came, Fresh};
use crate::relay::leaving::Leaving;
use crate::relay::patience::{Clock, Moved, Patience};
use crate::relay::peer::Peer;
use crate::relay::share::{Share, Went};
use crate::relay::stall::Stall;
use crate::relay::way::{State, Way};
use crate::relay::{End, Watched};
use crate::tls::record::interface::RecordError;

/// Relays until both ways have ended, or something ends them earlier.
pub fn relay<'a>(
    client: Peer<'a>,
    backend: Peer<'a>,
    patience: Patience,
    gate: &'a Gate,
    pressure: &'a Pressure,
    watched: Watched<'a>,
) -> impl Future<Output = End> + use<'a> {
    // Not an `async fn`, which would keep its arguments in memory beside the relay that they are moved into.
    let mut relay = Relay {
        client,
        backend,
        up: Way::default(),
        down: Way::default(),
        watched,
        moved: 0,
        came: Moved::default(),
        clock: Clock::new(patience),
    };
    let (mut share, mut stall) = (Share::new(gate), Stall::new(pressure));
    async move { run(&mut relay, &mut share, &mut stall).await }
}

async fn run(relay: &mut Relay<'_>, share: &mut Share<'_>, stall: &mut Stall<'_>) -> End {
    if let Err(end) = relay.begin() {
        return end;
    }
    stall.begin([relay.client.stream, relay.backend.stream]);
    let due = relay.clock.due();
    let first = if relay.client.outlet().is_holding() { due.min(Instant::now() + HOLD) } else { due };
    let mut timer = pin!(sleep_until(first));
    poll_fn(|cx| {
        loop {
            match Called::of(relay.watched.call, &mut relay.clock, cx) {
                Called::Now => return Poll::Ready(Leaving::at_once()),
                Called::Distrusted(why) => return Poll::Ready(relay.client.distrusted(why, relay.down.has_told())),
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
            let mut released = false;
            while timer.as_mut().poll(cx).is_ready() {
                if relay.client.outlet().is_holding() {
                    relay.client.outlet().release();
                    released = true;
                } else if let Some(end) = relay.ring(timer.deadline()) {
                    return Poll::Ready(end);
                }
                timer.as_mut().reset(relay.clock.due().max(Instant::now()));
            }
            if went == Went::Waits && relay.must_leave(stall, cx) {
                return Poll::Ready(End::MemoryStalled);
            }
            let waits = if went == Went::Far { share.yields(cx) } else { !released };
            if waits {
                return Poll::Pending;
            }
        }
    })
    .await
}

struct Relay<'a> {
    client: Peer<'a>,
    backend: Peer<'a>,
    /// From the client to the backend.
    up: Way,
    /// From the backend to the client.
    down: Way,
    watched: Watched<'a>,
    /// How many bytes were read in this turn, and of records what they cost.
    moved: usize,
    /// From where.
    came: Moved,
    clock: Clock,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Moved,
    /// Waits for a socket, which will wake the task.
    Blocked,
    Finished,
}

impl<'a> Relay<'a> {
    /// Opens what was read along with the handshakes. Both sides are opened before any of it is encrypted for the other
    /// peer: what is encrypted has to be written before there is room for more.
    fn begin(&mut self) -> Result<(), End> {
        let opened = [Direction::Up, Direction::Down].map(|direction| {
            let from = self.between(direction).from;
            let early: usize = from.intake().pieces().map(<[u8]>::len).sum();
            let (fresh, came) = match (from.has_closed(), from.intake().has_unopened()) {
                (true, _) => (Fresh::default(), Ok(Came::End)),
                (false, true) => from.open(false),
                (false, false) => (Fresh::default(), Ok(Came::More)),
            };
            (direction, Fresh { plain: early + fresh.plain, cost: early + fresh.cost }, came)
        });
        opened.into_iter().try_for_each(|(direction, fresh, came)| self.opened(direction, fresh, came))
    }

    /// Continues until both ways wait, or this turn is over. Also returns which of them moved.
    fn advance(&mut self, cx: &mut Context<'_>) -> (Went, Moved) {
        let mut moved = Moved::default();
        for _ in 0..ROUNDS {
            // The second way must not run after the first has ended the relay: it would write the outlet's bytes, which
            // the end contains too (`last_words`), a second time.
            let (up, down) = match self.go(Direction::Up, cx).and_then(|up| Ok((up, self.go(Direction::Down, cx)?))) {
                Ok(steps) => steps,
                Err(end) => return (Went::Over(end), moved),
            };
            moved.up |= up == Step::Moved;
            moved.down |= down == Step::Moved;
            match (up, down) {
                (Step::Finished, Step::Finished) => return (Went::Over(self.end()), moved),
                (Step::Moved, _) | (_, Step::Moved) if self.moved >= TURN && !self.is_writing(up, down) => break,
                (Step::Moved, _) | (_, Step::Moved) => {}
                _ => return (Went::Waits, moved),
            }
        }
        (Went::Far, moved)
    }

    /// A way that moves has something to write, which must not wait for the next turn in its buffer.
    fn is_writing(&mut self, up: Step, down: Step) -> bool {
        let Self { client, backend, .. } = self;
        (up == Step::Moved && (backend.outlet().is_pending() || client.intake().has_plain()))
            || (down == Step::Moved && (client.outlet().is_pending() || backend.intake().has_plain()))
    }

    /// The timer has fired: returns the end if a limit has passed.
    fn ring(&mut self, planned: Instant) -> Option<End> {
        let holds = self.clock.is_asked() && (self.client.holds() || self.backend.holds());
        self.clock.ring(planned, self.client.stream, self.backend.stream, holds)
    }

    /// The relay waits: gives back memory if it is asked to. Returns whether it has to end.
    fn must_leave(&mut self, stall: &mut Stall<'_>, cx: &Context<'_>) -> bool {
        let peers = [self.client.stream, self.backend.stream];
        let asked = stall.note(self.waiting(), &self.clock, peers, cx);
        if asked == Asked::Shrink {
            self.client.shrink();
            self.backend.shrink();
            stall.note(self.waiting(), &self.clock, peers, cx);
        }
        asked == Asked::Leave
    }

    /// What waits for a peer that takes nothing.
    fn waiting(&mut self) -> Option<Waiting> {
        let Self { client, backend, clock, .. } = self;
        let waits = |from: &mut Peer<'_>, to: &mut Peer<'_>| {
            to.outlet().is_pending() || (to.is_plain() && from.intake().has_plain())
        };
        let which = Moved { up: waits(client, backend), down: waits(backend, client) };
        let (of_client, of_backend) = (client.held(), backend.held());
        (which.up || which.down).then(|| Waiting {
            since: clock.moved(which).into_std(),
            held: of_client.0 + of_backend.0,
            spare: of_client.1 + of_backend.1,
        })
    }

    /// How the relay ended, when both ways are finished.
    fn end(&self) -> End {
        match (&self.up.state, &self.down.state) {
            (State::Refused, _) => End::BackendClosedEarly,
            (_, State::Refused) => End::ClientReset { ended: true },
            _ => End::Completed,
        }
    }

    /// One step of one way.
    fn go(&mut self, direction: Direction, cx: &mut Context<'_>) -> Result<Step, End> {
        let Between { from, to, way, back } = self.between(direction);
        if to.outlet().is_pending() {
            let written = to.write(matches!(way.state, State::Ending), cx);
            return Ok(self.written(direction, written));
        }
        if to.is_plain() && from.intake().has_plain() {
            let written = to.write_from(from.intake(), cx);
            return Ok(self.written(direction, written));
        }
        match &mut way.state {
            // Nothing can be encrypted for a peer that has failed. The other way ends the relay once it has delivered
            // that peer's last good bytes.
            State::Open if matches!(back.state, State::Failing(_)) => Ok(Step::Blocked),
            State::Open if from.is_plain() => self.read_plain(direction, cx),
            State::Open => self.read_wire(direction, cx),
            State::Failing(end) => {
                let mut end = End::clone(end);
                if let End::ClientBadRecord { last_words, .. } | End::BackendBadRecord { last_words, .. } = &mut end {
                    // Bytes that still wait for the peer come before the alert, however slowly it reads.
                    *last_words = from.outlet().remains();
                }
                Err(end)
            }
            State::Ending => {
                way.state = State::Ended { ignored: 0 };
                // The last way needs no shutdown: closing the connection ends it too.
                if !back.is_over() {
                    to.shutdown_write();
                }
                Ok(Step::Moved)
            }
            State::Ended { .. } if from.is_plain() || back.is_over() => Ok(Step::Finished),
            State::Ended { .. } => self.ignore(direction, cx),
            State::Closed | State::Refused => Ok(Step::Finished),
        }
    }

    fn written(&mut self, direction: Direction, written: Poll<io::Result<()>>) -> Step {
        let error = match written {
            Poll::Pending => return Step::Blocked,
            Poll::Ready(Ok(())) => return Step::Moved,
            Poll::Ready(Err(error)) => error,
        };
        let Between { from, to, way, back } = self.between(direction);
        // EPIPE follows an orderly end of the peer; any other error is a reset. The kernel reports a reset only once,
        // so to the way that reads from this peer it would look like an end.
        way.broke |= error.kind() != ErrorKind::BrokenPipe;
        // A peer that has ended its data and closes without waiting for our close_notify has missed nothing.
        let nothing_missed =
            matches!(way.state, State::Ending) && back.has_ended() && !to.is_plain() && !to.outlet().has_data();
        way.state = if nothing_missed { State::Ended { ignored: 0 } } else { State::Refused };
        // Nothing more can be delivered to this peer. What it sent itself, the other way still delivers.
        from.intake().discard();
        to.outlet().clear();
        Step::Moved
    }

    fn read_plain(&mut self, direction: Direction, cx: &mut Context<'_>) -> Result<Step, End> {
        let Between { from, to, back, .. } = self.between(direction);
        match to.take_from(from, cx) {
            Poll::Pending => return Ok(Step::Blocked),
            Poll::Ready(Err(_)) => return Err(direction.reset()),
            Poll::Ready(Ok(Err(error))) => return Err(exhausted(error)),
            Poll::Ready(Ok(Ok(0))) if back.broke => return Err(direction.reset()),
            Poll::Ready(Ok(Ok(0))) => self.source_ends(direction)?,
            Poll::Ready(Ok(Ok(count))) => self.count(direction, Fresh { plain: count, cost: count }),
        }
        Ok(Step::Moved)
    }

    fn read_wire(&mut self, direction: Direction, cx: &mut Context<'_>) -> Result<Step, End> {
        let Between { from, back, .. } = self.between(direction);
        match from.read_wire(cx) {
            Poll::Pending => return Ok(Step::Blocked),
            // The kernel reports a reset only once, and the way that writes to this peer has received it.
            Poll::Ready(Ok(0)) if matches!(back.state, State::Refused) => return Err(direction.reset()),
            Poll::Ready(Ok(0)) => return Err(direction.truncated()),
            Poll::Ready(Err(_)) => return Err(direction.reset()),
            Poll::Ready(Ok(_)) => self.open(direction)?,
        }
        Ok(Step::Moved)
    }

    /// Opens what was read.
    fn open(&mut self, direction: Direction) -> Result<(), End> {
        // After close_notify nothing may follow (RFC 8446 section 6.1), and after a FIN nothing can: an answer to a request to
        // renegotiate would fail, and a complete exchange would seem to have been refused.
        let Between { from, back, .. } = self.between(direction);
        let (fresh, came) = from.open(back.has_told());
        self.opened(direction, fresh, came)
    }

    /// Makes fresh plaintext ready for the other peer.
    fn opened(&mut self, direction: Direction, fresh: Fresh, came: Result<Came, RecordError>) -> Result<(), End> {
        let Between { from, to, way, .. } = self.between(direction);
        if fresh.plain > 0 && !to.is_plain() {
            to.take_plain(from.intake()).map_err(exhausted)?;
        }
        match came {
            Ok(Came::More) => {}
            Ok(Came::End) => self.source_ends(direction)?,
            Ok(Came::TooLong) => {
                way.state = State::Failing(Box::new(direction.bad_record("an endless handshake message".into())))
            }
            Err(error) => way.state = State::Failing(Box::new(direction.failure(&error))),
        }
        self.count(direction, fresh);
        Ok(())
    }

    /// The source of this way has ended its data.
    fn source_ends(&mut self, direction: Direction) -> Result<(), End> {
        let Between { to, way, .. } = self.between(direction);
        way.state = State::Ending;
        to.seal_close().map_err(exhausted)
    }

    /// Reads and ignores what follows close_notify (RFC 8446 section 6.1): only so can it be seen that the peer closes.
    fn ignore(&mut self, direction: Direction, cx: &mut Context<'_>) -> Result<Step, End> {
        let Between { from, way, .. } = self.between(direction);
        let State::Ended { ignored } = &mut way.state else { return Ok(Step::Finished) };
        match from.ignore(cx) {
            Poll::Pending => return Ok(Step::Blocked),
            Poll::Ready(Err(_)) if direction == Direction::Up => return Err(End::ClientReset { ended: true }),
            // Whether the backend has missed anything shows when the other way writes to it.
            Poll::Ready(Err(_)) => way.state = State::Closed,
            Poll::Ready(Ok(count)) => {
                *ignored += count;
                if count == 0 || *ignored > MOST_IGNORED {
                    way.state = State::Closed;
                }
            }
        }
        Ok(Step::Moved)
    }

    fn count(&mut self, direction: Direction, Fresh { plain: count, cost }: Fresh) {
        self.moved += cost;
        self.came.up |= count > 0 && direction == Direction::Up;
        self.came.down |= count > 0 && direction == Direction::Down;
        match direction {
            _ if count == 0 => {}
            Direction::Up => self.watched.traffic.receive(count),
            Direction::Down => self.watched.traffic.send(count),
        }
    }

    fn between(&mut self, direction: Direction) -> Between<'_, 'a> {
        let Self { client, backend, up, down, .. } = self;
        match direction {
            Direction::Up => Between { from: client, to: backend, way: up, back: down },
            Direction::Down => Between { from: backend, to: client, way: down, back: up },
        }
    }
}

/// The two peers of a way, the way itself, and the way back.
struct Between<'r, 'a> {
    from: &'r mut Peer<'a>,
    to: &'r mut Peer<'a>,
    way: &'r mut Way,
    back: &'r Way,
}

/// Encrypting fails only if the keys must not be used any more, and TLS 1.2 cannot change them.
fn exhausted(error: RecordError) -> End {
    End::KeysExhausted(error.to_string())
}

/// After so many bytes the others of the thread have their turn: some 200 µs, two reads of the largest size. Half of it
/// would cost a twentieth more for each byte, and win a third of a millisecond for the others.
const TURN: usize = 512 * 1024;
/// And after so many steps, which may be about few bytes.
const ROUNDS: usize = 16;

/// How long session tickets wait for data to be sent with: one packet less for most connections.
const HOLD: Duration = Duration::from_millis(20);

/// How many bytes after close_notify are read and ignored. After that the peer is read no more.
const MOST_IGNORED: usize = 64 * 1024;
