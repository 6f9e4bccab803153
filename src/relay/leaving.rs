//! When a relay that is asked to end does so, and because of whom. Must not know: what moves, how a connection is closed.
//!
//! No end of data is made up: neither peer is told that the other one has finished before it has. A relay that is asked politely
//! goes on until both have finished, or nothing is under way any more, for at most its limit. Then both peers are left in a way
//! that no peer takes for an orderly end of the other's data.

use std::time::Duration;

use tokio::time::Instant;

use crate::relay::{By, End, Left};

/// Whether a relay is to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    by: Option<By>,
    /// Before the relay is asked: when it is old enough to end. Then: when it ends whatever is under way.
    at: Option<Instant>,
    /// Milliseconds: every idle connection has this.
    limit: u32,
}

impl Leaving {
    /// `aged`: when the relay is old enough to end, if ever. `limit`: how long it may take to end once it is asked.
    pub(super) fn new(aged: Option<Instant>, limit: Duration) -> Self {
        Self { by: None, at: aged, limit: limit.as_millis().try_into().unwrap_or(u32::MAX) }
    }

    /// Whether the relay was asked to end.
    pub(super) fn is_asked(&self) -> bool {
        self.by.is_some()
    }

    /// When [`Leaving::ring`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.at
    }

    /// The relay is asked to end; the first one who asks counts. Returns whether nobody has asked before.
    pub(super) fn ask(&mut self, by: By, now: Instant) -> bool {
        let is_first = self.by.is_none();
        if is_first {
            self.by = Some(by);
            // Thousands that are asked at once do not all end at once.
            let limit = Duration::from_millis(self.limit.into()).mul_f64(1.0 - fastrand::f64() / SPREAD);
            self.at = now.checked_add(limit);
        }
        is_first
    }

    /// The time has come that [`Leaving::due`] has named, or another one. Returns the end if the limit has passed.
    pub(super) fn ring(&mut self, now: Instant) -> Option<End> {
        if self.at.is_none_or(|at| at > now) || self.ask(By::Age, now) {
            return None;
        }
        self.politely()
    }

    /// How it ends if it ends now; `None` until it is asked.
    pub(super) fn politely(&self) -> Option<End> {
        self.by.map(|by| End::Asked { by, left: Left::Politely })
    }

    /// The relay is to end immediately.
    pub(super) fn at_once() -> End {
        End::Asked { by: By::Operator, left: Left::AtOnce }
    }
}

/// The limit is shortened by a random part of itself, at most this one: a tenth.
const SPREAD: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn who_asks_first_is_the_reason_and_the_limit_runs_from_then() {
        let (began, limit) = (Instant::now(), Duration::from_secs(30));
        let mut leaving = Leaving::new(Some(began + HOUR), limit);
        assert_eq!((leaving.ring(began), leaving.is_asked(), leaving.due()), (None, false, Some(began + HOUR)));
        assert_eq!(leaving.politely(), None);
        assert_eq!((leaving.ring(began + HOUR), leaving.is_asked()), (None, true));
        let due = leaving.due().unwrap();
        assert!(
            due > began + HOUR + limit * 9 / 10 - Duration::from_millis(1) && due <= began + HOUR + limit,
            "{due:?}"
        );
        assert!(!leaving.ask(By::Operator, began + HOUR * 2));
        assert_eq!((leaving.due(), leaving.ring(began + HOUR)), (Some(due), None));
        let end = End::Asked { by: By::Age, left: Left::Politely };
        assert_eq!((leaving.ring(due), leaving.politely()), (Some(end.clone()), Some(end)));
    }

    #[test]
    fn without_an_age_only_a_request_ends_it() {
        let (began, mut leaving) = (Instant::now(), Leaving::new(None, HOUR));
        assert_eq!((leaving.due(), leaving.ring(began + HOUR * 1000)), (None, None));
        assert!(leaving.ask(By::Operator, began));
        assert_eq!(leaving.ring(began + HOUR), Some(End::Asked { by: By::Operator, left: Left::Politely }));
    }
}
