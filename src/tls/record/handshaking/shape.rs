//! Whether bytes are a record that a handshake can take, as soon as it shows. Must not know: what is in the record.

use rustls::{AlertDescription, Error, InvalidMessage, ProtocolVersion};

use crate::tls::wire::codes::framing::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, MAX_FRAGMENT, RECORD_HEADER};
use crate::tls::wire::fault;

/// The shape of a whole record at the front of some bytes.
pub(super) struct Shape {
    pub(super) kind: u8,
    /// Where its content begins.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Why the handshake ends, and the alert that tells the peer.
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) alert: AlertDescription,
}

impl Refused {
    /// With the alert that belongs to the error.
    pub(super) fn by(error: impl Into<Error>) -> Self {
        let error = error.into();
        let alert = fault::alert(&error).unwrap_or(AlertDescription::InternalError);
        Self { error, alert }
    }
}

/// The record at the front, if it is whole. What can be no record is refused as soon as its header shows: rustls would
/// wait for it, or take it.
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
