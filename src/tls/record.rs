//! The record layer: bytes in, bytes out, no I/O. Must not know: sockets, certificates, backends.
//!
//! The handshake is rustls's ([`Handshaking`]). What comes after it is done by one of two [`Layer`]s that give the same
//! answers: tlsgate's own ([`own`]), which seals and opens in place, or rustls's ([`library`]), which is the reference.
//! Either serves both sides: the server's towards a client, the client's towards a backend.

use std::ops::Range;

use rustls::{AlertDescription, Error};
use thiserror::Error as ThisError;

use crate::tls::wire::fault;
use crate::words::words;

pub mod handshaking;
pub mod library;
pub mod own;

pub use handshaking::{Finished, Handshaking, Negotiated};

/// Who seals and opens records once the handshake is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layer {
    /// tlsgate's own.
    #[default]
    Tlsgate,
    /// rustls's, for those whose rules demand a library's.
    Rustls,
}

words! { Layer { Tlsgate => "tlsgate", Rustls => "rustls" } }

/// One side of a TLS connection whose handshake is done.
pub enum Records {
    Tlsgate(Box<own::Records>),
    Rustls(Box<library::Records>),
}

/// What [`Records::open`] found at the front of the bytes.
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

impl Records {
    /// Opens what stands at the front of `wire`, in place. What the protocol itself has to say (alerts, also the one when
    /// this fails) is appended to `reply`. Until it says [`Opened::Incomplete`], it is to be called again with the
    /// bytes that are left; they may be moved meanwhile, and more may be appended.
    pub fn open(&mut self, wire: &mut [u8], reply: &mut Vec<u8>) -> Result<Opened, RecordError> {
        match self {
            Self::Tlsgate(records) => records.open(wire, reply),
            Self::Rustls(records) => records.open(wire, reply),
        }
    }

    /// The room that each record needs around its plaintext.
    pub fn room(&self) -> Room {
        match self {
            Self::Tlsgate(records) => records.room(),
            Self::Rustls(records) => records.room(),
        }
    }

    /// Seals `count` bytes that stand in `slots`: pieces of [`MAX_FRAGMENT`] bytes (the last one may be shorter), each with
    /// its [`Room`] around it. Returns how many bytes of sealed records `slots` now begins with. What has to go out before
    /// them is appended to `front`. Everything that came must have been opened before, until [`Opened::Incomplete`].
    pub fn seal(&mut self, slots: &mut [u8], count: usize, front: &mut Vec<u8>) -> Result<usize, RecordError> {
        match self {
            Self::Tlsgate(records) => records.seal(slots, count, front),
            Self::Rustls(records) => records.seal(slots, count, front),
        }
    }

    /// Appends close_notify, the end of this side's data.
    pub fn seal_close(&mut self, sealed: &mut Vec<u8>) -> Result<(), RecordError> {
        match self {
            Self::Tlsgate(records) => records.seal_close(sealed),
            Self::Rustls(records) => records.seal_close(sealed),
        }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tlsgate(_) => "Records::Tlsgate(…)",
            Self::Rustls(_) => "Records::Rustls(…)",
        })
    }
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

/// The longest plaintext of one record (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
pub const MAX_FRAGMENT: usize = 1 << 14;

/// The longest record on the wire, of either version (RFC 5246 section 6.2.3 allows more than RFC 8446 section 5.2).
pub const MAX_RECORD: usize = 5 + MAX_FRAGMENT + 2048;

#[cfg(test)]
mod tests;
