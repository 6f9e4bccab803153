//! Opening: records → content and its type, and how each type is processed. Must not know: who receives the data.

use std::ops::Range;

use rustls::{AlertDescription, Error, InvalidMessage, PeerMisbehaved};

use super::key::{EXPLICIT_NONCE, Format, tls12_bound};
use super::{Allowed, FatalAlert, KEY_UPDATES, Records, State, unexpected};
use crate::tls::crypto::TAG_LEN;
use crate::tls::record::interface::{Opened, RecordError};
use crate::tls::wire::codes::framing::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, FATAL, HANDSHAKE, MAX_FRAGMENT, RECORD_HEADER, WARNING,
};

/// A record that was opened.
struct Record {
    kind: u8,
    /// Where its content is.
    content: Range<usize>,
    /// Where it ends on the wire.
    end: usize,
}

impl Records {
    /// See [`Records::open`](crate::tls::record::Records::open).
    pub(in crate::tls::record) fn open(&mut self, wire: &mut [u8], reply: &mut Vec<u8>) -> Result<Opened, RecordError> {
        match self.state {
            State::Open => {}
            State::PeerClosed => return Ok(Opened::Closed),
            State::Dead => return Err(Error::General("the connection has ended with an alert".into()).into()),
        }
        let Record { kind, content, end } = match self.unprotect(wire) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(Opened::Incomplete),
            Err((alert, error)) => return Err(self.fail(alert, error, reply)),
        };
        if let Err((alert, error)) = self.judge(kind, content.len()) {
            return Err(self.fail(alert, error, reply));
        }
        match kind {
            APPLICATION_DATA => Ok(Opened::Data { consumed: end, plain: content }),
            ALERT => self.alert(&wire[content], end, reply),
            _ => match self.handshake(&wire[content], reply) {
                Ok(()) => Ok(Opened::Other { consumed: end }),
                Err((alert, error)) => Err(self.fail(alert, error, reply)),
            },
        }
    }

    /// Opens the first record in place, if it is whole.
    fn unprotect(&mut self, wire: &mut [u8]) -> Result<Option<Record>, FatalAlert> {
        // What cannot be a record of TLS is refused at the first byte that shows it: the rest might never arrive.
        if let Some(kind) = wire.first() {
            self.expect_outer_type(*kind)?;
        }
        if wire.get(1).is_some_and(|major| *major != 3) {
            return Err((AlertDescription::DecodeError, InvalidMessage::UnknownProtocolVersion.into()));
        }
        let Some((&[kind, major, minor, high, low], _)) = wire.split_first_chunk::<RECORD_HEADER>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > self.format.longest() {
            return Err((AlertDescription::RecordOverflow, Error::PeerSentOversizedRecord));
        }
        let end = RECORD_HEADER + length;
        let Some(record) = wire.get_mut(..end) else { return Ok(None) };
        let (header, body) = record.split_at_mut(RECORD_HEADER);
        let bad = || (AlertDescription::BadRecordMac, Error::DecryptError);
        let (start, opened) = match self.format {
            Format::Tls13 => {
                // The header, with its version, is the additional data (RFC 8446 section 5.2).
                (RECORD_HEADER, self.opening.open(self.opening.nonce(), header, body).ok_or_else(bad)?)
            }
            Format::Tls12Gcm | Format::Tls12ChaCha => {
                let explicit = if self.format == Format::Tls12Gcm { EXPLICIT_NONCE } else { 0 };
                // A record too short for nonce and tag cannot be authentic.
                let content = length.checked_sub(explicit + TAG_LEN).ok_or_else(bad)?;
                let bound = tls12_bound(self.opening.sequence(), kind, [major, minor], content);
                let (sent, message) = body.split_at_mut(explicit);
                // With ChaCha20-Poly1305 there is no explicit part: the slice is empty, and the conversion fails.
                let nonce = match <[u8; EXPLICIT_NONCE]>::try_from(&*sent) {
                    Ok(sent) => self.opening.nonce_with(sent),
                    Err(_) => self.opening.nonce(),
                };
                (RECORD_HEADER + explicit, self.opening.open(nonce, &bound, message).ok_or_else(bad)?)
            }
        };
        if !self.format.is_tls13() {
            // RFC 5246 section 6.2.1: the length is checked after the tag, so a forged record is bad_record_mac.
            let overflow = (AlertDescription::RecordOverflow, Error::PeerSentOversizedRecord);
            let record = Record { kind, content: start..start + opened, end };
            return if opened > MAX_FRAGMENT { Err(overflow) } else { Ok(Some(record)) };
        }
        let (kind, content) = inner(&wire[start..start + opened])?;
        Ok(Some(Record { kind, content: start..start + content, end }))
    }

    /// Checks the type in the header, which is not encrypted.
    fn expect_outer_type(&self, kind: u8) -> Result<(), FatalAlert> {
        match kind {
            APPLICATION_DATA => Ok(()),
            // In TLS 1.3 the header of an encrypted record always has the type of data (RFC 8446 section 5.2).
            ALERT | HANDSHAKE if !self.format.is_tls13() => Ok(()),
            // Not allowed after the peer's Finished (RFC 8446 section 5, RFC 5246 section 7.1).
            CHANGE_CIPHER_SPEC => Err(unexpected(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec)),
            _ => Err((AlertDescription::UnexpectedMessage, InvalidMessage::InvalidContentType.into())),
        }
    }

    /// Checks whether a record with that type and length of content is allowed now.
    fn judge(&mut self, kind: u8, length: usize) -> Result<(), FatalAlert> {
        // RFC 8446 section 5.1: no other record may come between the parts of a handshake message.
        if !self.fragment.is_none() && kind != HANDSHAKE {
            return Err(unexpected(PeerMisbehaved::MessageInterleavedWithHandshakeMessage));
        }
        match (kind, length) {
            (APPLICATION_DATA, 0) => {
                let left = self.allowed.empty.checked_sub(1);
                self.allowed.empty = left.ok_or_else(|| unexpected(PeerMisbehaved::TooManyEmptyFragments))?;
            }
            // Between data these messages are normal, so their counts start again.
            (APPLICATION_DATA, _) => {
                self.allowed.empty = Allowed::default().empty;
                self.allowed.key_updates = KEY_UPDATES;
            }
            // RFC 8446 sections 5.1 and 5.4, RFC 5246 section 6.2.1: these must not be empty.
            (ALERT | HANDSHAKE, 0) => {
                return Err((AlertDescription::UnexpectedMessage, InvalidMessage::InvalidEmptyPayload.into()));
            }
            (ALERT | HANDSHAKE, _) => {}
            _ => return Err(unexpected(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec)),
        }
        Ok(())
    }

    /// Processes an alert (RFC 8446 section 6, RFC 5246 section 7.2).
    fn alert(&mut self, content: &[u8], consumed: usize, reply: &mut Vec<u8>) -> Result<Opened, RecordError> {
        let &[level, description] = content else {
            let error = InvalidMessage::TrailingData("AlertMessagePayload");
            return Err(self.fail(AlertDescription::DecodeError, error, reply));
        };
        let description = AlertDescription::from(description);
        match level {
            WARNING | FATAL if description == AlertDescription::CloseNotify => {
                self.state = State::PeerClosed;
                return Ok(Opened::Closed);
            }
            // TLS 1.2 may ignore any warning. In TLS 1.3 every alert is an error, except close_notify and user_canceled.
            WARNING if !self.format.is_tls13() || description == AlertDescription::UserCanceled => {
                let Some(left) = self.allowed.warnings.checked_sub(1) else {
                    let error = PeerMisbehaved::TooManyWarningAlertsReceived;
                    return Err(self.fail(AlertDescription::UnexpectedMessage, error, reply));
                };
                self.allowed.warnings = left;
                return Ok(Opened::Other { consumed });
            }
            WARNING | FATAL => {}
            _ => {
                let error = Error::General(format!("an alert of level {level}"));
                return Err(self.fail(AlertDescription::IllegalParameter, error, reply));
            }
        }
        self.state = State::Dead;
        Err(Error::AlertReceived(description).into())
    }
}

/// TLSInnerPlaintext: content, its type, and padding of zeros (RFC 8446 section 5.4).
fn inner(plain: &[u8]) -> Result<(u8, usize), FatalAlert> {
    // RFC 8446 section 5.4: the limit includes the padding.
    if plain.len() > MAX_FRAGMENT + 1 {
        return Err((AlertDescription::RecordOverflow, Error::PeerSentOversizedRecord));
    }
    match plain.iter().rposition(|byte| *byte != 0) {
        Some(at) => Ok((plain[at], at)),
        None => Err(unexpected(PeerMisbehaved::IllegalTlsInnerPlaintext)),
    }
}
