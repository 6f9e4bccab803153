//! The two ways of a relay, and what an end is called that comes from the source of one. Must not know: when a way ends.

use crate::relay::End;
use crate::tls::record::interface::RecordError;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client to the backend.
    Up,
    /// From the backend to the client.
    Down,
}

impl Direction {
    pub(super) fn reset(self) -> End {
        match self {
            Self::Up => End::ClientReset { ended: false },
            Self::Down => End::BackendReset,
        }
    }

    pub(super) fn truncated(self) -> End {
        match self {
            Self::Up => End::ClientTruncated,
            Self::Down => End::BackendTruncated,
        }
    }

    pub(super) fn failure(self, error: &RecordError) -> End {
        match (self, error.received_alert) {
            (Self::Up, Some(alert)) => End::ClientAlert(alert),
            (Self::Down, Some(alert)) => End::BackendAlert(alert),
            (_, None) => self.bad_record(error.to_string()),
        }
    }

    pub(super) fn bad_record(self, reason: String) -> End {
        match self {
            Self::Up => End::ClientBadRecord { reason, last_words: Vec::new() },
            Self::Down => End::BackendBadRecord { reason, last_words: Vec::new() },
        }
    }
}
