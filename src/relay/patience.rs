//! How long a relay waits while nothing moves, and when it is asked to end. Must not know: what moves, how a connection is closed.

use std::time::Duration;

use tokio::time::Instant;

use crate::net::late;
use crate::net::stream::Stream;
use crate::relay::leaving::Leaving;
use crate::relay::{By, End};

/// The limits of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    // Microseconds as u64 and not a Duration, to save memory: every idle connection has these twice.
    idle: u64,
    half_closed: u64,
    leaving: Leaving,
}

impl Patience {
    /// `idle`: the longest time without a byte in either direction. `half_closed`: the same, after one direction has ended.
    pub fn new(idle: Duration, half_closed: Duration) -> Self {
        let micros = |limit: Duration| limit.as_micros().try_into().unwrap_or(u64::MAX);
        Self { idle: micros(idle), half_closed: micros(half_closed), leaving: Leaving::new(None, Duration::ZERO) }
    }

    /// The same for a relay that is asked to end when it is old enough (`aged`; by default never), and that takes `limit`
    /// for that at most, whoever asks.
    pub fn leaving(self, aged: Option<Instant>, limit: Duration) -> Self {
        Self { leaving: Leaving::new(aged, limit), ..self }
    }
}

/// In which direction bytes have moved since the last call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    /// From the client to the backend.
    pub(super) up: bool,
    /// From the backend to the client.
    pub(super) down: bool,
}

/// Computes when the relay has to act. It contains no timer: the caller has one, and sets it to [`Clock::due`].
#[derive(Debug)]
pub(super) struct Clock {
    patience: Patience,
    /// When something last moved to the client, and to the backend.
    moved: [Instant; 2],
    /// One direction has ended.
    half: bool,
    /// Nothing has moved since the sockets were examined.
    looked: bool,
    /// What was read last came from the backend, or nothing was read yet: no request waits for its answer, as far as this can be
    /// seen from outside.
    answered: bool,
    /// The kernel does not limit how long the client's socket, and the backend's, may wait for their peer.
    eased: [bool; 2],
}

impl Clock {
    pub(super) fn new(patience: Patience) -> Self {
        let moved = [Instant::now(); 2];
        Self { patience, moved, half: false, looked: false, answered: true, eased: [false; 2] }
    }

    /// Notes what has moved, and whether one direction has ended. Returns whether the timer must fire earlier than
    /// before.
    pub(super) fn note(&mut self, moved: Moved, half: bool) -> bool {
        let (had_looked, was_half) = (self.looked, self.half);
        let something = moved.up || moved.down;
        self.half = half;
        if something {
            let now = Instant::now();
            for (moved, last) in [moved.down, moved.up].into_iter().zip(&mut self.moved) {
                *last = if moved { now } else { *last };
            }
            self.looked = false;
        }
        (something && (had_looked || self.quiet_at().is_some())) || (half && !was_half)
    }

    /// Data has come from these sides since the last call; before [`Clock::note`].
    pub(super) fn heard(&mut self, from: Moved) {
        match from {
            // Which of both was first is not known.
            Moved { up: true, .. } => self.answered = false,
            Moved { down: true, .. } => self.answered = true,
            Moved { .. } => {}
        }
    }

    /// The relay is asked to end. Returns whether the timer must be set again.
    pub(super) fn ask(&mut self, by: By) -> bool {
        self.patience.leaving.ask(by, Instant::now())
    }

    /// Whether the relay was asked to end.
    pub(super) fn is_asked(&self) -> bool {
        self.patience.leaving.is_asked()
    }

    /// When a relay that is asked to end has been quiet for long enough, if nothing moves until then. After one direction has
    /// ended, the other one is what everybody waits for.
    fn quiet_at(&self) -> Option<Instant> {
        (self.is_asked() && self.answered && !self.half).then(|| self.last() + QUIET)
    }

    /// When to call [`Clock::ring`] next.
    pub(super) fn due(&self) -> Instant {
        let limit = self.limit().0;
        let silent = self.last() + if self.looked { limit } else { limit.min(STALL) };
        [self.patience.leaving.due(), self.quiet_at()].into_iter().flatten().fold(silent, Instant::min)
    }

    /// When something last moved in the direction that is true in `which`; in both, the earlier time.
    pub(super) fn moved(&self, which: Moved) -> Instant {
        let [down, up] = self.moved;
        match which {
            Moved { down: true, up: true } => down.min(up),
            Moved { up: true, .. } => up,
            Moved { .. } => down,
        }
    }

    /// Since when unsent bytes have waited in the kernel for a peer that takes nothing, if that was seen and nothing has moved
    /// since.
    pub(super) fn unsent_since(&self) -> Option<Instant> {
        (self.looked && self.eased.contains(&true)).then(|| self.last())
    }

    fn last(&self) -> Instant {
        self.moved[0].max(self.moved[1])
    }

    /// The timer that was set to `planned` has fired: returns the end if a limit has passed. Otherwise examines the sockets.
    /// `holds`: something was read that is not delivered.
    pub(super) fn ring(&mut self, planned: Instant, client: &Stream, backend: &Stream, holds: bool) -> Option<End> {
        let now = Instant::now();
        if let Some(end) = self.patience.leaving.ring(now) {
            return Some(end);
        }
        // Nothing could move.
        if late::was_stopped(planned.elapsed()) {
            self.moved = [Instant::now(); 2];
            self.looked = false;
            return None;
        }
        if self.quiet_at().is_some_and(|at| at <= now) {
            if !holds && [client, backend].into_iter().all(|stream| !stream.has_unsent() && !stream.has_unread()) {
                return self.patience.leaving.politely();
            }
            // A peer has not taken everything. When it has, what it sends next says more.
            self.answered = false;
        }
        let (silent, (limit, end)) = (self.last().elapsed(), self.limit());
        if silent >= limit {
            return Some(end);
        }
        self.looked = silent >= STALL;
        for ((stream, moved), eased) in [client, backend].into_iter().zip(self.moved).zip(&mut self.eased) {
            // A peer that acknowledges nothing is gone, and the kernel ends its connection (TCP_USER_TIMEOUT). But
            // where unsent bytes wait, the peer may be there and merely have no room for them, even while it sends
            // itself. The kernel's limit ends such a connection too, so it is lifted: the limits of this relay decide
            // then.
            let ease = moved.elapsed() >= STALL && stream.has_unsent();
            if ease != *eased {
                stream.limit_silence(!ease);
                *eased = ease;
            }
        }
        None
    }

    fn limit(&self) -> (Duration, End) {
        let Patience { idle, half_closed, .. } = self.patience;
        match self.half && half_closed < idle {
            true => (Duration::from_micros(half_closed), End::HalfClosedTimeout),
            false => (Duration::from_micros(idle), End::IdleTimeout),
        }
    }
}

/// How long nothing has moved before the sockets are examined: half of the time after which the kernel ends the
/// connection of a silent peer.
const STALL: Duration = Duration::from_secs(60);

/// How long nothing has moved, after something that went to the client, until a relay that is asked to end takes that for the
/// end of an exchange.
const QUIET: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use socket2::SockRef;

    use super::*;
    use crate::relay::Left;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    const MOVED: Moved = Moved { up: true, down: true };

    /// A clock whose last byte moved so many seconds ago.
    fn silent(patience: Patience, count: u64) -> Clock {
        let mut clock = Clock::new(patience);
        clock.moved = [Instant::now().checked_sub(seconds(count)).unwrap(); 2];
        clock
    }

    #[tokio::test]
    async fn the_shorter_limit_counts_once_one_direction_is_over() {
        let pair = UnixStream::pair().unwrap();
        let [client, backend] = [pair.0, pair.1].map(|socket| {
            socket.set_nonblocking(true).unwrap();
            Stream::unix(socket).unwrap()
        });
        let patience = Patience::new(seconds(3600), seconds(10));
        let mut clock = silent(patience, 20);
        assert_eq!(clock.ring(Instant::now(), &client, &backend, false), None);
        assert!(clock.note(Moved::default(), true), "it is due earlier");
        assert!(!clock.note(Moved::default(), true));
        assert_eq!(clock.due(), clock.last() + seconds(10));
        assert_eq!(clock.ring(Instant::now(), &client, &backend, false), Some(End::HalfClosedTimeout));
        clock.note(MOVED, true);
        assert_eq!(
            clock.ring(Instant::now(), &client, &backend, false),
            None,
            "a byte that moves gives it all its time again"
        );

        let mut clock = silent(Patience::new(seconds(5), seconds(60)), 6);
        clock.note(Moved::default(), true);
        assert_eq!(
            clock.ring(Instant::now(), &client, &backend, false),
            Some(End::IdleTimeout),
            "the longer one extends nothing"
        );
    }

    #[tokio::test]
    async fn time_in_which_nothing_could_run_does_not_count() {
        let pair = UnixStream::pair().unwrap();
        pair.0.set_nonblocking(true).unwrap();
        let stream = Stream::unix(pair.0).unwrap();
        let mut clock = silent(Patience::new(seconds(5), seconds(60)), 9);
        let planned = clock.due();
        assert_eq!(clock.ring(planned, &stream, &stream, false), None, "it fires four seconds too late");
        assert!(clock.due() > Instant::now() + seconds(4), "the limit begins again");
    }

    #[tokio::test]
    async fn after_a_stall_it_looks_once_until_something_moves() {
        let pair = UnixStream::pair().unwrap();
        pair.0.set_nonblocking(true).unwrap();
        let stream = Stream::unix(pair.0).unwrap();
        let mut clock = silent(Patience::new(seconds(3600), seconds(60)), 61);
        assert_eq!(clock.due(), clock.last() + STALL);
        assert_eq!(clock.ring(Instant::now(), &stream, &stream, false), None);
        assert_eq!(clock.due(), clock.last() + seconds(3600));
        assert!(clock.note(MOVED, false), "it is due earlier");
        assert_eq!(clock.due(), clock.last() + STALL);
        assert!(!clock.note(MOVED, false), "the timer is not set anew for every byte");
    }

    #[tokio::test]
    async fn a_peer_without_room_is_for_these_limits_to_end_though_it_sends() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let backend = Stream::connect(&listener.local_addr().unwrap().into()).await.unwrap();
        let _server = listener.accept().unwrap();
        let client = Stream::connect(&listener.local_addr().unwrap().into()).await.unwrap();
        let _peer = listener.accept().unwrap();
        for stream in [&client, &backend] {
            stream.prepare().unwrap();
            std::future::poll_fn(|cx| stream.poll_write_ready(cx)).await.unwrap();
        }
        while client.try_write(&[7; 100_000]).is_ok() {}
        let limited = |stream| SockRef::from(stream).tcp_user_timeout().unwrap().is_some();
        let mut clock = silent(Patience::new(seconds(3600), seconds(60)), 300);
        for (moved, expected) in
            [(Moved { up: true, down: false }, (false, true)), (Moved { up: false, down: true }, (true, true))]
        {
            clock.note(moved, false);
            assert_eq!(clock.ring(Instant::now(), &client, &backend, false), None);
            assert_eq!((limited(&client), limited(&backend)), expected, "{moved:?}");
        }
    }

    #[tokio::test]
    async fn one_that_is_asked_ends_when_an_exchange_is_over_and_not_in_the_middle() {
        let (peers, _theirs) = connected().await;
        let [client, backend] = &peers;
        let patience = || Patience::new(seconds(3600), seconds(60)).leaving(None, seconds(30));
        let (up, down) = (Moved { up: true, down: false }, Moved { up: false, down: true });
        let politely = Some(End::Asked { by: By::Operator, left: Left::Politely });
        let asked = |moved: &[Moved], half: bool, holds: bool| {
            let mut clock = Clock::new(patience());
            for moved in moved {
                clock.heard(*moved);
                clock.note(*moved, half);
            }
            clock.moved = [Instant::now().checked_sub(seconds(2)).unwrap(); 2];
            assert!(clock.ask(By::Operator) && !clock.ask(By::Age));
            let soon = clock.due() <= Instant::now();
            (soon, clock.ring(Instant::now(), client, backend, holds), clock.due() > Instant::now() + seconds(26))
        };
        assert_eq!(asked(&[], false, false), (true, politely.clone(), false), "nothing has ever moved");
        assert_eq!(asked(&[up, down], false, false), (true, politely, false), "the request has its answer");
        assert_eq!(asked(&[down, up], false, false), (false, None, true), "a request waits for its answer");
        assert_eq!(asked(&[MOVED], false, false), (false, None, true), "which of them was first is not known");
        assert_eq!(asked(&[down], true, false), (false, None, true), "one direction has ended");
        assert_eq!(
            asked(&[down], false, true),
            (true, None, true),
            "something is not delivered, and then is waited for"
        );
    }

    #[tokio::test]
    async fn a_byte_that_moves_is_the_beginning_of_another_wait() {
        let (peers, _theirs) = connected().await;
        let [client, backend] = &peers;
        let mut clock = Clock::new(Patience::new(seconds(3600), seconds(60)).leaving(None, seconds(30)));
        clock.ask(By::Age);
        clock.heard(Moved { up: true, down: false });
        assert!(!clock.note(MOVED, false), "it waits for the answer, whatever is written");
        clock.heard(Moved { up: false, down: true });
        assert!(clock.note(MOVED, false), "it is due earlier");
        assert_eq!(clock.due(), clock.last() + QUIET);
        assert_eq!(clock.ring(Instant::now(), client, backend, false), None);
        clock.moved = [Instant::now().checked_sub(QUIET).unwrap(); 2];
        let end = Some(End::Asked { by: By::Age, left: Left::Politely });
        assert_eq!(clock.ring(Instant::now(), client, backend, false), end);
    }

    async fn connected() -> ([Stream; 2], Vec<std::net::TcpStream>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            ours.push(Stream::connect(&listener.local_addr().unwrap().into()).await.unwrap());
            theirs.push(listener.accept().unwrap().0);
        }
        (ours.try_into().unwrap_or_else(|_| unreachable!("two of them")), theirs)
    }
}
