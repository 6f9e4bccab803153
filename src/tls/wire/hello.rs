//! Bytes → the facts of a ClientHello; the raw bytes are kept.
//! Must not know: sockets, listeners, what will be done with the facts.
//!
//! Ordinary hellos are read at first sight (`ordinary`). What is a ClientHello in every other case, and what is wrong
//! with it, rustls's `Acceptor` decides. Two extensions that it reads but does not show (`supported_versions`,
//! `signature_algorithms_cert`) are looked up in the same, already accepted bytes. A hello that rustls refuses only because it lacks `signature_algorithms` (clients before TLS 1.2) can still be
//! passed through: it is shown to rustls once more with that extension added, so that here, too, rustls reads the name.

use rustls::server::{Accepted, Acceptor};
use rustls::{
    AlertDescription, CipherSuite, Error as TlsError, InvalidMessage, NamedGroup, PeerIncompatible, ProtocolVersion,
    SignatureScheme,
};
use thiserror::Error;

use crate::tls::wire::cursor::Cursor;
use crate::tls::wire::{alert, fault};

mod ordinary;
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
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HelloError {
    #[error("not TLS: the first bytes are no handshake record")]
    NotTls,
    #[error("a ClientHello larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("a client that offers nothing newer than TLS 1.1")]
    TooOld,
    /// Who has sent an alert gets none.
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

    /// Why rustls refuses these bytes. The alert is ours: rustls sends some in the RFC's sense, and some not at all.
    fn of(error: &TlsError, raw: &[u8]) -> Self {
        let named = refused::server_name_reason(error, raw);
        match (Self::by(error), named) {
            (Self::Invalid { alert, .. }, Some(reason)) => Self::Invalid { reason, alert },
            (error, _) => error,
        }
    }

    /// With the words and the alert that belong to the error.
    fn by(error: &TlsError) -> Self {
        let alert = fault::alert(error).unwrap_or(AlertDescription::UnexpectedMessage);
        Self::Invalid { reason: fault::reason(error), alert }
    }
}

/// Takes bytes as they come, in pieces of any size, until the hello is whole.
pub struct HelloReader {
    /// Made as soon as the hello is known not to be an ordinary one.
    acceptor: Option<Acceptor>,
    /// What was read. The owner of the socket appends to it and then calls [`HelloReader::advance`].
    pub raw: Vec<u8>,
    fed: usize,
    walk: refused::Walk,
}

impl Default for HelloReader {
    fn default() -> Self {
        Self { acceptor: None, raw: Vec::with_capacity(TYPICAL_BYTES), fed: 0, walk: refused::Walk::default() }
    }
}

impl HelloReader {
    /// One that takes no quick look, for those who want to compare.
    pub fn thorough() -> Self {
        Self { acceptor: Some(Acceptor::default()), ..Self::default() }
    }

    /// Looks at what was appended to `raw`. `None` asks for more.
    pub fn advance(&mut self) -> Result<Option<Hello>, HelloError> {
        if !looks_like_tls(&self.raw) {
            return Err(HelloError::NotTls);
        }
        if self.acceptor.is_none()
            && let Ok(hello) = ordinary::look(&self.raw)
        {
            return Ok(hello.map(|hello| Hello { raw: std::mem::take(&mut self.raw), ..hello }));
        }
        self.walk.advance(&self.raw)?;
        let acceptor = self.acceptor.get_or_insert_default();
        while self.fed < self.raw.len() {
            let mut rest = &self.raw[self.fed..];
            let taken = acceptor.read_tls(&mut rest).map_err(|_| HelloError::TooLarge)?;
            self.fed += taken;
            match acceptor.accept() {
                Ok(None) if taken == 0 => return Err(HelloError::TooLarge),
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    return Ok(Some(Hello::of(&accepted, std::mem::take(&mut self.raw))));
                }
                Err((error, _)) => {
                    let lacks_schemes = error == NO_SIGNATURE_ALGORITHMS;
                    let error = match error {
                        _ if is_too_old(&self.raw) => HelloError::TooOld,
                        TlsError::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => HelloError::TooLarge,
                        error => HelloError::of(&error, &self.raw),
                    };
                    // It is the last thing that rustls looks at: all else about the hello is as it should be.
                    let completed = lacks_schemes.then(|| with_signature_algorithms(&self.raw)).flatten();
                    let Some(accepted) = completed.and_then(|completed| accept(&completed)) else { return Err(error) };
                    let mut hello = Hello::of(&accepted, std::mem::take(&mut self.raw));
                    hello.signature_schemes.clear();
                    hello.unacceptable = Some(error);
                    return Ok(Some(hello));
                }
            }
        }
        if self.raw.len() >= MAX_BYTES {
            return Err(HelloError::TooLarge);
        }
        Ok(None)
    }
}

impl Hello {
    fn of(accepted: &Accepted, raw: Vec<u8>) -> Self {
        let seen = accepted.client_hello();
        let hidden = hidden_extensions(&raw).unwrap_or_default();
        Self {
            server_name: seen.server_name().map(str::to_owned),
            versions: hidden.versions,
            cipher_suites: seen.cipher_suites().to_vec(),
            signature_schemes: seen.signature_schemes().to_vec(),
            certificate_schemes: hidden.certificate_schemes,
            groups: seen.named_groups().unwrap_or_default().to_vec(),
            protocols: seen.alpn().into_iter().flatten().map(Box::from).collect(),
            unacceptable: None,
            raw,
        }
    }
}

fn accept(records: &[u8]) -> Option<Accepted> {
    let mut acceptor = Acceptor::default();
    let mut rest = records;
    while !rest.is_empty() {
        let taken = acceptor.read_tls(&mut rest).ok()?;
        match acceptor.accept().ok()? {
            Some(accepted) => return Some(accepted),
            None if taken == 0 => return None,
            None => {}
        }
    }
    None
}

/// The ClientHello in records of its own, with a `signature_algorithms` extension in front of its others. What else it
/// says is not touched.
fn with_signature_algorithms(raw: &[u8]) -> Option<Vec<u8>> {
    let body = handshake_payload(raw)?;
    let mut after = Cursor(&body);
    skip_to_extensions(&mut after)?;
    let front = &body[..body.len() - after.0.len()];
    let extensions = if after.0.is_empty() { &[][..] } else { after.vector16()?.0 };
    let length = u16::try_from(extensions.len() + ANY_SCHEME.len()).ok()?;
    let completed = [front, &length.to_be_bytes(), ANY_SCHEME, extensions].concat();
    let [0, length @ ..] = u32::try_from(completed.len()).ok()?.to_be_bytes() else { return None };
    let message = [&[CLIENT_HELLO], &length[..], &completed].concat();
    let record = |payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        [&[HANDSHAKE, 3, 1], &length[..], payload].concat()
    };
    Some(message.chunks(LONGEST_FRAGMENT).flat_map(record).collect())
}

/// A TLS record begins with a content type, of which a client may send handshake first (22) or, if it gives up at once,
/// an alert (21), and the major version 3 (RFC 8446 section 5.1).
fn looks_like_tls(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|kind| (21..=22).contains(kind)) && bytes.get(1).is_none_or(|major| *major == 3)
}

fn is_too_old(raw: &[u8]) -> bool {
    let newest = hidden_extensions(raw).and_then(|hidden| hidden.versions.into_iter().map(u16::from).max());
    newest.is_some_and(|newest| newest < u16::from(ProtocolVersion::TLSv1_2))
}

#[derive(Debug, Default, PartialEq)]
struct Hidden {
    versions: Vec<ProtocolVersion>,
    certificate_schemes: Option<Vec<SignatureScheme>>,
}

/// Walks an accepted ClientHello (RFC 8446 section 4.1.2). `None` where the bytes are not what was accepted, which
/// leaves the facts unknown rather than wrong.
fn hidden_extensions(raw: &[u8]) -> Option<Hidden> {
    let message = handshake_payload(raw)?;
    let mut body = Cursor(&message);
    let legacy_version = skip_to_extensions(&mut body)?;
    let mut hidden = Hidden::default();
    let mut versions = None;
    if !body.0.is_empty() {
        let mut extensions = body.vector16()?;
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let mut data = extensions.vector16()?;
            match kind {
                SUPPORTED_VERSIONS => versions = Some(data.vector8()?.all_u16(ProtocolVersion::from)?),
                SIGNATURE_ALGORITHMS_CERT => {
                    hidden.certificate_schemes = Some(data.vector16()?.all_u16(SignatureScheme::from)?);
                }
                _ => {}
            }
        }
    }
    hidden.versions = versions.unwrap_or_else(|| legacy_versions(legacy_version));
    Some(hidden)
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
    (0x0301..=highest.min(0x0303)).rev().map(ProtocolVersion::from).collect()
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

/// Most hellos with a post-quantum key share take 1.5 to 1.8 KiB.
const TYPICAL_BYTES: usize = 2048;

const NO_SIGNATURE_ALGORITHMS: TlsError =
    TlsError::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired);

/// The extension with one scheme in it (RFC 8446 section 4.2.3).
const ANY_SCHEME: &[u8] = &[0, 13, 0, 4, 0, 2, 4, 3];

/// RFC 8446 section 5.1.
const LONGEST_FRAGMENT: usize = 1 << 14;
const HANDSHAKE: u8 = 22;
pub(in crate::tls) const CLIENT_HELLO: u8 = 1;

/// RFC 8446 section 4.2.1.
const SUPPORTED_VERSIONS: u16 = 43;
/// RFC 8446 section 4.2.3.
const SIGNATURE_ALGORITHMS_CERT: u16 = 50;

#[cfg(test)]
mod tests;
