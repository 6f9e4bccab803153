//! The record layer: bytes in, bytes out, no I/O. Must not know: sockets, certificates, backends.
//!
//! The handshake is rustls's ([`handshaking`]). What comes after it is done by one of two [`Layer`]s that give the same
//! answers: tlsgate's own ([`own`]), which seals and opens in place, or rustls's ([`library`]), which is the reference.
//! Either serves both sides: the server's towards a client, the client's towards a backend.

use interface::{Opened, RecordError, Room};

use crate::words::words;

pub mod handshaking;
pub mod interface;
pub mod library;
pub mod own;

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

    /// Seals `count` bytes that stand in `slots`: pieces of
    /// [`MAX_FRAGMENT`](crate::tls::wire::codes::framing::MAX_FRAGMENT) bytes (the last one may be shorter), each with
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

#[cfg(test)]
mod tests;
