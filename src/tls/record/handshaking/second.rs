//! Holds back a second ClientHello until it is complete, and compares it with the first. Must not know: rustls's state, the
//! contents of a ClientHello.

use rustls::{AlertDescription, Error, InvalidMessage};

use super::shape::{Refused, Shape};
use crate::tls::wire::codes::framing::{CLIENT_HELLO, HANDSHAKE};
use crate::tls::wire::hello;
use crate::tls::wire::hello::MAX_BYTES;
use crate::tls::wire::hello::second::{Difference, compare};

/// The state of a handshake's ClientHellos.
pub(super) enum Hellos {
    /// No hello is expected: this is the client's side, or the second hello has arrived.
    Settled,
    /// The first hello is complete in the first record, which rustls leaves unchanged.
    InWire,
    /// A copy of the first hello, made because rustls joins several records by overwriting them in place.
    Kept(Vec<u8>),
    /// The second hello is expected.
    Due(Due),
}

/// A second ClientHello that is expected.
pub(super) struct Due {
    first: Vec<u8>,
    /// What has arrived of the second.
    message: Vec<u8>,
    /// How many bytes of the wire it takes so far, counted from the first byte that rustls has not read.
    read: usize,
}

impl Hellos {
    /// The state at the start. `wire` is what the client has sent so far; it begins with its ClientHello.
    pub(super) fn of(wire: &[u8]) -> Self {
        // Almost every hello is in one record, and then needs no copy: header, message type, length.
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

    /// A HelloRetryRequest was sent: the second hello is expected. `used` is what rustls has used of the wire: the first
    /// hello.
    pub(super) fn retried(&mut self, used: &[u8]) {
        let first = match std::mem::replace(self, Self::Settled) {
            Self::Kept(first) => first,
            // If it were missing, the second hello would be refused as different from it.
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
    /// Wait for more bytes.
    Wait,
    /// Give rustls this number of bytes: they are not a ClientHello, and rustls decides about them.
    Show(usize),
    /// Give rustls this number of bytes: they are the second hello, which repeats the first.
    Settle(usize),
}

impl Due {
    /// Checks the bytes that rustls has not read. `shape` returns the first record in them.
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
                // A change_cipher_spec before it, or early data (RFC 8446 section 4.2.10). If it is in the middle of a
                // hello, rustls refuses it.
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
            // The same limit as for the first hello.
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
