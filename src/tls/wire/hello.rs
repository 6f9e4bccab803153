//! The facts of a ClientHello, or why it is refused; the raw bytes are kept.
//! Must not know: sockets, listeners, how the facts are used.

use rustls::{AlertDescription, CipherSuite, Error, NamedGroup, ProtocolVersion, SignatureScheme};
use thiserror::Error as ThisError;

use crate::tls::wire::codes::versions::{TLS10, TLS12};
use crate::tls::wire::cursor::Cursor;
use crate::tls::wire::{alert, fault};

pub mod ja4;
pub mod offered;
mod ordinary;
pub mod reader;
mod refused;
pub(crate) mod second;

/// The longest ClientHello on the wire, in bytes, record headers included.
pub const MAX_BYTES: usize = 64 * 1024;

/// A whole ClientHello.
#[derive(Debug, Clone)]
pub struct Hello {
    /// What the client has sent so far: the ClientHello's records, and any bytes after them.
    pub raw: Vec<u8>,
    /// Lower-case and validated by rustls. An IP address counts as no name (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The TLS versions offered.
    pub versions: Vec<ProtocolVersion>,
    /// The cipher suites offered, in the client's order, with GREASE values and signals.
    pub cipher_suites: Vec<CipherSuite>,
    /// `signature_algorithms`, in the client's order; empty if it was not sent.
    pub signature_schemes: Vec<SignatureScheme>,
    /// `signature_algorithms_cert`, if it was sent.
    pub certificate_schemes: Option<Vec<SignatureScheme>>,
    /// The key exchange groups offered, in the client's order.
    pub groups: Vec<NamedGroup>,
    /// The application protocols offered (RFC 7301), the preferred one first.
    pub protocols: Vec<Box<[u8]>>,
    /// Whether the client knows the session tickets of TLS 1.2 (RFC 5077): it offers one, or requests one.
    pub session_ticket: bool,
    /// Why TLS cannot be terminated for this hello, although it can be passed through: it lacks what rustls requires.
    pub unacceptable: Option<HelloError>,
}

/// Why the bytes are not an acceptable ClientHello. Each reason has its alert.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum HelloError {
    #[error("not TLS: the first bytes are not a handshake record")]
    NotTls,
    #[error("the ClientHello is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the client offers no TLS version newer than 1.1")]
    TooOld,
    /// A client that has sent an alert gets none itself.
    #[error("the client sent the alert {} instead of a ClientHello", alert::name(*.0))]
    Alert(AlertDescription),
    #[error("{reason}")]
    Invalid { reason: String, alert: AlertDescription },
}

impl HelloError {
    /// The alert to send to the client before closing. `None` if the client has sent one itself (RFC 8446 section 6.2).
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            Self::NotTls => Some(AlertDescription::UnexpectedMessage),
            Self::TooLarge => Some(AlertDescription::DecodeError),
            Self::TooOld => Some(AlertDescription::ProtocolVersion),
            Self::Alert(_) => None,
            Self::Invalid { alert, .. } => Some(*alert),
        }
    }

    /// The reason and the alert that belong to rustls's error.
    fn by(error: &Error) -> Self {
        let alert = fault::alert(error).unwrap_or(AlertDescription::UnexpectedMessage);
        Self::Invalid { reason: fault::reason(error), alert }
    }
}

/// Skips the fields before the extensions, and returns the version, which is the first of them.
fn skip_to_extensions(body: &mut Cursor<'_>) -> Option<u16> {
    let legacy_version = body.u16()?;
    body.take(32)?; // random
    body.vector8()?; // legacy_session_id
    body.vector16()?; // cipher_suites
    body.vector8()?; // legacy_compression_methods
    Some(legacy_version)
}

/// The versions offered without `supported_versions`: the legacy field has the highest one, and all lower ones are offered
/// too. It never offers TLS 1.3, whatever its value (RFC 8446 section 4.2.1).
fn legacy_versions(highest: u16) -> Vec<ProtocolVersion> {
    (TLS10..=highest.min(TLS12)).rev().map(ProtocolVersion::from).collect()
}

/// The body of the first handshake message, joined from the records' contents. `None` if it is not complete.
pub(in crate::tls) fn handshake_payload(raw: &[u8]) -> Option<Vec<u8>> {
    let mut records = Cursor(raw);
    let mut message = Vec::with_capacity(raw.len());
    loop {
        // The message's header may itself be split among records.
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
