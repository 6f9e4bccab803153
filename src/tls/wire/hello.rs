//! The facts of a ClientHello, and what is wrong with one; the raw bytes are kept.
//! Must not know: sockets, listeners, what will be done with the facts.

use rustls::{AlertDescription, CipherSuite, Error, NamedGroup, ProtocolVersion, SignatureScheme};
use thiserror::Error as ThisError;

use crate::tls::wire::codes::versions::{TLS10, TLS12};
use crate::tls::wire::cursor::Cursor;
use crate::tls::wire::{alert, fault};

mod ordinary;
pub mod reader;
mod refused;
pub(crate) mod second;

/// The most bytes that a ClientHello may take on the wire, record headers included.
pub const MAX_BYTES: usize = 64 * 1024;

/// A whole ClientHello.
#[derive(Debug, Clone)]
pub struct Hello {
    /// What the client has sent so far: the ClientHello's records, and whatever followed them.
    pub raw: Vec<u8>,
    /// Lower-case, as rustls validated it; an IP literal counts as none (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The TLS versions offered.
    pub versions: Vec<ProtocolVersion>,
    pub cipher_suites: Vec<CipherSuite>,
    pub signature_schemes: Vec<SignatureScheme>,
    /// `signature_algorithms_cert`, where it was sent.
    pub certificate_schemes: Option<Vec<SignatureScheme>>,
    pub groups: Vec<NamedGroup>,
    /// The application protocols offered (RFC 7301), the one that the client likes best first.
    pub protocols: Vec<Box<[u8]>>,
    /// Why TLS cannot be terminated with it, though it can be passed through: it lacks what rustls insists on.
    pub unacceptable: Option<HelloError>,
}

/// Why the bytes are no ClientHello. Each has its alert.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum HelloError {
    #[error("not TLS: the first bytes are no handshake record")]
    NotTls,
    #[error("a ClientHello larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("a client that offers nothing newer than TLS 1.1")]
    TooOld,
    /// A client that has sent an alert gets none.
    #[error("the client sent the alert {} instead of a ClientHello", alert::name(*.0))]
    Alert(AlertDescription),
    #[error("{reason}")]
    Invalid { reason: String, alert: AlertDescription },
}

impl HelloError {
    /// The alert to send to the client before closing. `None` where the client has sent one itself (RFC 8446 section 6.2).
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            Self::NotTls => Some(AlertDescription::UnexpectedMessage),
            Self::TooLarge => Some(AlertDescription::DecodeError),
            Self::TooOld => Some(AlertDescription::ProtocolVersion),
            Self::Alert(_) => None,
            Self::Invalid { alert, .. } => Some(*alert),
        }
    }

    /// With the words and the alert that belong to the error.
    fn by(error: &Error) -> Self {
        let alert = fault::alert(error).unwrap_or(AlertDescription::UnexpectedMessage);
        Self::Invalid { reason: fault::reason(error), alert }
    }
}

/// Steps over what stands before the extensions, and returns the version that stands first.
fn skip_to_extensions(body: &mut Cursor<'_>) -> Option<u16> {
    let legacy_version = body.u16()?;
    body.take(32)?; // random
    body.vector8()?; // legacy_session_id
    body.vector16()?; // cipher_suites
    body.vector8()?; // legacy_compression_methods
    Some(legacy_version)
}

/// Without `supported_versions` the legacy field names the highest version, and lower ones are meant too (RFC 8446
/// section 4.2.1 forbids to read TLS 1.3 out of it).
fn legacy_versions(highest: u16) -> Vec<ProtocolVersion> {
    (TLS10..=highest.min(TLS12)).rev().map(ProtocolVersion::from).collect()
}

/// The body of the first handshake message, put together from the records' payloads.
pub(in crate::tls) fn handshake_payload(raw: &[u8]) -> Option<Vec<u8>> {
    let mut records = Cursor(raw);
    let mut message = Vec::with_capacity(raw.len());
    loop {
        if message.len() >= 4 {
            let length = usize::from(message[1]) << 16 | usize::from(message[2]) << 8 | usize::from(message[3]);
            if message.len() >= 4 + length {
                return Some(message[4..4 + length].to_vec());
            }
        }
        records.take(3)?; // content type, legacy version
        message.extend_from_slice(records.vector16()?.0);
    }
}
