//! Whether more handshakes fail than before: pure arithmetic. Must not know: whose handshakes they are, over which time they were
//! counted.

/// Handshakes that have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handshakes {
    /// They came to a session.
    pub done: u64,
    /// They have failed for a reason that can lie in what is served.
    pub failed: u64,
}

impl Handshakes {
    pub(super) fn all(self) -> u64 {
        self.done.saturating_add(self.failed)
    }

    pub(super) fn plus(self, more: Self) -> Self {
        Self { done: self.done.saturating_add(more.done), failed: self.failed.saturating_add(more.failed) }
    }

    /// What was counted since the same counters were at `before`. Counters that have gone back were removed in between, and
    /// have begun anew.
    pub(super) fn since(self, before: Self) -> Self {
        match (self.done.checked_sub(before.done), self.failed.checked_sub(before.failed)) {
            (Some(done), Some(failed)) => Self { done, failed },
            _ => self,
        }
    }

    /// How many of all have failed, from 0 to 1; of none, none.
    fn share(self) -> f64 {
        self.failed as f64 / self.all().max(1) as f64
    }
}

/// Whether so many more fail now that it is no coincidence, and no trifle either.
pub(super) fn is_worse(before: Handshakes, now: Handshakes) -> bool {
    if now.failed < FEWEST_FAILED {
        return false;
    }
    if before.all() < FEWEST {
        // There is nothing to compare with. On a node without much traffic most handshakes may be those of scanners, but a
        // certificate that nobody accepts must not go to all other nodes only because this one has just started.
        return now.all() >= FEWEST && now.share() > 0.5;
    }
    let (was, is) = (before.share(), now.share());
    // Among a hundred thousand, 3.3 % is certainly more than 3.0 %, and no reason to take a release back.
    let is_much = is >= was * TIMES || is >= was + POINTS;
    is_much && deviation(before, now) > DEVIATIONS
}

/// By how many standard deviations the share of failures has grown, if both times have the same share in truth: the test of two
/// proportions, pooled, with the correction for continuity.
fn deviation(before: Handshakes, now: Handshakes) -> f64 {
    let inverse = 1.0 / before.all().max(1) as f64 + 1.0 / now.all().max(1) as f64;
    let pooled = before.plus(now).share();
    let error = (pooled * (1.0 - pooled) * inverse).sqrt();
    // Where all have failed at both times, the error is 0, and what is divided by it is below 0.
    (now.share() - before.share() - inverse / 2.0) / error
}

/// A handful: one client that tries again must not be enough.
const FEWEST_FAILED: u64 = 5;

/// With fewer handshakes there is no share to speak of.
const FEWEST: u64 = 20;

/// Once in some 700 looks by chance, if handshakes failed independently of each other.
const DEVIATIONS: f64 = 3.0;

/// At least this many times the share from before…
const TIMES: f64 = 1.5;

/// … or this much more.
const POINTS: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(failed: u64, all: u64) -> Handshakes {
        Handshakes { done: all - failed, failed }
    }

    #[test]
    fn what_fails_significantly_more_often_is_worse() {
        for (before, now) in [
            (of(3, 900), of(41, 120)),
            (of(0, 1_000), of(5, 200)),
            (of(0, 20), of(5, 5)),
            (of(40, 100), of(300, 500)),
            // Half more is not reached, and a tenth more is.
            (of(700, 1_000), of(800, 1_000)),
            (of(100, 100_000), of(300, 100_000)),
        ] {
            assert!(is_worse(before, now), "{before:?}, then {now:?}");
        }
    }

    #[test]
    fn what_may_be_chance_or_is_a_trifle_is_not() {
        for (before, now) in [
            (of(0, 1_000), of(4, 4)),
            (of(3, 900), of(5, 300)),
            (of(10, 100), of(16, 100)),
            (of(0, 30), of(0, 30)),
            (of(30, 30), of(500, 500)),
            (of(41, 120), of(3, 900)),
            (of(3_000, 100_000), of(3_300, 100_000)),
            (of(700, 1_000), of(790, 1_000)),
            (Handshakes::default(), Handshakes::default()),
        ] {
            assert!(!is_worse(before, now), "{before:?}, then {now:?}");
        }
    }

    #[test]
    fn without_a_past_more_than_half_of_twenty_must_fail() {
        for before in [of(0, 0), of(0, 19), of(19, 19)] {
            assert!(is_worse(before, of(11, 20)), "{before:?}");
            assert!(!is_worse(before, of(10, 20)), "{before:?}");
            assert!(!is_worse(before, of(19, 19)), "{before:?}");
        }
    }

    #[test]
    fn figures_that_are_as_large_as_can_be_are_compared() {
        let most = Handshakes { done: u64::MAX, failed: u64::MAX };
        assert!(!is_worse(most, most));
        assert!(is_worse(of(1, u64::MAX), most));
    }

    #[test]
    fn counters_that_were_removed_begin_anew() {
        assert_eq!(of(5, 20).since(of(2, 10)), of(3, 10));
        assert_eq!(of(5, 20).since(of(5, 20)), of(0, 0));
        assert_eq!(of(2, 10).since(of(5, 20)), of(2, 10));
    }
}
