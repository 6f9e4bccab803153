//! Bytes → what the server says in TLS 1.3 after its ServerHello, where it is encrypted: ALPN, certificates, the signature's
//! scheme. Must not know: keys, records, what was asked and why.

use super::reply::{MAX_MESSAGE, ReplyError};
use crate::tls::wire::codes::extensions::ALPN;
use crate::tls::wire::codes::framing::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, COMPRESSED_CERTIFICATE, ENCRYPTED_EXTENSIONS, FINISHED,
};
use crate::tls::wire::cursor::Cursor;

/// What the messages contain (RFC 8446 sections 4.3 and 4.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// From EncryptedExtensions.
    pub alpn: Option<Vec<u8>>,
    /// DER, leaf first.
    pub certificates: Vec<Vec<u8>>,
    /// Whether the certificates came compressed (RFC 8879); then they are not read.
    pub is_compressed: bool,
    /// The signature scheme of CertificateVerify.
    pub scheme: Option<u16>,
    /// Its signature, and the messages before it, which it covers.
    pub signature: Vec<u8>,
    pub covered: Vec<u8>,
    pub asks_for_certificate: bool,
}

/// Parses the messages from pieces of any size.
#[derive(Debug, Default)]
pub struct Messages {
    /// The contents of records, joined. The owner appends to it and then calls [`Messages::advance`].
    pub raw: Vec<u8>,
    /// How many bytes of `raw` have been parsed.
    parsed: usize,
    /// The type of the last message.
    last: Option<u8>,
    sealed: Sealed,
}

impl Messages {
    /// Parses what was appended to `raw`. `true` after Finished; `false` where more bytes are needed.
    pub fn advance(&mut self) -> Result<bool, ReplyError> {
        loop {
            if self.last == Some(FINISHED) {
                return Ok(true);
            }
            let mut rest = Cursor(self.raw.get(self.parsed..).unwrap_or_default());
            let Some(kind) = rest.u8() else { return Ok(false) };
            // Refused at its first byte: its length could be anything.
            if !may_follow(self.last, kind) {
                return Err(ReplyError::Misplaced("a handshake message of another place"));
            }
            let Some(length) = rest.u24() else { return Ok(false) };
            if length > MAX_MESSAGE {
                return Err(ReplyError::LongMessage(length));
            }
            let Some(body) = rest.take(length).map(Cursor) else { return Ok(false) };
            let start = self.parsed;
            self.parsed += 4 + length;
            self.last = Some(kind);
            let malformed = ReplyError::Malformed;
            match kind {
                ENCRYPTED_EXTENSIONS => self.sealed.alpn = alpn(body).ok_or(malformed("EncryptedExtensions"))?,
                CERTIFICATE_REQUEST => self.sealed.asks_for_certificate = true,
                CERTIFICATE => self.sealed.certificates = certificates(body).ok_or(malformed("Certificate"))?,
                COMPRESSED_CERTIFICATE => self.sealed.is_compressed = true,
                CERTIFICATE_VERIFY => {
                    let (scheme, signature) = verify(body).ok_or(malformed("CertificateVerify"))?;
                    (self.sealed.scheme, self.sealed.signature) = (Some(scheme), signature);
                    self.sealed.covered = self.raw.get(..start).unwrap_or_default().to_vec();
                }
                _ => {}
            }
        }
    }

    /// What was parsed so far.
    pub fn into_sealed(self) -> Sealed {
        self.sealed
    }
}

/// The order of the messages of a handshake without a pre-shared key (RFC 8446 section 2).
fn may_follow(last: Option<u8>, kind: u8) -> bool {
    match last {
        None => kind == ENCRYPTED_EXTENSIONS,
        Some(ENCRYPTED_EXTENSIONS) => matches!(kind, CERTIFICATE_REQUEST | CERTIFICATE | COMPRESSED_CERTIFICATE),
        Some(CERTIFICATE_REQUEST) => matches!(kind, CERTIFICATE | COMPRESSED_CERTIFICATE),
        Some(CERTIFICATE | COMPRESSED_CERTIFICATE) => kind == CERTIFICATE_VERIFY,
        Some(CERTIFICATE_VERIFY) => kind == FINISHED,
        Some(_) => false,
    }
}

/// The protocol that the server chose, if it chose one; `None` if the extensions are malformed.
fn alpn(mut body: Cursor<'_>) -> Option<Option<Vec<u8>>> {
    let mut list = body.vector16()?;
    let mut chosen = None;
    while !list.0.is_empty() {
        let (kind, mut data) = (list.u16()?, list.vector16()?);
        if kind == ALPN {
            chosen = Some(data.vector16()?.vector8()?.0.to_vec());
        }
    }
    body.0.is_empty().then_some(chosen)
}

/// The certificates, without what belongs to each of them (RFC 8446 section 4.4.2).
fn certificates(mut body: Cursor<'_>) -> Option<Vec<Vec<u8>>> {
    // The context is empty in a server's message of the handshake.
    body.vector8()?;
    let mut list = body.vector24()?;
    let mut all = Vec::new();
    while !list.0.is_empty() {
        all.push(list.vector24()?.0.to_vec());
        list.vector16()?;
    }
    body.0.is_empty().then_some(all)
}

fn verify(mut body: Cursor<'_>) -> Option<(u16, Vec<u8>)> {
    let (scheme, signature) = (body.u16()?, body.vector16()?);
    body.0.is_empty().then(|| (scheme, signature.0.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 0, 0, u8::try_from(body.len()).unwrap()], body].concat()
    }

    fn flight() -> Vec<u8> {
        [
            message(ENCRYPTED_EXTENSIONS, &[0, 9, 0, 16, 0, 5, 0, 3, 2, b'h', b'2']),
            message(CERTIFICATE_REQUEST, &[0, 0, 0]),
            message(CERTIFICATE, &[0, 0, 0, 13, 0, 0, 2, 7, 8, 0, 0, 0, 0, 1, 9, 0, 0]),
            message(CERTIFICATE_VERIFY, &[4, 3, 0, 1, 5]),
            message(FINISHED, &[0; 32]),
        ]
        .concat()
    }

    fn read(bytes: &[u8], size: usize) -> Result<Option<Sealed>, ReplyError> {
        let mut messages = Messages::default();
        for piece in bytes.chunks(size) {
            messages.raw.extend_from_slice(piece);
            if messages.advance()? {
                return Ok(Some(messages.into_sealed()));
            }
        }
        Ok(None)
    }

    #[test]
    fn in_pieces_of_any_size_the_facts_are_the_same_and_every_prefix_waits() {
        let flight = flight();
        let covered = flight.get(..flight.len() - 45).unwrap().to_vec();
        let expected = Sealed {
            alpn: Some(b"h2".to_vec()),
            certificates: vec![vec![7, 8], vec![9]],
            is_compressed: false,
            scheme: Some(0x0403),
            signature: vec![5],
            covered,
            asks_for_certificate: true,
        };
        for size in 1..=flight.len() {
            assert_eq!(read(&flight, size), Ok(Some(expected.clone())));
        }
        for end in 1..flight.len() {
            assert_eq!(read(&flight[..end], end), Ok(None), "{end}");
        }
    }

    #[test]
    fn messages_in_another_order_of_another_kind_or_too_long_are_refused() {
        let misplaced = Err(ReplyError::Misplaced("a handshake message of another place"));
        for first in [CERTIFICATE, CERTIFICATE_VERIFY, FINISHED, 2, 4] {
            assert_eq!(read(&message(first, &[]), 100), misplaced, "{first}");
        }
        let twice = message(ENCRYPTED_EXTENSIONS, &[0, 0]).repeat(2);
        assert_eq!(read(&twice, 100), misplaced);
        assert_eq!(read(&[ENCRYPTED_EXTENSIONS, 255, 255, 255], 4), Err(ReplyError::LongMessage(0xff_ffff)));
    }

    #[test]
    fn no_change_of_a_byte_breaks_it() {
        let flight = flight();
        for at in 0..flight.len() {
            for with in [0, 1, 0x7f, 0xff] {
                let mut changed = flight.clone();
                changed[at] = with;
                let whole = read(&changed, changed.len());
                assert_eq!(whole, read(&changed, 1), "byte {at} is {with}");
            }
        }
    }
}
