//! The relay of a terminated connection: two peers, each in TLS records or in plain bytes, and two ways between them.
//!
//! One task drives both ways. Each has room for one buffer: it reads only when what it read before is written, so that a
//! peer that does not read stops the other one, and a connection on which nothing moves holds no buffer.
//! Must not know: certificates, how connections are closed.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::observe::metrics::Traffic;
use crate::relay::End;
use crate::relay::intake::Came;
use crate::relay::patience::{Clock, Moved, Patience};
use crate::relay::peer::Peer;
use crate::tls::record::interface::RecordError;

/// Relays until both ways have ended, or something ends them. `traffic` is kept up to date all the while.
pub fn relay<'a>(
    client: Peer<'a>,
    backend: Peer<'a>,
    patience: Patience,
    traffic: &'a mut Traffic,
) -> impl Future<Output = End> + use<'a> {
    // Put together out here: an async fn would keep its arguments beside what becomes of them.
    let mut relay =
        Relay { client, backend, up: Way::default(), down: Way::default(), traffic, clock: Clock::new(patience) };
    async move { run(&mut relay).await }
}

async fn run(relay: &mut Relay<'_>) -> End {
    if let Err(end) = relay.begin() {
        return end;
    }
    let due = relay.clock.due();
    let first = if relay.client.outlet().is_holding() { due.min(Instant::now() + HOLD) } else { due };
    let mut timer = pin!(sleep_until(first));
    poll_fn(|cx| {
        loop {
            let (end, moved) = relay.advance(cx);
            if let Poll::Ready(end) = end {
                return Poll::Ready(end);
            }
            // The timer is set anew only when it fires, not for every byte.
            if relay.clock.note(moved, relay.up.is_over() || relay.down.is_over()) {
                timer.as_mut().reset(relay.clock.due());
            }
            let mut released = false;
            while timer.as_mut().poll(cx).is_ready() {
                if relay.client.outlet().is_holding() {
                    relay.client.outlet().release();
                    released = true;
                } else if let Some(end) = relay.clock.ring(relay.client.stream, relay.backend.stream) {
                    return Poll::Ready(end);
                }
                timer.as_mut().reset(relay.clock.due());
            }
            if !released {
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
    traffic: &'a mut Traffic,
    clock: Clock,
}

/// Where one way stands.
#[derive(Default)]
struct Way {
    state: State,
    /// Who this way leads to has reset its connection: an end of its data that is seen later is none.
    broke: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Open,
    /// The source has ended its data; the other peer is told as soon as it has everything.
    Ending,
    /// The other peer was told; what else comes from the source is not its data.
    Ended { ignored: usize },
    /// Ended, and the source has closed, or sends what nobody asked for.
    Closed,
    /// A record did not open, or an alert came: what came before it is delivered first.
    Failing(End),
    /// The other peer takes no more.
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Moved,
    /// Waits for a socket, which will wake the task.
    Blocked,
    Finished,
}

impl<'a> Relay<'a> {
    /// Takes up what came along with the handshakes. All of it is opened before any of it is sealed for the other peer: what
    /// is sealed has to be written before there is room for more.
    fn begin(&mut self) -> Result<(), End> {
        let opened = [Direction::Up, Direction::Down].map(|direction| {
            let from = self.between(direction).from;
            let early: usize = from.intake().pieces().map(<[u8]>::len).sum();
            let (count, came) = match (from.has_closed(), from.intake().has_unopened()) {
                (true, _) => (0, Ok(Came::End)),
                (false, true) => from.open(),
                (false, false) => (0, Ok(Came::More)),
            };
            (direction, early + count, came)
        });
        opened.into_iter().try_for_each(|(direction, count, came)| self.opened(direction, count, came))
    }

    /// Goes on until both ways wait. Also tells what moved.
    fn advance(&mut self, cx: &mut Context<'_>) -> (Poll<End>, Moved) {
        let mut moved = Moved::default();
        for _ in 0..ROUNDS {
            // One after the other: the last words of an end are what is not written yet, and the other way would write them too.
            let (up, down) = match self.go(Direction::Up, cx).and_then(|up| Ok((up, self.go(Direction::Down, cx)?))) {
                Ok(steps) => steps,
                Err(end) => return (Poll::Ready(end), moved),
            };
            moved.up |= up == Step::Moved;
            moved.down |= down == Step::Moved;
            match (up, down) {
                (Step::Finished, Step::Finished) => return (Poll::Ready(self.end()), moved),
                (Step::Moved, _) | (_, Step::Moved) => {}
                _ => return (Poll::Pending, moved),
            }
        }
        // Others on this thread have their turn first.
        cx.waker().wake_by_ref();
        (Poll::Pending, moved)
    }

    /// Both ways are finished: how, all in all?
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
            // Nothing can be sealed for who failed; that is told once its last good bytes are delivered.
            State::Open if matches!(back.state, State::Failing(_)) => Ok(Step::Blocked),
            State::Open if from.is_plain() => self.read_plain(direction, cx),
            State::Open => self.read_wire(direction, cx),
            State::Failing(end) => {
                let mut end = end.clone();
                if let End::ClientBadRecord { last_words, .. } | End::BackendBadRecord { last_words, .. } = &mut end {
                    // The bytes before the alert have their place before it, however slowly the peer takes them.
                    *last_words = from.outlet().remains();
                }
                Err(end)
            }
            State::Ending => {
                way.state = State::Ended { ignored: 0 };
                // Closing the connection ends it too.
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
        // After the peer's end the kernel says EPIPE. Otherwise this is a reset, and having been told here it would look
        // like an end to the one who reads.
        way.broke |= error.kind() != ErrorKind::BrokenPipe;
        // A peer that had ended and does not wait for our close_notify has missed nothing.
        let nothing_missed =
            matches!(way.state, State::Ending) && back.has_ended() && !to.is_plain() && !to.outlet().has_data();
        way.state = if nothing_missed { State::Ended { ignored: 0 } } else { State::Refused };
        // What the peer sent before it went is still delivered.
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
            Poll::Ready(Ok(Ok(count))) => self.count(direction, count),
        }
        Ok(Step::Moved)
    }

    fn read_wire(&mut self, direction: Direction, cx: &mut Context<'_>) -> Result<Step, End> {
        let Between { from, back, .. } = self.between(direction);
        match from.read_wire(cx) {
            Poll::Pending => return Ok(Step::Blocked),
            // The kernel tells of a reset once, and the one who wrote has heard it.
            Poll::Ready(Ok(0)) if matches!(back.state, State::Refused) => return Err(direction.reset()),
            Poll::Ready(Ok(0)) => return Err(direction.truncated()),
            Poll::Ready(Err(_)) => return Err(direction.reset()),
            Poll::Ready(Ok(_)) => self.open(direction)?,
        }
        Ok(Step::Moved)
    }

    /// Opens what was read.
    fn open(&mut self, direction: Direction) -> Result<(), End> {
        let (count, came) = self.between(direction).from.open();
        self.opened(direction, count, came)
    }

    /// Makes `count` bytes of plaintext ready for the other peer.
    fn opened(&mut self, direction: Direction, count: usize, came: Result<Came, RecordError>) -> Result<(), End> {
        let Between { from, to, way, .. } = self.between(direction);
        if count > 0 && !to.is_plain() {
            to.take_plain(from.intake()).map_err(exhausted)?;
        }
        match came {
            Ok(Came::More) => {}
            Ok(Came::End) => self.source_ends(direction)?,
            Ok(Came::TooLong) => {
                way.state = State::Failing(direction.bad_record("an endless handshake message".into()))
            }
            Err(error) => way.state = State::Failing(direction.failure(&error)),
        }
        self.count(direction, count);
        Ok(())
    }

    /// The source of this way has ended its data.
    fn source_ends(&mut self, direction: Direction) -> Result<(), End> {
        let Between { to, way, .. } = self.between(direction);
        way.state = State::Ending;
        to.seal_close().map_err(exhausted)
    }

    /// After close_notify a peer has nothing more to say (RFC 8446 section 6.1), but that it goes away must be seen.
    fn ignore(&mut self, direction: Direction, cx: &mut Context<'_>) -> Result<Step, End> {
        let Between { from, way, .. } = self.between(direction);
        let State::Ended { ignored } = &mut way.state else { return Ok(Step::Finished) };
        match from.ignore(cx) {
            Poll::Pending => return Ok(Step::Blocked),
            Poll::Ready(Err(_)) if direction == Direction::Up => return Err(End::ClientReset { ended: true }),
            // Whether the backend has missed anything, writing to it will tell.
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

    fn count(&mut self, direction: Direction, count: usize) {
        match direction {
            _ if count == 0 => {}
            Direction::Up => self.traffic.receive(count),
            Direction::Down => self.traffic.send(count),
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

/// The peers that a way lies between, and the way back.
struct Between<'r, 'a> {
    from: &'r mut Peer<'a>,
    to: &'r mut Peer<'a>,
    way: &'r mut Way,
    back: &'r Way,
}

impl Way {
    /// The source has said that it ends.
    fn has_ended(&self) -> bool {
        matches!(self.state, State::Ending | State::Ended { .. } | State::Closed)
    }

    /// Nothing more is written on this way.
    fn is_over(&self) -> bool {
        matches!(self.state, State::Ended { .. } | State::Closed | State::Refused)
    }
}

impl Direction {
    fn reset(self) -> End {
        match self {
            Self::Up => End::ClientReset { ended: false },
            Self::Down => End::BackendReset,
        }
    }

    fn truncated(self) -> End {
        match self {
            Self::Up => End::ClientTruncated,
            Self::Down => End::BackendTruncated,
        }
    }

    fn failure(self, error: &RecordError) -> End {
        match (self, error.received_alert) {
            (Self::Up, Some(alert)) => End::ClientAlert(alert),
            (Self::Down, Some(alert)) => End::BackendAlert(alert),
            (_, None) => self.bad_record(error.to_string()),
        }
    }

    fn bad_record(self, reason: String) -> End {
        match self {
            Self::Up => End::ClientBadRecord { reason, last_words: Vec::new() },
            Self::Down => End::BackendBadRecord { reason, last_words: Vec::new() },
        }
    }
}

/// Sealing fails only where the keys may not be used any more, and TLS 1.2 has no way to others.
fn exhausted(error: RecordError) -> End {
    End::KeysExhausted(error.to_string())
}

/// Steps of one connection before others on the thread have their turn: 2 MiB at most.
const ROUNDS: usize = 16;

/// How long session tickets wait for data to ride with.
const HOLD: Duration = Duration::from_millis(20);

/// Bytes after close_notify that are read and thrown away before the peer is no longer listened to.
const MOST_IGNORED: usize = 64 * 1024;
