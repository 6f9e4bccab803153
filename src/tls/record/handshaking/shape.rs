//! Checks the header of a record during a handshake, as early as possible. Must not know: what is in the record.

use rustls::{AlertDescription, Error, InvalidMessage, ProtocolVersion};

use crate::tls::wire::codes::framing::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, MAX_FRAGMENT, RECORD_HEADER};
use crate::tls::wire::fault;

/// The type and place of a complete record at the start of some bytes.
pub(super) struct Shape {
    pub(super) kind: u8,
    /// Where its content begins.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
}

/// Why the handshake ends, and the alert for the peer.
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) alert: AlertDescription,
}

impl Refused {
    /// The error, with the alert that belongs to it.
    pub(super) fn by(error: impl Into<Error>) -> Self {
        let error = error.into();
        let alert = fault::alert(&error).unwrap_or(AlertDescription::InternalError);
        Self { error, alert }
    }
}

/// The record at the start, or `None` if it is not complete. An impossible record is refused as soon as its header has
/// arrived: rustls would wait for the rest, or accept it.
pub(super) fn shape(bytes: &[u8], version: Option<ProtocolVersion>) -> Result<Option<Shape>, Refused> {
    let Some((&[kind, major, _, high, low], body)) = bytes.split_first_chunk::<RECORD_HEADER>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    // RFC 8446 sections 5.1 and 5.2, RFC 5246 section 6.2.3: protected records may be longer.
    let longest = match (version, kind) {
        (Some(ProtocolVersion::TLSv1_2), _) => MAX_FRAGMENT + 2048,
        (_, APPLICATION_DATA) => MAX_FRAGMENT + 256,
        _ => MAX_FRAGMENT,
    };
    if !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) {
        return Err(Refused::by(InvalidMessage::InvalidContentType));
    }
    if major != 3 {
        return Err(Refused::by(InvalidMessage::UnknownProtocolVersion));
    }
    if length > longest {
        return Err(Refused::by(Error::PeerSentOversizedRecord));
    }
    if length == 0 && kind != APPLICATION_DATA {
        return Err(Refused::by(InvalidMessage::InvalidEmptyPayload));
    }
    Ok((body.len() >= length).then_some(Shape { kind, start: RECORD_HEADER, end: RECORD_HEADER + length }))
}
