//! The record layer: bytes in, bytes out, no I/O. Must not know: sockets, certificates, backends.
//!
//! rustls does the handshake ([`handshaking`]). After it, one of two [`Layer`]s with the same results seals and opens
//! records: tlsgate's own ([`own`]), in place, or rustls's ([`library`]), the reference. Both work on either side: as the
//! server of a client, and as the client of a backend.

use rustls::AlertDescription;

use interface::{Opened, RecordError, Room};

use crate::words::words;

pub mod handshaking;
pub mod interface;
pub mod library;
pub mod own;

/// The record layer that seals and opens records after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layer {
    /// tlsgate's own, which works in place.
    #[default]
    Tlsgate,
    /// rustls's, for users whose rules require a library's.
    Rustls,
}

words! { Layer { Tlsgate => "tlsgate", Rustls => "rustls" } }

/// One side of a TLS connection after the handshake.
pub enum Records {
    /// In [`Layer::Tlsgate`].
    Tlsgate(Box<own::Records>),
    /// In [`Layer::Rustls`].
    Rustls(Box<library::Records>),
}

impl Records {
    /// Opens the first record in `wire`, in place. Records of the protocol itself (such as the alert when this fails) are
    /// appended to `reply` and must be sent. Until it returns [`Opened::Incomplete`], call it again with the remaining
    /// bytes; they may be moved between calls, and more may be appended.
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

    /// Seals `count` bytes that lie in `slots`: pieces of [`MAX_FRAGMENT`](crate::tls::wire::codes::framing::MAX_FRAGMENT)
    /// bytes (the last one may be shorter), each with its [`Room`] around it. Returns the length of the sealed records,
    /// which are at the start of `slots`. What must be sent before them is appended to `front`. First open all received
    /// bytes, until [`Opened::Incomplete`].
    pub fn seal(&mut self, slots: &mut [u8], count: usize, front: &mut Vec<u8>) -> Result<usize, RecordError> {
        match self {
            Self::Tlsgate(records) => records.seal(slots, count, front),
            Self::Rustls(records) => records.seal(slots, count, front),
        }
    }

    /// Appends close_notify, which ends this side's data, to `sealed`.
    pub fn seal_close(&mut self, sealed: &mut Vec<u8>) -> Result<(), RecordError> {
        match self {
            Self::Tlsgate(records) => records.seal_close(sealed),
            Self::Rustls(records) => records.seal_close(sealed),
        }
    }

    /// Appends a fatal alert, which ends the connection, to `sealed`. rustls sends only alerts of its own choice, so that
    /// tlsgate's layer seals the alert after either.
    pub fn seal_alert(self, alert: AlertDescription, sealed: &mut Vec<u8>) -> Result<(), RecordError> {
        match self {
            Self::Tlsgate(records) => records.seal_alert(alert, sealed),
            Self::Rustls(records) => own::Records::take_over(records.into_connection())?.seal_alert(alert, sealed),
        }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys must not reach a log.
        f.write_str(match self {
            Self::Tlsgate(_) => "Records::Tlsgate(…)",
            Self::Rustls(_) => "Records::Rustls(…)",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
