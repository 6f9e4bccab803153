//! Which sessions a ClientHello offers to resume. It serves a guess at what the handshake will cost: rustls alone decides
//! whether a session is resumed. Must not know: how tickets are encrypted, which sessions exist.

use crate::tls::wire::codes::extensions::{PRE_SHARED_KEY, SESSION_TICKET};
use crate::tls::wire::codes::framing::RECORD_HEADER;
use crate::tls::wire::cursor::Cursor;

/// The sessions that are offered, in the forms of both versions; what is not offered is empty.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Offered<'a> {
    /// The session id (RFC 5246 section 7.4.1.2). In TLS 1.3 it has no meaning.
    pub id: &'a [u8],
    /// The ticket of TLS 1.2 (RFC 5077 section 3.2).
    pub ticket: &'a [u8],
    /// The first ticket of TLS 1.3 (RFC 8446 section 4.2.11).
    pub identity: &'a [u8],
}

impl<'a> Offered<'a> {
    /// Reads a hello's first record. Of a hello in several records, which is rare, it sees nothing.
    pub fn by(raw: &'a [u8]) -> Self {
        read(raw).unwrap_or_default()
    }
}

fn read(raw: &[u8]) -> Option<Offered<'_>> {
    let mut record = Cursor(raw.get(RECORD_HEADER..)?);
    record.u8()?; // the message's type
    let mut body = record.vector24()?;
    body.take(34)?; // version, random
    let id = body.vector8()?.0;
    body.vector16()?; // cipher suites
    body.vector8()?; // compression methods
    let mut offered = Offered { id, ..Offered::default() };
    // RFC 5246 section 7.4.1.2: a hello of TLS 1.2 may end here.
    let mut extensions = body.vector16().unwrap_or(Cursor(&[]));
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut data = extensions.vector16()?;
        match kind {
            SESSION_TICKET => offered.ticket = data.0,
            PRE_SHARED_KEY => offered.identity = data.vector16()?.vector16()?.0,
            _ => {}
        }
    }
    Some(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with this session id and these extensions.
    fn hello(id: &[u8], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let short = |bytes: &[u8]| [&[bytes.len() as u8], bytes].concat();
        let long = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
        let list: Vec<u8> =
            extensions.iter().flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &long(data)].concat()).collect();
        let body = [&[3, 3][..], &[7; 32], &short(id), &long(&[0x13, 1]), &short(&[0]), &long(&list)].concat();
        let message = [&[1, 0][..], &long(&body)].concat();
        [&[22, 3, 1][..], &long(&message)].concat()
    }

    #[test]
    fn each_form_is_found() {
        let psk = [&[0, 12, 0, 6][..], b"ticket", &[0; 4], &[0, 33, 32], &[0; 32]].concat();
        let raw = hello(b"id", &[(10, &[0, 2, 0, 29]), (35, b"old"), (41, &psk)]);
        assert_eq!(Offered::by(&raw), Offered { id: b"id", ticket: b"old", identity: b"ticket" });
        assert_eq!(Offered::by(&hello(b"", &[(35, b"")])), Offered::default());
    }

    #[test]
    fn no_prefix_is_a_fault() {
        let psk = [&[0, 12, 0, 6][..], b"ticket", &[0; 4], &[0, 33, 32], &[0; 32]].concat();
        let raw = hello(b"id", &[(35, b"old"), (41, &psk)]);
        for length in 0..raw.len() {
            assert_eq!(Offered::by(&raw[..length]), Offered::default(), "{length}");
        }
    }
}
