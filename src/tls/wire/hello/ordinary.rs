//! The quick look at a ClientHello: an ordinary one, whole in one record, is read here without rustls, at a quarter of
//! the cost. Must not know: alerts, what is wrong with a hello that is not ordinary.
//!
//! It is stricter than rustls, never laxer: every extension that rustls reads has its syntax checked here too, and
//! whatever is rare or wrong in any way is left to rustls, whose judgement then counts (tests show both the same bytes).

use std::ops::RangeInclusive;

use rustls::pki_types::ServerName;
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

use super::{Hello, legacy_versions};
use crate::tls::wire::codes::extensions::*;
use crate::tls::wire::codes::framing::{CLIENT_HELLO, HANDSHAKE, HOST_NAME, MAX_FRAGMENT};
use crate::tls::wire::cursor::Cursor;

/// The bytes are no ordinary hello.
pub(super) struct Other;

/// Looks at all that came so far: an ordinary hello (its raw bytes are left out), or `None` for the beginning of one.
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
    // The record has this message in it, and nothing else.
    if length + MESSAGE_HEADER != record {
        return Err(Other);
    }
    bytes.take(length).map(|body| read(Cursor(body)).ok_or(Other)).transpose()
}

/// The body of a ClientHello (RFC 8446 section 4.1.2).
fn read(mut body: Cursor<'_>) -> Option<Hello> {
    let legacy_version = body.u16()?;
    body.take(32)?; // random
    body.vector8().filter(|session| session.0.len() <= 32)?;
    let cipher_suites = some(body.vector16()?)?.all_u16(CipherSuite::from)?;
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
        unacceptable: None,
    };
    let mut seen = [0; MOST_EXTENSIONS];
    for place in 0.. {
        if extensions.0.is_empty() {
            break;
        }
        let kind = extensions.u16()?;
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
            // It comes last (RFC 8446 section 4.2.11).
            PRE_SHARED_KEY if !extensions.0.is_empty() => return None,
            _ => sound(kind, data)?,
        }
    }
    // Without `supported_versions`, or with one that has nothing in it, which was refused above.
    if hello.versions.is_empty() {
        hello.versions = legacy_versions(legacy_version);
    }
    (!hello.signature_schemes.is_empty()).then_some(hello)
}

/// Checks the syntax of the extensions whose content is not used here.
fn sound(kind: u16, mut data: Cursor<'_>) -> Option<()> {
    match kind {
        // For OCSP (RFC 6066 section 8).
        STATUS_REQUEST => {
            (data.u8()? == 1).then_some(())?;
            each(data.vector16()?, |ids| ids.vector16().map(drop))?;
            data.vector16()?;
        }
        EC_POINT_FORMATS | PSK_KEY_EXCHANGE_MODES => drop(some(data.vector8()?)?),
        EXTENDED_MASTER_SECRET | EARLY_DATA => {}
        COMPRESS_CERTIFICATE => drop(some(data.vector8()?)?.all_u16(|_| ())?),
        // Whatever a server made of it (RFC 5077).
        SESSION_TICKET => return Some(()),
        // Identities with their ages, and binders.
        PRE_SHARED_KEY => {
            each(some(data.vector16()?)?, |one| some(one.vector16()?).and(one.take(4)).map(drop))?;
            each(some(data.vector16()?)?, |one| some(one.vector8()?).map(drop))?;
        }
        KEY_SHARE => each(data.vector16()?, |share| share.u16().and(some(share.vector16()?)).map(drop))?,
        // Of the outer kind (RFC 9849 section 5).
        ENCRYPTED_CLIENT_HELLO => {
            (data.u8()? == 0).then_some(())?;
            data.take(5)?; // the cipher suite, the configuration's number
            data.vector16()?;
            some(data.vector16()?)?;
        }
        RENEGOTIATION_INFO => drop(data.vector8()?),
        // What else rustls reads is rare.
        CLIENT_CERTIFICATE_TYPE
        | SERVER_CERTIFICATE_TYPE
        | COOKIE
        | CERTIFICATE_AUTHORITIES
        | QUIC_TRANSPORT_PARAMETERS
        | TICKET_REQUEST
        | ECH_OUTER_EXTENSIONS
        | QUIC_TRANSPORT_PARAMETERS_DRAFT => return None,
        // Nobody reads it.
        _ => return Some(()),
    }
    end(data)
}

/// One DNS name (RFC 6066 section 3), lower-case; an IP literal counts as none.
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

/// All of an extension is one list that is not empty.
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

/// The first bytes are a handshake record of any version 3.x that was ever sent.
const START: [RangeInclusive<u8>; 3] = [HANDSHAKE..=HANDSHAKE, 3..=3, 1..=3];

/// A record may hold no more (RFC 8446 section 5.1), and no hello is shorter.
const ROOM: RangeInclusive<usize> = 40..=MAX_FRAGMENT;

/// Its type and its length.
const MESSAGE_HEADER: usize = 4;

/// Chromium sends 18.
const MOST_EXTENSIONS: usize = 32;

#[cfg(test)]
mod tests;
