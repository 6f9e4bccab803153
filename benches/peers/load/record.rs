//! TLS records on the client's side after rustls has done the handshake: many in one buffer, sealed and opened in
//! place, so that the load costs less than the proxy. A separate implementation, so that it does not hide a fault of
//! tlsgate's.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ProtocolVersion};

use super::Fault;

/// The longest payload of a record (RFC 8446 section 5.1).
pub(crate) const PAYLOAD: usize = 16 * 1024;
pub(crate) const HEADER: usize = 5;
const TAG: usize = 16;
/// What TLS 1.2 puts in front of the payload (RFC 5288 section 3).
const EXPLICIT: usize = 8;
/// RFC 8446 section 5.2: the maximal length, with everything that may surround the payload.
const LONGEST: usize = PAYLOAD + 256;

pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const DATA: u8 = 23;

/// One direction of a connection.
pub(crate) struct Half {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    old: bool,
}

/// An opened record: its type, and the position of its payload in the buffer.
pub(crate) struct Opened {
    pub(crate) kind: u8,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The position of the next record.
    pub(crate) next: usize,
}

impl Half {
    pub(crate) fn new(
        (sequence, secrets): &(u64, ConnectionTrafficSecrets),
        version: ProtocolVersion,
    ) -> Result<Self, Fault> {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            return Err(Fault::Record("keys for another suite than AES-128-GCM"));
        };
        let key =
            UnboundKey::new(&AES_128_GCM, key.as_ref()).map_err(|_| Fault::Record("a key of the wrong length"))?;
        let iv = iv.as_ref().try_into().map_err(|_| Fault::Record("an IV of the wrong length"))?;
        let old = version == ProtocolVersion::TLSv1_2;
        Ok(Self { key: LessSafeKey::new(key), iv, sequence: *sequence, old })
    }

    /// The length of a record with that payload.
    pub(crate) fn sealed(&self, payload: usize) -> usize {
        HEADER + payload + TAG + if self.old { EXPLICIT } else { 1 }
    }

    /// Writes a record to the beginning of `out`, and returns its length.
    pub(crate) fn seal(&mut self, kind: u8, payload: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
        let length = self.sealed(payload.len());
        let out = out.get_mut(..length).ok_or(Fault::Record("no room for it"))?;
        let (header, body) = out.split_at_mut(HEADER);
        header.copy_from_slice(&self.header(kind, length - HEADER));
        let before = if self.old { EXPLICIT } else { 0 };
        let (explicit, inner) = body.split_at_mut(before);
        let (inner, tag) = inner.split_at_mut(length - HEADER - before - TAG);
        inner[..payload.len()].copy_from_slice(payload);
        if self.old {
            explicit.copy_from_slice(&self.sequence.to_be_bytes());
        } else {
            inner[payload.len()] = kind;
        }
        let nonce = self.nonce(explicit);
        let sealed = if self.old {
            let aad = self.old_aad(kind, payload.len());
            self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), inner)
        } else {
            let aad: &[u8] = header;
            self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), inner)
        };
        tag.copy_from_slice(sealed.map_err(|_| Fault::Record("it cannot be sealed"))?.as_ref());
        self.sequence += 1;
        Ok(length)
    }

    /// Opens the record that begins at `at`, if it is complete.
    pub(crate) fn open(&mut self, buffer: &mut [u8], at: usize) -> Result<Option<Opened>, Fault> {
        let Some(&[kind, _, _, high, low]) = buffer.get(at..at + HEADER) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > LONGEST {
            return Err(Fault::Record("longer than allowed"));
        }
        let next = at + HEADER + length;
        if buffer.len() < next {
            return Ok(None);
        }
        let header = self.header(kind, length);
        let before = if self.old { EXPLICIT } else { 0 };
        let from = at + HEADER + before;
        if next < from + TAG {
            return Err(Fault::Record("shorter than its tag"));
        }
        let nonce = self.nonce(&buffer[at + HEADER..from]);
        let body = &mut buffer[from..next];
        let opened = if self.old {
            let aad = self.old_aad(kind, body.len() - TAG);
            self.key.open_in_place(nonce, Aad::from(aad), body)
        } else {
            self.key.open_in_place(nonce, Aad::from(header), body)
        };
        let inner = opened.map_err(|_| Fault::Record("its tag is wrong"))?;
        self.sequence += 1;
        if self.old {
            return Ok(Some(Opened { kind, from, to: from + inner.len(), next }));
        }
        let end = inner.iter().rposition(|&byte| byte != 0).ok_or(Fault::Record("it has no type"))?;
        Ok(Some(Opened { kind: inner[end], from, to: from + end, next }))
    }

    fn header(&self, kind: u8, length: usize) -> [u8; HEADER] {
        let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        [if self.old { kind } else { DATA }, 3, 3, high, low]
    }

    fn nonce(&self, explicit: &[u8]) -> Nonce {
        let mut nonce = self.iv;
        if self.old {
            nonce[4..].copy_from_slice(explicit);
        } else {
            for (byte, sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
                *byte ^= sequence;
            }
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 5246 section 6.2.3.3.
    fn old_aad(&self, kind: u8, payload: usize) -> [u8; 13] {
        let [a, b, c, d, e, f, g, h] = self.sequence.to_be_bytes();
        let [high, low] = u16::try_from(payload).unwrap_or(u16::MAX).to_be_bytes();
        [a, b, c, d, e, f, g, h, kind, 3, 3, high, low]
    }
}
