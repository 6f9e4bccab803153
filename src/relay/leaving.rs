//! When a relay that is asked to end does so, and because of whom. Must not know: what moves, how a connection is closed.
//!
//! A relay that is asked politely ends the client's data for the server, at a moment when the client has sent nothing that
//! still has to be delivered. The server then ends its own data as after any client that has finished, and all that it sends
//! until then reaches the client, with the server's own end. So no answer that is under way is cut off, and no part of one
//! is passed off as the whole. A server that goes on for longer than the limit is cut off, as at the end of the process.

use std::time::Duration;

use tokio::time::Instant;

use crate::relay::{By, End, Left};

/// Whether a relay is to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    by: Option<By>,
    /// Before the relay is asked: when it is old enough to end. Then: when it is cut off.
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
            self.at = now.checked_add(Duration::from_millis(self.limit.into()));
        }
        is_first
    }

    /// The time has come that [`Leaving::due`] has named, or another one. Returns the end if the relay is cut off.
    pub(super) fn ring(&mut self, now: Instant) -> Option<End> {
        if self.at.is_none_or(|at| at > now) {
            return None;
        }
        if self.ask(By::Age, now) { None } else { self.by.map(|by| End::Asked { by, left: Left::Late }) }
    }

    /// The relay is to end immediately.
    pub(super) fn at_once() -> End {
        End::Asked { by: By::Operator, left: Left::AtOnce }
    }

    /// How the relay ended, which is because it was asked if it would otherwise go on.
    pub(super) fn end(&self, end: End) -> End {
        match (self.by, &end) {
            (Some(by), End::Completed) => End::Asked { by, left: Left::Complete },
            (Some(by), End::IdleTimeout | End::HalfClosedTimeout) => End::Asked { by, left: Left::Late },
            _ => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn who_asks_first_is_the_reason_and_the_limit_runs_from_then() {
        let (began, limit) = (Instant::now(), Duration::from_secs(30));
        let mut leaving = Leaving::new(Some(began + HOUR), limit);
        assert_eq!((leaving.ring(began), leaving.is_asked(), leaving.due()), (None, false, Some(began + HOUR)));
        assert_eq!((leaving.ring(began + HOUR), leaving.is_asked()), (None, true));
        assert!(!leaving.ask(By::Operator, began + HOUR * 2));
        assert_eq!(leaving.due(), Some(began + HOUR + limit));
        assert_eq!(leaving.end(End::Completed), End::Asked { by: By::Age, left: Left::Complete });
        assert_eq!(leaving.end(End::BackendReset), End::BackendReset, "which would have happened in any case");
        assert_eq!(leaving.ring(began + HOUR), None);
        assert_eq!(leaving.ring(began + HOUR + limit), Some(End::Asked { by: By::Age, left: Left::Late }));
    }

    #[test]
    fn without_an_age_only_a_request_ends_it() {
        let (began, mut leaving) = (Instant::now(), Leaving::new(None, HOUR));
        assert_eq!((leaving.due(), leaving.ring(began + HOUR * 1000)), (None, None));
        assert_eq!(leaving.end(End::Completed), End::Completed);
        assert!(leaving.ask(By::Operator, began));
        assert_eq!(leaving.end(End::IdleTimeout), End::Asked { by: By::Operator, left: Left::Late });
    }
}
