//! When a certificate is renewed, and when an attempt that failed is made again. Pure: the time and the chance are arguments.
//! Must not know: clocks, files, authorities.

use serde::{Deserialize, Serialize};

use crate::acme::status::{Next, Why};

pub mod attempts;

/// The time in which a certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    pub not_before: i64,
    pub not_after: i64,
}

impl Lifetime {
    fn length(self) -> i64 {
        self.not_after.saturating_sub(self.not_before).max(0)
    }

    /// The latest moment of an ordinary renewal: a third of the lifetime is left, or half of it, for a certificate that lives
    /// less than ten days.
    pub fn latest(self) -> i64 {
        self.not_after.saturating_sub(self.reserve())
    }

    fn reserve(self) -> i64 {
        self.length() / if self.length() < SHORT { 2 } else { 3 }
    }

    /// A moment in the last tenth of the lifetime before [`Self::latest`]. `chance`, in 0.0 ..= 1.0, is drawn once for each
    /// certificate: many of them, issued at one time, are not renewed at one time.
    pub fn renewal(self, chance: f64) -> i64 {
        self.latest().saturating_sub(share(self.length() / 10, chance))
    }

    /// Later than this, no proposal of the authority is followed: half of what is left at [`Self::latest`] stays for failures.
    fn limit(self) -> i64 {
        self.not_after.saturating_sub(self.reserve() / 2)
    }
}

/// The window in which an authority proposes to renew a certificate (RFC 9773 section 4.2), and the moment in it that was
/// chosen. It is chosen once: a restart or another answer with the same window changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub start: i64,
    pub end: i64,
    pub at: i64,
    /// A page that explains it.
    pub explanation: Option<String>,
}

impl Proposal {
    /// Chooses a moment in the window. `None` where the window ends before it starts: such an answer must be ignored.
    pub fn choose((start, end): (i64, i64), explanation: Option<String>, chance: f64) -> Option<Self> {
        let length = end.checked_sub(start).filter(|length| *length > 0)?;
        Some(Self { start, end, at: start.saturating_add(share(length, chance)), explanation })
    }
}

/// What is known of a certificate when its next renewal is planned.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Of the certificate that there is.
    pub lifetime: Option<Lifetime>,
    /// Of that certificate.
    pub proposal: Option<&'a Proposal>,
    /// Drawn once for that certificate.
    pub chance: f64,
    /// Somebody has asked for a new one, or the one that there is has been revoked.
    pub at_once: Option<Why>,
    /// Whether the last attempt failed.
    pub failing: bool,
}

/// When the certificate is due, whatever attempts are allowed then. It may be in the past.
pub fn due(facts: &Facts<'_>, now: i64) -> Next {
    let Some(lifetime) = facts.lifetime else {
        let why = if facts.failing { Why::Retry } else { Why::First };
        return Next { at: now, why };
    };
    if let Some(why) = facts.at_once {
        return Next { at: now, why };
    }
    let next = match facts.proposal {
        Some(proposal) => proposed(proposal, lifetime, now),
        None => Next { at: lifetime.renewal(facts.chance), why: Why::Lifetime },
    };
    match facts.failing && next.at <= now {
        true => Next { at: next.at, why: Why::Retry },
        false => next,
    }
}

fn proposed(proposal: &Proposal, lifetime: Lifetime, now: i64) -> Next {
    let withdrawn = proposal.end <= now && now < lifetime.latest();
    let why = if withdrawn { Why::Withdrawn } else { Why::Ari };
    match proposal.at > lifetime.limit() {
        // The authority proposes a time at which nothing could go wrong any more.
        true => Next { at: lifetime.limit(), why: Why::Lifetime },
        false => Next { at: proposal.at, why },
    }
}

/// From when on fallbacks are asked too: after a day of failures, or when half of the lifetime that was left at the first
/// failure is gone, whichever is earlier.
pub fn fallback_from(failing_since: i64, lifetime: Option<Lifetime>) -> i64 {
    let left = lifetime.map_or(DAY * 2, |lifetime| lifetime.not_after.saturating_sub(failing_since));
    failing_since.saturating_add((left / 2).clamp(0, DAY))
}

/// The longest pause after failures: a day, or an eighth of what is left of the certificate's lifetime, but not less than an
/// hour. With a day for each, two failures in a row could end a certificate that lives for six.
pub fn longest_pause(lifetime: Option<Lifetime>, now: i64) -> i64 {
    match lifetime.map(|lifetime| lifetime.not_after.saturating_sub(now)) {
        Some(left) if left > 0 => (left / 8).clamp(HOUR, DAY),
        // Nothing is left to be saved in a hurry: such a name may have been given up.
        _ => DAY,
    }
}

/// When the authority is next asked for its proposal: as its `Retry-After` says, within bounds.
pub fn next_question(now: i64, retry_after: Option<i64>) -> i64 {
    let pause = retry_after.map_or(QUESTION, |at| at.saturating_sub(now));
    now.saturating_add(pause.clamp(MINUTE, DAY))
}

fn share(length: i64, chance: f64) -> i64 {
    // Lengths are seconds of certificates' lifetimes: far below the 2^52 from which a float is inexact.
    (length as f64 * chance.clamp(0.0, 1.0)) as i64
}

pub const MINUTE: i64 = 60;
pub const DAY: i64 = 86_400;
pub const HOUR: i64 = 3600;

/// A certificate that lives less than this is renewed earlier: an outage of a weekend must not end it.
const SHORT: i64 = 10 * DAY;

/// Where the authority does not say when to ask again. RFC 9773 section 4.3 asks for at least once a day.
const QUESTION: i64 = 6 * HOUR;

#[cfg(test)]
mod tests;
