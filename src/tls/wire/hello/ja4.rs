//! The bytes of a ClientHello → its JA4, as FoxIO's "JA4: TLS Client Fingerprinting" (`technical_details/JA4.md`)
//! describes it. Only for TLS over TCP. Must not know: what fingerprints are used for.
//!
//! It reads the bytes and not the facts of a [`Hello`](super::Hello), which have no list of the extensions. So a hello
//! that is refused has a JA4 too, as long as its structure can be followed.

use std::borrow::Cow;
use std::fmt::Write;

use super::handshake_payload;
use crate::ja4::Ja4;
use crate::tls::crypto;
use crate::tls::wire::codes::extensions::{ALPN, SERVER_NAME, SIGNATURE_ALGORITHMS, SUPPORTED_VERSIONS};
use crate::tls::wire::codes::framing::{CLIENT_HELLO, RECORD_HEADER};
use crate::tls::wire::codes::versions::{SSL3, TLS10, TLS12, TLS13};
use crate::tls::wire::cursor::Cursor;

/// The JA4 of the ClientHello in `raw`, which begins with its first record; bytes after it do not count. `None` if the
/// hello is incomplete, or its lists cannot be followed.
pub fn ja4(raw: &[u8]) -> Option<Ja4> {
    let body = body(raw)?;
    Ja4::parse(&Parts::read(Cursor(&body))?.text())
}

/// The body of the ClientHello. It is copied only if it is split among records.
fn body(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut record = Cursor(raw);
    record.take(RECORD_HEADER - 2)?;
    let mut record = record.vector16()?;
    (record.u8()? == CLIENT_HELLO).then_some(())?;
    match record.vector24() {
        Some(body) => Some(Cow::Borrowed(body.0)),
        None => handshake_payload(raw).map(Cow::Owned),
    }
}

/// What the fingerprint is made of, without GREASE values (RFC 8701).
struct Parts<'a> {
    version: u16,
    suites: Vec<u16>,
    extensions: Vec<u16>,
    schemes: Vec<u16>,
    /// The first application protocol; empty if there is none.
    protocol: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Reads the body of a ClientHello (RFC 8446 section 4.1.2).
    fn read(mut body: Cursor<'a>) -> Option<Self> {
        let version = body.u16()?;
        body.take(32)?; // random
        body.vector8()?; // legacy_session_id
        let suites = significant(body.vector16()?)?;
        body.vector8()?; // legacy_compression_methods
        // RFC 5246 section 7.4.1.2: a hello of TLS 1.2 may end here.
        let mut extensions = if body.0.is_empty() { body } else { body.vector16()? };
        let kinds = Vec::with_capacity(USUAL_EXTENSIONS);
        let mut parts = Self { version, suites, extensions: kinds, schemes: Vec::new(), protocol: &[] };
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let data = extensions.vector16()?;
            if !is_grease(kind) {
                parts.extensions.push(kind);
                parts.note(kind, data)?;
            }
        }
        Some(parts)
    }

    /// An extension whose contents count.
    fn note(&mut self, kind: u16, mut data: Cursor<'a>) -> Option<()> {
        match kind {
            SUPPORTED_VERSIONS => {
                let offered = significant(data.vector8()?)?;
                self.version = offered.into_iter().max().unwrap_or_default();
            }
            SIGNATURE_ALGORITHMS => self.schemes = significant(data.vector16()?)?,
            ALPN => {
                let mut list = data.vector16()?;
                self.protocol = if list.0.is_empty() { &[] } else { list.vector8()?.0 };
            }
            _ => {}
        }
        Some(())
    }

    fn text(mut self) -> String {
        let name = if self.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
        let (suites, extensions) = (shown_count(&self.suites), shown_count(&self.extensions));
        let [first, last] = ends(self.protocol);
        let version = version(self.version);
        self.suites.sort_unstable();
        self.extensions.retain(|kind| ![SERVER_NAME, ALPN].contains(kind));
        self.extensions.sort_unstable();
        let offer = hash(&self.suites, &[]);
        let abilities = hash(&self.extensions, &self.schemes);
        format!("t{version}{name}{suites:02}{extensions:02}{first}{last}_{offer}_{abilities}")
    }
}

/// The numbers in a list, without GREASE values.
fn significant(list: Cursor<'_>) -> Option<Vec<u16>> {
    let mut all = list.all_u16(|number| number)?;
    all.retain(|number| !is_grease(*number));
    Some(all)
}

/// RFC 8701 section 2: 0x0a0a, 0x1a1a … 0xfafa.
fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

fn shown_count(list: &[u16]) -> usize {
    list.len().min(99)
}

fn version(number: u16) -> &'static str {
    match number {
        TLS13 => "13",
        TLS12 => "12",
        TLS11 => "11",
        TLS10 => "10",
        SSL3 => "s3",
        SSL2 => "s2",
        DTLS10 => "d1",
        DTLS12 => "d2",
        DTLS13 => "d3",
        _ => "00",
    }
}

/// The first and the last character of the protocol; if one of them is not an ASCII letter or digit, of its bytes in hex.
fn ends(protocol: &[u8]) -> [char; 2] {
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else { return ['0', '0'] };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)];
    }
    [first >> 4, last & 0x0f].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'))
}

/// The first 12 hex digits of the SHA-256 of both lists: numbers with commas between them, and an underscore between the
/// lists if the second has any. Zeros if the first one is empty.
fn hash(list: &[u16], appended: &[u16]) -> String {
    if list.is_empty() {
        return "0".repeat(2 * HASHED);
    }
    let mut text = Vec::with_capacity(5 * (list.len() + appended.len()));
    for (separator, list) in [(None, list), (Some(b'_'), appended)] {
        for (place, number) in list.iter().enumerate() {
            text.extend(if place == 0 { separator } else { Some(b',') });
            text.extend([12, 8, 4, 0].map(|shift| HEX[usize::from(number >> shift & 0x0f)]));
        }
    }
    let mut shown = String::with_capacity(2 * HASHED);
    for byte in &crypto::sha256(&text)[..HASHED] {
        // Writing to a `String` cannot fail.
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The bytes of a hash that are shown.
const HASHED: usize = 6;

/// Chromium sends 18.
const USUAL_EXTENSIONS: usize = 20;

/// Versions that only JA4 names here: RFC 4346, the SSL 2.0 draft, RFC 4347, RFC 6347, RFC 9147.
const TLS11: u16 = 0x0302;
const SSL2: u16 = 0x0002;
const DTLS10: u16 = 0xfeff;
const DTLS12: u16 = 0xfefd;
const DTLS13: u16 = 0xfefc;

#[cfg(test)]
mod tests;
