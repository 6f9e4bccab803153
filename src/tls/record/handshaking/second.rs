//! Holds a second ClientHello back until it is whole, and compares it with the first. Must not know: rustls's state, what
//! a ClientHello says.

use rustls::{AlertDescription, Error, InvalidMessage};

use super::shape::{Refused, Shape};
use crate::tls::wire::codes::framing::{CLIENT_HELLO, HANDSHAKE};
use crate::tls::wire::hello;
use crate::tls::wire::hello::MAX_BYTES;
use crate::tls::wire::hello::second::{Difference, compare};

/// What is known of the ClientHellos of a handshake.
pub(super) enum Hellos {
    /// There is none to wait for: this is the client's side, or the second one has come.
    Settled,
    /// The first one is whole in the first record, which rustls leaves as it is.
    InWire,
    /// The first one, taken out of its records before rustls puts them together in their place.
    Kept(Vec<u8>),
    /// The second one is due.
    Due(Due),
}

/// A second ClientHello that is due.
pub(super) struct Due {
    first: Vec<u8>,
    /// What there is of it.
    message: Vec<u8>,
    /// How many bytes on the wire that took, counted from the first one that rustls has not seen.
    read: usize,
}

impl Hellos {
    /// What a client sent so far, which begins with its ClientHello.
    pub(super) fn of(wire: &[u8]) -> Self {
        let in_one_record = match wire {
            [_, _, _, high, low, _, a, b, c, ..] => {
                let (record, message) = ([0, 0, *high, *low], [0, *a, *b, *c]);
                u32::from_be_bytes(record) >= u32::from_be_bytes(message).saturating_add(4)
            }
            _ => true,
        };
        match hello::handshake_payload(wire).filter(|_| !in_one_record) {
            Some(first) => Self::Kept(first),
            None => Self::InWire,
        }
    }

    /// A HelloRetryRequest went out; what was used of the wire is the first hello.
    pub(super) fn retried(&mut self, used: &[u8]) {
        let first = match std::mem::replace(self, Self::Settled) {
            Self::Kept(first) => first,
            // Were it not there, the second one would be refused.
            Self::InWire => hello::handshake_payload(used).unwrap_or_default(),
            other => {
                *self = other;
                return;
            }
        };
        *self = Self::Due(Due { first, message: Vec::new(), read: 0 });
    }
}

/// What to do with the bytes that rustls has not seen yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// More has to come.
    Wait,
    /// So many of them are no ClientHello; rustls knows what becomes of them.
    Show(usize),
    /// So many of them are the second hello, which is the first again.
    Settle(usize),
}

impl Due {
    /// Looks at the bytes that rustls has not seen. `shape` tells of the first record there.
    pub(super) fn look(
        &mut self,
        unseen: &[u8],
        shape: impl Fn(&[u8]) -> Result<Option<Shape>, Refused>,
    ) -> Result<Next, Refused> {
        loop {
            let Some(record) = unseen.get(self.read..).map(&shape).transpose()?.flatten() else {
                return Ok(Next::Wait);
            };
            let end = self.read + record.end;
            if record.kind != HANDSHAKE {
                // A change_cipher_spec in front, or early data (RFC 8446 section 4.2.10). Within a hello nothing may come,
                // which rustls sees.
                return Ok(self.pass(end));
            }
            self.message.extend_from_slice(unseen.get(self.read + record.start..end).unwrap_or_default());
            self.read = end;
            if self.message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
                return Ok(self.pass(end));
            }
            let Some(([_, length @ ..], body)) = self.message.split_first_chunk::<4>() else { continue };
            let [high, middle, low] = *length;
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length >= MAX_BYTES {
                return Err(Refused::by(InvalidMessage::HandshakePayloadTooLarge));
            }
            if let Some(body) = body.get(..length) {
                return compare(&self.first, body).map(|()| Next::Settle(end)).map_err(|difference| {
                    let alert = match difference {
                        Difference::Malformed => AlertDescription::DecodeError,
                        Difference::Changed(_) => AlertDescription::IllegalParameter,
                    };
                    Refused { error: Error::General(difference.to_string()), alert }
                });
            }
        }
    }

    fn pass(&mut self, end: usize) -> Next {
        self.message.clear();
        self.read = 0;
        Next::Show(end)
    }
}
