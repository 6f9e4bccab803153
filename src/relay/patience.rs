//! How long a relay waits while nothing moves, and when it is asked to end. Must not know: what moves, how a connection is closed.

use std::time::Duration;

use tokio::time::Instant;

use crate::net::stream::Stream;
use crate::relay::End;
use crate::relay::leaving::Leaving;

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
    /// The kernel does not limit how long the client's socket, and the backend's, may wait for their peer.
    eased: [bool; 2],
}

impl Clock {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, moved: [Instant::now(); 2], half: false, looked: false, eased: [false; 2] }
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
        (something && had_looked) || (half && !was_half)
    }

    /// When to call [`Clock::ring`] next.
    pub(super) fn due(&self) -> Instant {
        let limit = self.limit().0;
        let silent = self.last() + if self.looked { limit } else { limit.min(STALL) };
        self.patience.leaving.due().map_or(silent, |leaving| silent.min(leaving))
    }

    /// Whether the relay was asked to end, and by whom.
    pub(super) fn leaving(&mut self) -> &mut Leaving {
        &mut self.patience.leaving
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
    pub(super) fn ring(&mut self, planned: Instant, client: &Stream, backend: &Stream) -> Option<End> {
        if let Some(end) = self.patience.leaving.ring(Instant::now()) {
            return Some(end);
        }
        // The process or its machine was stopped, and nothing could move: that time does not count.
        if planned.elapsed() >= LATE {
            self.moved = [Instant::now(); 2];
            self.looked = false;
            return None;
        }
        let (silent, (limit, end)) = (self.last().elapsed(), self.limit());
        if silent >= limit {
            return Some(self.patience.leaving.end(end));
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

/// How much later than planned no timer fires while the process runs.
const LATE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use socket2::SockRef;

    use super::*;

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
        assert_eq!(clock.ring(Instant::now(), &client, &backend), None);
        assert!(clock.note(Moved::default(), true), "it is due earlier");
        assert!(!clock.note(Moved::default(), true));
        assert_eq!(clock.due(), clock.last() + seconds(10));
        assert_eq!(clock.ring(Instant::now(), &client, &backend), Some(End::HalfClosedTimeout));
        clock.note(MOVED, true);
        assert_eq!(
            clock.ring(Instant::now(), &client, &backend),
            None,
            "a byte that moves gives it all its time again"
        );

        let mut clock = silent(Patience::new(seconds(5), seconds(60)), 6);
        clock.note(Moved::default(), true);
        assert_eq!(
            clock.ring(Instant::now(), &client, &backend),
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
        assert_eq!(clock.ring(planned, &stream, &stream), None, "it fires four seconds too late");
        assert!(clock.due() > Instant::now() + seconds(4), "the limit begins again");
    }

    #[tokio::test]
    async fn after_a_stall_it_looks_once_until_something_moves() {
        let pair = UnixStream::pair().unwrap();
        pair.0.set_nonblocking(true).unwrap();
        let stream = Stream::unix(pair.0).unwrap();
        let mut clock = silent(Patience::new(seconds(3600), seconds(60)), 61);
        assert_eq!(clock.due(), clock.last() + STALL);
        assert_eq!(clock.ring(Instant::now(), &stream, &stream), None);
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
            assert_eq!(clock.ring(Instant::now(), &client, &backend), None);
            assert_eq!((limited(&client), limited(&backend)), expected, "{moved:?}");
        }
    }
}
