//! What every record layer answers: what it found, the room that it needs, how it fails. Must not know: which layers there
//! are.

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
    /// The first `consumed` bytes are done with; the plaintext stands in `plain`, which lies within them.
    Data { consumed: usize, plain: Range<usize> },
    /// The first `consumed` bytes are done with, and were not data.
    Other { consumed: usize },
    /// close_notify: the peer has ended its data, and what else it sends is to be ignored.
    Closed,
}

/// Room that sealing a record takes around its plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub before: usize,
    pub after: usize,
}

/// The peer broke the protocol, or sent a fatal alert.
#[derive(Debug, Clone, PartialEq, ThisError)]
#[error("{}", fault::reason(error))]
pub struct RecordError {
    pub error: Error,
    /// The alert that the peer sent, if that is what ended it.
    pub received_alert: Option<AlertDescription>,
}

impl Room {
    /// The distance from one slot to the next.
    pub fn stride(self) -> usize {
        self.before + MAX_FRAGMENT + self.after
    }

    /// Where the plaintext of each slot stands, for `count` bytes in all.
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
