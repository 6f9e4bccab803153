//! Bytes, as they arrive, → the facts of a ClientHello. Must not know: sockets, listeners.
//!
//! The fast parser reads ordinary hellos (`ordinary`). For every other hello, rustls's `Acceptor` decides whether it is
//! valid, and what is wrong with it. Three extensions that rustls reads but does not expose (`supported_versions`,
//! `signature_algorithms_cert`, `session_ticket`) are read from the same, already accepted bytes. A hello that rustls
//! refuses only because it lacks `signature_algorithms` (clients before TLS 1.2) can still be passed through: rustls reads
//! it a second time with that extension added, so that rustls validates the server name in this case too.

use rustls::server::{Accepted, Acceptor};
use rustls::{Error as TlsError, InvalidMessage, PeerIncompatible, ProtocolVersion, SignatureScheme};

use super::{Hello, HelloError, MAX_BYTES, handshake_payload, legacy_versions, ordinary, refused, skip_to_extensions};
use crate::tls::wire::codes::extensions::{SESSION_TICKET, SIGNATURE_ALGORITHMS_CERT, SUPPORTED_VERSIONS};
use crate::tls::wire::codes::versions::TLS10;
use crate::tls::wire::cursor::Cursor;
use crate::tls::wire::write;

/// Reads a ClientHello from bytes in pieces of any size, until it is complete.
pub struct HelloReader {
    /// Created once the hello is known not to be ordinary.
    acceptor: Option<Acceptor>,
    /// What was read from the client. The owner of the socket appends to it, then calls [`HelloReader::advance`].
    pub raw: Vec<u8>,
    /// How many bytes of `raw` rustls has read.
    fed: usize,
    walk: refused::Walk,
}

impl Default for HelloReader {
    fn default() -> Self {
        Self { acceptor: None, raw: Vec::with_capacity(TYPICAL_BYTES), fed: 0, walk: refused::Walk::default() }
    }
}

impl HelloReader {
    /// A reader without the fast parser, for comparison with it.
    pub fn thorough() -> Self {
        Self { acceptor: Some(Acceptor::default()), ..Self::default() }
    }

    /// Reads what was appended to `raw`. `None` means that more bytes are needed; an error, that the client is refused.
    pub fn advance(&mut self) -> Result<Option<Hello>, HelloError> {
        if !looks_like_tls(&self.raw) {
            return Err(HelloError::NotTls);
        }
        if self.acceptor.is_none()
            && let Ok(hello) = ordinary::look(&self.raw)
        {
            return Ok(hello.map(|hello| Hello { raw: std::mem::take(&mut self.raw), ..hello }));
        }
        // rustls would wait for more bytes, or close without an alert, where this finds a fault.
        self.walk.advance(&self.raw)?;
        let acceptor = self.acceptor.get_or_insert_default();
        while self.fed < self.raw.len() {
            let mut rest = &self.raw[self.fed..];
            // rustls takes a few KiB at a time, and refuses more when its buffer is full.
            let taken = acceptor.read_tls(&mut rest).map_err(|_| HelloError::TooLarge)?;
            self.fed += taken;
            match acceptor.accept() {
                Ok(None) if taken == 0 => return Err(HelloError::TooLarge),
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    return Ok(Some(facts(&accepted, std::mem::take(&mut self.raw))));
                }
                Err((error, _)) => {
                    let lacks_schemes = error == NO_SIGNATURE_ALGORITHMS;
                    let error = match error {
                        // rustls has other errors for old clients, depending on what it finds missing first.
                        _ if is_too_old(&self.raw) => HelloError::TooOld,
                        TlsError::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => HelloError::TooLarge,
                        error => explained(&error, &self.raw),
                    };
                    // rustls checks the schemes last, so the rest of the hello is valid.
                    let completed = lacks_schemes.then(|| with_signature_algorithms(&self.raw)).flatten();
                    let Some(accepted) = completed.and_then(|completed| accept(&completed)) else { return Err(error) };
                    let mut hello = facts(&accepted, std::mem::take(&mut self.raw));
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

fn facts(accepted: &Accepted, raw: Vec<u8>) -> Hello {
    let seen = accepted.client_hello();
    let hidden = hidden_extensions(&raw).unwrap_or_default();
    Hello {
        server_name: seen.server_name().map(str::to_owned),
        versions: hidden.versions,
        cipher_suites: seen.cipher_suites().to_vec(),
        signature_schemes: seen.signature_schemes().to_vec(),
        certificate_schemes: hidden.certificate_schemes,
        groups: seen.named_groups().unwrap_or_default().to_vec(),
        protocols: seen.alpn().into_iter().flatten().map(Box::from).collect(),
        session_ticket: hidden.session_ticket,
        unacceptable: None,
        raw,
    }
}

/// Why rustls refuses these bytes, with tlsgate's alert: rustls's own is sometimes missing.
fn explained(error: &TlsError, raw: &[u8]) -> HelloError {
    let named = refused::server_name_reason(error, raw);
    match (HelloError::by(error), named) {
        (HelloError::Invalid { alert, .. }, Some(reason)) => HelloError::Invalid { reason, alert },
        (error, _) => error,
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

/// The ClientHello in new records, with a `signature_algorithms` extension before the others. The rest is unchanged.
fn with_signature_algorithms(raw: &[u8]) -> Option<Vec<u8>> {
    let body = handshake_payload(raw)?;
    let mut after = Cursor(&body);
    skip_to_extensions(&mut after)?;
    let front = &body[..body.len() - after.0.len()];
    let extensions = if after.0.is_empty() { &[][..] } else { after.vector16()?.0 };
    let length = u16::try_from(extensions.len() + ANY_SCHEME.len()).ok()?;
    let completed = [front, &length.to_be_bytes(), ANY_SCHEME, extensions].concat();
    Some(write::records(TLS10, &write::message(&completed)?))
}

/// Whether the bytes can begin a TLS record: content type handshake (22), or alert (21) from a client that gives up
/// immediately, then the major version 3 (RFC 8446 section 5.1).
fn looks_like_tls(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|kind| (21..=22).contains(kind)) && bytes.get(1).is_none_or(|major| *major == 3)
}

fn is_too_old(raw: &[u8]) -> bool {
    let newest = hidden_extensions(raw).and_then(|hidden| hidden.versions.into_iter().map(u16::from).max());
    newest.is_some_and(|newest| newest < u16::from(ProtocolVersion::TLSv1_2))
}

/// The extensions that rustls reads but does not expose.
#[derive(Debug, Default, PartialEq)]
struct Hidden {
    versions: Vec<ProtocolVersion>,
    certificate_schemes: Option<Vec<SignatureScheme>>,
    session_ticket: bool,
}

/// Reads them from an accepted ClientHello (RFC 8446 section 4.1.2). `None` if the bytes are not a ClientHello; the facts
/// are then unknown, not wrong.
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
                SESSION_TICKET => hidden.session_ticket = true,
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

/// Most hellos with a post-quantum key share have 1.5 to 1.8 KiB.
const TYPICAL_BYTES: usize = 2048;

const NO_SIGNATURE_ALGORITHMS: TlsError =
    TlsError::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired);

/// The extension `signature_algorithms` with one scheme (RFC 8446 section 4.2.3). Which one does not matter: the handshake
/// never continues with it.
const ANY_SCHEME: &[u8] = &[0, 13, 0, 4, 0, 2, 4, 3];

#[cfg(test)]
mod tests;
