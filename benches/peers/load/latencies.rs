//! Latencies, and the one that a share of them does not exceed. Must not know: of what.

use std::time::Duration;

/// How many must lie beyond a percentile: with fewer, chance decides it.
const BEYOND: usize = 3;

#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The shortest that at least so many of a thousand do not exceed, if enough are longer.
    pub(crate) fn permille(&self, share: usize) -> Result<Duration, String> {
        let needed = BEYOND * 1000 / (1000 - share.min(999));
        if self.0.len() < needed {
            return Err(format!("{} samples are too few; it needs {needed}", self.0.len()));
        }
        let mut sorted = self.0.clone();
        let rank = (sorted.len() * share).div_ceil(1000).max(1);
        Ok(*sorted.select_nth_unstable(rank - 1).1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Duration> {
        self.0.iter()
    }

    pub(crate) fn longest(&self) -> Option<Duration> {
        self.iter().max().copied()
    }
}
