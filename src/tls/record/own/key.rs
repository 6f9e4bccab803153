//! Keys, nonces and sequence numbers of one direction, and the format of protected records. Must not know: the records'
//! contents.

use rustls::{ConnectionTrafficSecrets, Error, ProtocolVersion};

use crate::tls::crypto::{Aead, TAG_LEN};
use crate::tls::record::interface::Room;
use crate::tls::wire::codes::framing::{MAX_FRAGMENT, RECORD_HEADER};

/// The format of a protected record: what surrounds its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 8446 section 5.2: the content type is inside, after the content; the nonce is not sent.
    Tls13,
    /// RFC 5288 section 3: eight bytes of the nonce are sent before the content.
    Tls12Gcm,
    /// RFC 7905 section 2: the nonce is not sent.
    Tls12ChaCha,
}

impl Format {
    pub(super) fn of(version: ProtocolVersion, secrets: &ConnectionTrafficSecrets) -> Option<Self> {
        match (version, secrets) {
            (ProtocolVersion::TLSv1_3, _) => Some(Self::Tls13),
            (ProtocolVersion::TLSv1_2, ConnectionTrafficSecrets::Chacha20Poly1305 { .. }) => Some(Self::Tls12ChaCha),
            (ProtocolVersion::TLSv1_2, _) => Some(Self::Tls12Gcm),
            _ => None,
        }
    }

    pub(super) fn is_tls13(self) -> bool {
        self == Self::Tls13
    }

    pub(super) fn room(self) -> Room {
        match self {
            Self::Tls13 => Room { before: RECORD_HEADER, after: 1 + TAG_LEN },
            Self::Tls12Gcm => Room { before: RECORD_HEADER + EXPLICIT_NONCE, after: TAG_LEN },
            Self::Tls12ChaCha => Room { before: RECORD_HEADER, after: TAG_LEN },
        }
    }

    /// The largest length allowed in a header (RFC 8446 section 5.2, RFC 5246 section 6.2.3).
    pub(super) fn longest(self) -> usize {
        match self {
            Self::Tls13 => MAX_FRAGMENT + 256,
            _ => MAX_FRAGMENT + 2048,
        }
    }
}

/// A key, and how often it was used.
#[derive(Debug)]
pub(super) struct TrafficKey {
    aead: Aead,
    /// Combined with the sequence number by exclusive or, this is the nonce (RFC 8446 section 5.3, RFC 7905 section 2). TLS
    /// 1.2 with AES-GCM requires only that the explicit part never repeats (RFC 5288 section 3); rustls has used the same
    /// method for its records of the handshake, so none repeats.
    iv: [u8; 12],
    sequence: u64,
    /// How many records the key may seal in all.
    limit: u64,
}

impl TrafficKey {
    pub(super) fn new(secrets: &ConnectionTrafficSecrets, sequence: u64) -> Result<Self, Error> {
        let (aead, iv) = Aead::new(secrets).ok_or(Error::EncryptError)?;
        let limit = match secrets {
            // RFC 8446 section 5.5 allows 2^24.5 full records for AES-GCM; for ChaCha20 the limit cannot be reached.
            ConnectionTrafficSecrets::Chacha20Poly1305 { .. } => u64::MAX,
            _ => 1 << 24,
        };
        Ok(Self { aead, iv, sequence, limit })
    }

    /// The same key, with the limit of the one before it.
    pub(super) fn with_limit_of(self, other: &Self) -> Self {
        Self { limit: other.limit, ..self }
    }

    /// How many records may still be sealed.
    pub(super) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.sequence)
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The nonce of the next record. TLS 1.2 with AES-GCM sends its last eight bytes.
    pub(super) fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        nonce
    }

    /// The nonce of a record whose sender chose the last eight bytes.
    pub(super) fn nonce_with(&self, explicit: [u8; EXPLICIT_NONCE]) -> [u8; 12] {
        let mut nonce = self.iv;
        nonce[4..].copy_from_slice(&explicit);
        nonce
    }

    /// Seals the next record with its [`nonce`](Self::nonce) and returns the tag. Sequence numbers never wrap (RFC 8446
    /// section 5.3).
    pub(super) fn seal(&mut self, bound: &[u8], message: &mut [u8]) -> Result<[u8; TAG_LEN], Error> {
        let next = self.sequence.checked_add(1).ok_or(Error::EncryptError)?;
        let tag = self.aead.seal(self.nonce(), bound, message).ok_or(Error::EncryptError)?;
        self.sequence = next;
        Ok(tag)
    }

    /// Opens the next record in place and returns the length of the plaintext. `None` if it is not authentic.
    pub(super) fn open(&mut self, nonce: [u8; 12], bound: &[u8], message: &mut [u8]) -> Option<usize> {
        let next = self.sequence.checked_add(1)?;
        let length = self.aead.open(nonce, bound, message)?;
        self.sequence = next;
        Some(length)
    }

    #[cfg(test)]
    pub(super) fn set(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    #[cfg(test)]
    pub(super) fn limit(&mut self, limit: u64) {
        self.limit = limit;
    }
}

/// The additional data of TLS 1.2 (RFC 5246 section 6.2.3.3): sequence number, type, version, length of the content.
pub(super) fn tls12_bound(sequence: u64, kind: u8, version: [u8; 2], length: usize) -> [u8; 13] {
    let mut bound = [0; 13];
    bound[..8].copy_from_slice(&sequence.to_be_bytes());
    bound[8] = kind;
    bound[9..11].copy_from_slice(&version);
    let [.., high, low] = length.to_be_bytes();
    bound[11..].copy_from_slice(&[high, low]);
    bound
}

/// The part of the nonce that AES-GCM sends in TLS 1.2, in bytes (RFC 5288 section 3).
pub(super) const EXPLICIT_NONCE: usize = 8;
