//! The types of every record layer: what opening found, the room that sealing needs, errors. Must not know: the layers.

use std::ops::Range;

use rustls::{AlertDescription, Error};
use thiserror::Error as ThisError;

use crate::tls::wire::codes::framing::MAX_FRAGMENT;
use crate::tls::wire::fault;

/// What [`Records::open`](super::Records::open) found at the front of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// Less than a whole record.
    Incomplete,
    /// Data: `consumed` bytes are used, and the plaintext is in `plain`, a range within them.
    Data { consumed: usize, plain: Range<usize> },
    /// Not data: `consumed` bytes are used.
    Other { consumed: usize },
    /// close_notify: the peer has ended its data. Ignore whatever follows (RFC 8446 section 6.1).
    Closed,
}

/// The room that sealing needs around the plaintext of each record, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// For the header, and the explicit nonce of TLS 1.2.
    pub before: usize,
    /// For the content type of TLS 1.3, and the tag.
    pub after: usize,
}

/// Why the connection ended: the peer broke the protocol or sent a fatal alert, or sealing is not possible.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[error("{}", fault::reason(error))]
pub struct RecordError {
    /// The cause.
    pub error: Error,
    /// The alert that the peer sent, if that is the cause.
    pub received_alert: Option<AlertDescription>,
}

impl Room {
    /// The distance from one slot to the next.
    pub fn stride(self) -> usize {
        self.before + MAX_FRAGMENT + self.after
    }

    /// The range of the plaintext in each slot, for `count` bytes in all.
    pub fn pieces(self, count: usize) -> impl ExactSizeIterator<Item = Range<usize>> {
        (0..count.div_ceil(MAX_FRAGMENT)).map(move |slot| {
            let start = slot * self.stride() + self.before;
            start..start + (count - slot * MAX_FRAGMENT).min(MAX_FRAGMENT)
        })
    }
}

impl From<Error> for RecordError {
    fn from(error: Error) -> Self {
        let received_alert = match error {
            Error::AlertReceived(description) => Some(description),
            _ => None,
        };
        Self { error, received_alert }
    }
}
