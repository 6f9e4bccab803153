//! Back-off: how long after one attempt the next is allowed, whatever happens in between. Pure: the time and the chance are
//! arguments. Must not know: clocks, files, what is attempted.

use serde::{Deserialize, Serialize};

use super::{DAY, MINUTE};

/// The attempts for one thing at one authority. Remembered *before* an attempt begins, so that one that ends in a crash counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempts {
    /// Attempts in a row that brought nothing lasting.
    pub count: u32,
    /// When `next` was determined.
    pub since: i64,
    /// Before this, none is allowed.
    pub next: i64,
    /// When the last one succeeded.
    pub succeeded: Option<i64>,
}

impl Attempts {
    /// An attempt begins. The next one is allowed only after a pause that is as long as if this one fails.
    /// `longest` is the longest pause ([`super::longest_pause`]).
    pub fn begin(&mut self, now: i64, chance: f64, longest: i64) {
        self.count = self.count.saturating_add(1);
        self.since = now;
        self.next = now.saturating_add(pause(self.count, chance, longest));
    }

    /// The attempt has failed. The pause is counted from now, and is not shorter than the authority demands.
    pub fn fail(&mut self, now: i64, chance: f64, longest: i64, retry_after: Option<i64>) {
        self.since = now;
        let demanded = retry_after.map_or(now, |at| at.min(now.saturating_add(LONGEST_DEMAND)));
        self.next = now.saturating_add(pause(self.count, chance, longest)).max(demanded);
    }

    /// The attempt has succeeded. What it brought should last for `expected` seconds. Where the success before it did not last
    /// a quarter of that, the pause stays: an authority that withdraws each certificate at once is not asked without end.
    pub fn succeed(&mut self, now: i64, expected: i64) {
        let lasting = (expected / 4).clamp(0, DAY);
        let lasted = self.succeeded.is_none_or(|before| now.saturating_sub(before) >= lasting || before > now);
        if lasted {
            (self.count, self.next) = (0, now);
        }
        self.since = now;
        self.succeeded = Some(now);
    }

    /// Whether an attempt is allowed. A clock that has jumped back does not allow one earlier, and does not forbid it for
    /// longer than the pause was.
    pub fn allowed_from(&self, now: i64) -> i64 {
        match now < self.since {
            true => now.saturating_add(self.next.saturating_sub(self.since)),
            false => self.next,
        }
    }

    /// Takes note of a clock that has jumped back. Whether anything has changed.
    pub fn rebase(&mut self, now: i64) -> bool {
        if now >= self.since {
            return false;
        }
        self.next = self.allowed_from(now);
        self.since = now;
        true
    }

    /// Somebody asks for an attempt now.
    pub fn allow(&mut self, now: i64) {
        (self.since, self.next) = (now, now);
    }
}

/// From a minute, doubling, to the longest; half of it more or less, by chance.
fn pause(count: u32, chance: f64, longest: i64) -> i64 {
    let doublings = count.saturating_sub(1).min(MOST_DOUBLINGS);
    let whole = (MINUTE << doublings).min(longest);
    whole / 2 + super::share(whole, chance)
}

/// 2^11 minutes are more than a day.
const MOST_DOUBLINGS: u32 = 11;

/// Limits of public authorities last a week at most. Without a bound, one wrong answer could forbid renewals for ever.
const LONGEST_DEMAND: i64 = 8 * DAY;
