//! How long a relay waits while nothing moves. Must not know: what moves, how a connection is closed.

use std::time::Duration;

use tokio::time::Instant;

use crate::net::stream::Stream;
use crate::relay::End;

/// The limits of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Without a byte in either direction.
    pub idle: Duration,
    /// The same once one direction is over.
    pub half_closed: Duration,
}

/// Tells when something is due. It holds no timer: who asks has one, which is set to [`Clock::due`].
#[derive(Debug)]
pub(super) struct Clock {
    // Microseconds: every idle connection has one of these.
    idle: u64,
    half_closed: u64,
    moved: Instant,
    /// One direction is over.
    half: bool,
    /// Nothing has moved since the sockets were looked at.
    looked: bool,
    /// The client's socket, and the backend's, wait for their peer without a limit.
    eased: [bool; 2],
}

impl Clock {
    pub(super) fn new(patience: Patience) -> Self {
        let micros = |limit: Duration| limit.as_micros().try_into().unwrap_or(u64::MAX);
        let (idle, half_closed) = (micros(patience.idle), micros(patience.half_closed));
        Self { idle, half_closed, moved: Instant::now(), half: false, looked: false, eased: [false; 2] }
    }

    /// What has happened. Returns whether something is due earlier than it was.
    pub(super) fn note(&mut self, moved: bool, half: bool) -> bool {
        let (had_looked, was_half) = (self.looked, self.half);
        self.half = half;
        if moved {
            self.moved = Instant::now();
            self.looked = false;
        }
        (moved && had_looked) || (half && !was_half)
    }

    /// When to call [`Clock::ring`] next.
    pub(super) fn due(&self) -> Instant {
        let limit = self.limit().0;
        self.moved + if self.looked { limit } else { limit.min(STALL) }
    }

    /// Something is due: if it is the end, which one.
    pub(super) fn ring(&mut self, client: &Stream, backend: &Stream) -> Option<End> {
        let (silent, (limit, end)) = (self.moved.elapsed(), self.limit());
        if silent >= limit {
            return Some(end);
        }
        self.looked = silent >= STALL;
        for (stream, eased) in [client, backend].into_iter().zip(&mut self.eased) {
            // While it moves, or where nothing waits to be sent, whoever does not answer is gone. Where something waits, the
            // peer may be there and have no room for it: that is for these limits to end, not for the kernel.
            let ease = self.looked && stream.has_unsent();
            if ease != *eased {
                stream.limit_silence(!ease);
                *eased = ease;
            }
        }
        None
    }

    fn limit(&self) -> (Duration, End) {
        match self.half && self.half_closed < self.idle {
            true => (Duration::from_micros(self.half_closed), End::HalfClosedTimeout),
            false => (Duration::from_micros(self.idle), End::IdleTimeout),
        }
    }
}

/// How long nothing has moved before the sockets are looked at: half of the time after which the kernel gives a silent peer up.
const STALL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A clock whose last byte moved so many seconds ago.
    fn silent(patience: Patience, count: u64) -> Clock {
        let mut clock = Clock::new(patience);
        clock.moved = Instant::now().checked_sub(seconds(count)).unwrap();
        clock
    }

    #[tokio::test]
    async fn the_shorter_limit_counts_once_one_direction_is_over() {
        let pair = UnixStream::pair().unwrap();
        let [client, backend] = [pair.0, pair.1].map(|socket| {
            socket.set_nonblocking(true).unwrap();
            Stream::unix(socket).unwrap()
        });
        let patience = Patience { idle: seconds(3600), half_closed: seconds(10) };
        let mut clock = silent(patience, 20);
        assert_eq!(clock.ring(&client, &backend), None);
        assert!(clock.note(false, true), "it is due earlier");
        assert!(!clock.note(false, true));
        assert_eq!(clock.due(), clock.moved + seconds(10));
        assert_eq!(clock.ring(&client, &backend), Some(End::HalfClosedTimeout));
        clock.note(true, true);
        assert_eq!(clock.ring(&client, &backend), None, "a byte that moves gives it all its time again");

        let mut clock = silent(Patience { idle: seconds(5), half_closed: seconds(60) }, 6);
        clock.note(false, true);
        assert_eq!(clock.ring(&client, &backend), Some(End::IdleTimeout), "the longer one extends nothing");
    }

    #[tokio::test]
    async fn after_a_stall_it_looks_once_until_something_moves() {
        let pair = UnixStream::pair().unwrap();
        pair.0.set_nonblocking(true).unwrap();
        let stream = Stream::unix(pair.0).unwrap();
        let mut clock = silent(Patience { idle: seconds(3600), half_closed: seconds(60) }, 61);
        assert_eq!(clock.due(), clock.moved + STALL);
        assert_eq!(clock.ring(&stream, &stream), None);
        assert_eq!(clock.due(), clock.moved + seconds(3600));
        assert!(clock.note(true, false), "it is due earlier");
        assert_eq!(clock.due(), clock.moved + STALL);
        assert!(!clock.note(true, false), "the timer is not set anew for every byte");
    }
}
