//! Encrypted records of TLS 1.3 → the server's messages in them. Must not know: sockets, how the keys were agreed on, what
//! the messages contain.

use super::reply::{MAX_BYTES, ReplyError};
use super::sealed::{Messages, Sealed};
use crate::tls::crypto::{HandshakeKeys, TAG_LEN, TrafficSecret};
use crate::tls::wire::codes::framing::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, MAX_FRAGMENT, RECORD_HEADER,
};

/// Opens the records of the server's first flight after its ServerHello.
#[derive(Debug)]
pub(super) struct Opening {
    /// The bytes received. The owner of the socket appends to it and then calls [`Opening::advance`].
    pub(super) raw: Vec<u8>,
    read: usize,
    keys: HandshakeKeys,
    sequence: u64,
    changes: u8,
    messages: Messages,
    alert: Option<u8>,
}

impl Opening {
    /// `rest` is what has already arrived after the ServerHello.
    pub(super) fn new(keys: HandshakeKeys, rest: Vec<u8>) -> Self {
        Self { raw: rest, read: 0, keys, sequence: 0, changes: 0, messages: Messages::default(), alert: None }
    }

    /// Opens what was appended to `raw`. `true` once the flight is complete or has ended with an alert; `false` where more
    /// bytes are needed.
    pub(super) fn advance(&mut self) -> Result<bool, ReplyError> {
        loop {
            if self.alert.is_some() || self.messages.advance()? {
                return Ok(true);
            }
            if self.raw.len() > MAX_BYTES {
                return Err(ReplyError::LongFlight);
            }
            let rest = self.raw.get_mut(self.read..).unwrap_or_default();
            let Some((header, after)) = rest.split_first_chunk_mut::<RECORD_HEADER>() else { return Ok(false) };
            let [kind, major, _, high, low] = *header;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if major != 3 {
                return Err(ReplyError::Malformed("record header"));
            }
            // RFC 8446 section 5.2.
            if length > MAX_FRAGMENT + 256 {
                return Err(ReplyError::LongRecord(length));
            }
            let Some(payload) = after.get_mut(..length) else { return Ok(false) };
            self.read += RECORD_HEADER + length;
            if kind == APPLICATION_DATA {
                let nonce = nonce(&self.keys.server, self.sequence);
                self.sequence = self.sequence.saturating_add(1);
                let plain = self.keys.server.key.open(nonce, header, payload).ok_or(ReplyError::Unopened)?;
                self.opened(self.read - length, plain)?;
                continue;
            }
            match (kind, &*payload) {
                (CHANGE_CIPHER_SPEC, [1]) if self.changes < MAX_CHANGES => self.changes += 1,
                // A server that has failed before it had keys.
                (ALERT, [_, description]) => self.alert = Some(*description),
                _ => return Err(ReplyError::Misplaced("a record that is not encrypted")),
            }
        }
    }

    /// A plaintext in `raw`: its content, the content's type, and zeros (RFC 8446 section 5.4).
    fn opened(&mut self, start: usize, length: usize) -> Result<(), ReplyError> {
        let plain = self.raw.get(start..start + length).unwrap_or_default();
        let end = plain.iter().rposition(|byte| *byte != 0).ok_or(ReplyError::Malformed("plaintext"))?;
        let (content, kind) = (plain.get(..end).unwrap_or_default(), plain.get(end).copied());
        match (kind, content) {
            (Some(HANDSHAKE), content) => self.messages.raw.extend_from_slice(content),
            (Some(ALERT), [_, description]) => self.alert = Some(*description),
            _ => return Err(ReplyError::Misplaced("a record that is neither handshake nor alert")),
        }
        Ok(())
    }

    /// A polite end for a client that does not go on: the alerts user_canceled and close_notify (RFC 8446 section 6.1),
    /// encrypted.
    pub(super) fn farewell(&self) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        for (sequence, description) in (0..).zip([USER_CANCELED, CLOSE_NOTIFY]) {
            let mut message = vec![WARNING, description, ALERT];
            let [.., high, low] = (message.len() + TAG_LEN).to_be_bytes();
            let header = [APPLICATION_DATA, 3, 3, high, low];
            let nonce = nonce(&self.keys.client, sequence);
            let tag = self.keys.client.key.seal(nonce, &header, &mut message)?;
            all.extend([&header[..], &message, &tag].concat());
        }
        Some(all)
    }

    /// What was read so far, and the alert that ended it.
    pub(super) fn into_parts(self) -> (Sealed, Option<u8>) {
        (self.messages.into_sealed(), self.alert)
    }
}

/// RFC 8446 section 5.3.
fn nonce(secret: &TrafficSecret, sequence: u64) -> [u8; 12] {
    let mut nonce = secret.iv;
    nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
    nonce
}

/// A server sends one after its ServerHello, and perhaps one after a HelloRetryRequest (RFC 8446 appendix D.4).
const MAX_CHANGES: u8 = 2;
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;
