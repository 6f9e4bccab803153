//! When each request of an open loop is due: at random moments with a fixed mean rate, whatever has become of the
//! requests before. And a thread that reports each moment when it has come. Must not know: what a request is.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::aside;

/// The moments, counted from the beginning: independent of each other (a Poisson process), and the same in every run.
pub(crate) struct Arrivals {
    mean: f64,
    at: f64,
    state: u64,
}

impl Arrivals {
    /// So many in a second, on average.
    pub(crate) fn new(rate: f64) -> Self {
        Self { mean: 1.0 / rate, at: 0.0, state: 0x9e37_79b9_7f4a_7c15 }
    }

    /// How many there are in that time.
    pub(crate) fn count_within(rate: f64, limit: Duration) -> u64 {
        Self::new(rate).take_while(|moment| *moment < limit).count() as u64
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        // In (0, 1], so that its logarithm is finite.
        let share = ((self.state >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        self.at -= share.ln() * self.mean;
        Duration::try_from_secs_f64(self.at).ok()
    }
}

/// The moments as they come. A thread keeps the time, since the runtime's own clock has steps of a millisecond.
pub(crate) struct Pace(mpsc::UnboundedReceiver<(Instant, Duration)>);

impl Pace {
    /// So many moments in a second, for that time.
    pub(crate) fn start(rate: f64, limit: Duration) -> io::Result<Self> {
        let (sender, moments) = mpsc::unbounded_channel();
        thread::Builder::new().name("pace".into()).spawn(move || {
            // The report has a warning if this fails.
            let _ = aside::precede();
            let began = Instant::now();
            for moment in Arrivals::new(rate).take_while(|moment| *moment < limit) {
                let due = began + moment;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if sender.send((due, moment)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(moments))
    }

    /// The next moment when it has come, as an instant and as the time since the beginning.
    pub(crate) async fn next(&mut self) -> Option<(Instant, Duration)> {
        self.0.recv().await
    }
}
