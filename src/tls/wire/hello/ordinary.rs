//! The fast parser: reads an ordinary ClientHello, whole in one record, without rustls and at a quarter of the cost.
//! Must not know: alerts, what is wrong with a hello that is not ordinary.
//!
//! It is stricter than rustls, never more lenient: the syntax of every extension that rustls reads is checked here too.
//! Anything rare or wrong is left to rustls, and then rustls decides (tests give both the same bytes).

use std::ops::RangeInclusive;

use rustls::pki_types::ServerName;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use super::{Hello, legacy_versions};
use crate::tls::wire::codes::extensions::*;
use crate::tls::wire::codes::framing::{CLIENT_HELLO, HANDSHAKE, HOST_NAME, MAX_FRAGMENT};
use crate::tls::wire::cursor::Cursor;

/// The bytes are not an ordinary hello.
pub(super) struct Other;

/// Reads what has arrived so far: an ordinary hello (without its raw bytes), or `None` for the beginning of one.
pub(super) fn look(raw: &[u8]) -> Result<Option<Hello>, Other> {
    if !raw.iter().zip(START).all(|(byte, start)| start.contains(byte)) {
        return Err(Other);
    }
    let mut bytes = Cursor(raw.get(START.len()..).unwrap_or_default());
    let Some(record) = bytes.u16().map(usize::from) else { return Ok(None) };
    if !ROOM.contains(&record) {
        return Err(Other);
    }
    if bytes.u8().is_some_and(|kind| kind != CLIENT_HELLO) {
        return Err(Other);
    }
    let Some(length) = bytes.u24() else { return Ok(None) };
    // A hello in several records, or one with another message behind it, is not ordinary.
    if length + MESSAGE_HEADER != record {
        return Err(Other);
    }
    bytes.take(length).map(|body| read(Cursor(body)).ok_or(Other)).transpose()
}

/// The body of a ClientHello (RFC 8446 section 4.1.2).
fn read(mut body: Cursor<'_>) -> Option<Hello> {
    let legacy_version = body.u16()?;
    body.take(32)?; // random
    // RFC 8446 section 4.1.2: at most 32 bytes.
    body.vector8().filter(|session| session.0.len() <= 32)?;
    let cipher_suites = some(body.vector16()?)?.all_u16(CipherSuite::from)?;
    // rustls refuses a hello without null compression.
    body.vector8().filter(|compressions| compressions.0.contains(&0))?;
    let mut extensions = Cursor(body.vector16()?.0);
    end(body)?;

    let mut hello = Hello {
        raw: Vec::new(),
        server_name: None,
        versions: Vec::new(),
        cipher_suites,
        signature_schemes: Vec::new(),
        certificate_schemes: None,
        groups: Vec::new(),
        protocols: Vec::new(),
        session_ticket: false,
        unacceptable: None,
    };
    // An array, not a set: it costs no allocation, and hellos have few extensions.
    let mut seen = [0; MOST_EXTENSIONS];
    for place in 0.. {
        if extensions.0.is_empty() {
            break;
        }
        let kind = extensions.u16()?;
        // RFC 8446 section 4.2 forbids two extensions of one type.
        if seen.get(..place)?.contains(&kind) {
            return None;
        }
        *seen.get_mut(place)? = kind;
        let data = extensions.vector16()?;
        match kind {
            SERVER_NAME => hello.server_name = server_name(data)?,
            SUPPORTED_GROUPS => hello.groups = list(data)?.all_u16(NamedGroup::from)?,
            SIGNATURE_ALGORITHMS => hello.signature_schemes = list(data)?.all_u16(SignatureScheme::from)?,
            ALPN => hello.protocols = protocols(data)?,
            SUPPORTED_VERSIONS => hello.versions = short_list(data)?.all_u16(ProtocolVersion::from)?,
            SIGNATURE_ALGORITHMS_CERT => hello.certificate_schemes = Some(list(data)?.all_u16(SignatureScheme::from)?),
            // Only the server that made the ticket knows its format (RFC 5077).
            SESSION_TICKET => hello.session_ticket = true,
            // It must be the last extension (RFC 8446 section 4.2.11).
            PRE_SHARED_KEY if !extensions.0.is_empty() => return None,
            _ => sound(kind, data)?,
        }
    }
    // There was no `supported_versions`: an empty one was refused above.
    if hello.versions.is_empty() {
        hello.versions = legacy_versions(legacy_version);
    }
    // Without signature schemes rustls refuses the hello, with an error that the reader acts on.
    (!hello.signature_schemes.is_empty()).then_some(hello)
}

/// Checks the syntax of an extension whose content is not used here.
fn sound(kind: u16, mut data: Cursor<'_>) -> Option<()> {
    match kind {
        // Type 1 is OCSP, the only one that RFC 6066 section 8 defines.
        STATUS_REQUEST => {
            (data.u8()? == 1).then_some(())?;
            each(data.vector16()?, |ids| ids.vector16().map(drop))?;
            data.vector16()?;
        }
        EC_POINT_FORMATS | PSK_KEY_EXCHANGE_MODES => drop(some(data.vector8()?)?),
        EXTENDED_MASTER_SECRET | EARLY_DATA => {}
        COMPRESS_CERTIFICATE => drop(some(data.vector8()?)?.all_u16(|_| ())?),
        // Identities with their ages, then binders.
        PRE_SHARED_KEY => {
            each(some(data.vector16()?)?, |one| some(one.vector16()?).and(one.take(4)).map(drop))?;
            each(some(data.vector16()?)?, |one| some(one.vector8()?).map(drop))?;
        }
        KEY_SHARE => each(data.vector16()?, |share| share.u16().and(some(share.vector16()?)).map(drop))?,
        // Type 0 is the outer ClientHello (RFC 9849 section 5).
        ENCRYPTED_CLIENT_HELLO => {
            (data.u8()? == 0).then_some(())?;
            data.take(5)?; // the cipher suite, the configuration's number
            data.vector16()?;
            some(data.vector16()?)?;
        }
        RENEGOTIATION_INFO => drop(data.vector8()?),
        // rustls reads these too, but they are rare: not worth a second parser.
        CLIENT_CERTIFICATE_TYPE
        | SERVER_CERTIFICATE_TYPE
        | COOKIE
        | CERTIFICATE_AUTHORITIES
        | QUIC_TRANSPORT_PARAMETERS
        | TICKET_REQUEST
        | ECH_OUTER_EXTENSIONS
        | QUIC_TRANSPORT_PARAMETERS_DRAFT => return None,
        // rustls does not read any other extension, so its syntax does not matter.
        _ => return Some(()),
    }
    end(data)
}

/// One DNS name (RFC 6066 section 3), in lower case; an IP address counts as no name.
fn server_name(data: Cursor<'_>) -> Option<Option<String>> {
    let mut list = list(data)?;
    (list.u8()? == HOST_NAME).then_some(())?;
    let name = list.vector16()?;
    end(list)?;
    match ServerName::try_from(name.0).ok()? {
        ServerName::DnsName(name) => Some(Some(name.as_ref().to_ascii_lowercase())),
        ServerName::IpAddress(_) => Some(None),
        _ => None,
    }
}

/// RFC 7301 section 3.1.
fn protocols(data: Cursor<'_>) -> Option<Vec<Box<[u8]>>> {
    let mut all = Vec::new();
    each(list(data)?, |one| some(one.vector8()?).map(|protocol| all.push(protocol.0.into())))?;
    Some(all)
}

/// An extension that contains one list and nothing else; the list is not empty.
fn list(mut data: Cursor<'_>) -> Option<Cursor<'_>> {
    let list = some(data.vector16()?)?;
    end(data).map(|()| list)
}

fn short_list(mut data: Cursor<'_>) -> Option<Cursor<'_>> {
    let list = some(data.vector8()?)?;
    end(data).map(|()| list)
}

fn each<'a>(mut list: Cursor<'a>, mut one: impl FnMut(&mut Cursor<'a>) -> Option<()>) -> Option<()> {
    while !list.0.is_empty() {
        one(&mut list)?;
    }
    Some(())
}

fn some(list: Cursor<'_>) -> Option<Cursor<'_>> {
    (!list.0.is_empty()).then_some(list)
}

fn end(rest: Cursor<'_>) -> Option<()> {
    rest.0.is_empty().then_some(())
}

/// The first bytes of a handshake record, with any version from TLS 1.0 to 1.2. Clients put different ones there (RFC 8446
/// section 5.1).
const START: [RangeInclusive<u8>; 3] = [HANDSHAKE..=HANDSHAKE, 3..=3, 1..=3];

/// The lengths that a record with a hello can have: no hello is shorter, no record longer (RFC 8446 section 5.1).
const ROOM: RangeInclusive<usize> = 40..=MAX_FRAGMENT;

/// A handshake message's type (one byte) and length (three bytes).
const MESSAGE_HEADER: usize = 4;

/// More than any known client sends: Chromium sends 18.
const MOST_EXTENSIONS: usize = 32;

#[cfg(test)]
mod tests;
