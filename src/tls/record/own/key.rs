//! Keys, nonces and sequence numbers of one direction, how much a key may seal, and the format of protected records. Must
//! not know: the records' contents.

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

    /// How many bytes of each record's message are not content: TLS 1.3 has the content type there.
    fn inside(self) -> usize {
        usize::from(self.is_tls13())
    }

    /// What it costs a key to seal this many bytes of data, in [blocks](Cost): as many full records as there are, and one
    /// with the rest.
    pub(super) fn cost(self, count: usize) -> Cost {
        let (full, rest) = (count / MAX_FRAGMENT, count % MAX_FRAGMENT);
        let last = if rest > 0 { cost(rest + self.inside()) } else { 0 };
        full as Cost * cost(MAX_FRAGMENT + self.inside()) + last
    }

    /// The largest length allowed in a header (RFC 8446 section 5.2, RFC 5246 section 6.2.3).
    pub(super) fn longest(self) -> usize {
        match self {
            Self::Tls13 => MAX_FRAGMENT + 256,
            _ => MAX_FRAGMENT + 2048,
        }
    }
}

/// How much a key has sealed, or may seal, in blocks of AES; see [`cost`].
pub(super) type Cost = u64;

/// What one record costs, whose message has this many bytes.
///
/// The advantage of an attacker who attacks the confidentiality of AES-GCM is at most (s + q + 1)^2 / 2^129
/// (draft-irtf-cfrg-aead-limits, section 5.1): q is the number of records, s is the number of blocks of their messages and
/// their additional data, which is one block for each record. So a record of 100 bytes costs a hundredth of a full one.
fn cost(message: usize) -> Cost {
    message.div_ceil(AES_BLOCK) as Cost + 2
}

/// A key, and how much it was used.
#[derive(Debug)]
pub(super) struct TrafficKey {
    aead: Aead,
    /// Combined with the sequence number by exclusive or, this is the nonce (RFC 8446 section 5.3, RFC 7905 section 2). TLS
    /// 1.2 with AES-GCM requires only that the explicit part never repeats (RFC 5288 section 3); rustls has used the same
    /// method for its records of the handshake, so none repeats.
    iv: [u8; 12],
    sequence: u64,
    /// What the key has sealed. What it has opened is not counted: the other side counts that. Forgeries are not counted
    /// either (the integrity limit of RFC 9325 section 4.4), since TLS ends with the first one.
    used: Cost,
    /// What the key may seal in all.
    limit: Cost,
}

impl TrafficKey {
    pub(super) fn new(secrets: &ConnectionTrafficSecrets, sequence: u64) -> Result<Self, Error> {
        let (aead, iv) = Aead::new(secrets).ok_or(Error::EncryptError)?;
        let limit = match secrets {
            // The sequence number would wrap first (RFC 8446 section 5.5).
            ConnectionTrafficSecrets::Chacha20Poly1305 { .. } => Cost::MAX,
            _ => MOST_AES_GCM,
        };
        // rustls has sealed the records until now. It does not report their lengths, so they count as full.
        Ok(Self { aead, iv, sequence, used: sequence.saturating_mul(FULL), limit })
    }

    /// The same key, with the limit of the one before it.
    pub(super) fn with_limit_of(self, other: &Self) -> Self {
        Self { limit: other.limit, ..self }
    }

    /// Whether it may seal records of this cost, and one more for a message of the protocol itself, so that a key can
    /// always be changed and a connection ended.
    pub(super) fn allows(&self, cost: Cost) -> bool {
        self.used.saturating_add(cost).saturating_add(LAST) <= self.limit
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
        self.used = self.used.saturating_add(cost(message.len()));
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

    /// Has the key allow so much from now on.
    #[cfg(test)]
    pub(super) fn limit(&mut self, limit: Cost) {
        (self.used, self.limit) = (0, limit);
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> Cost {
        self.used
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

/// The block of AES, in bytes.
const AES_BLOCK: usize = 16;

/// The cost of a full record.
const FULL: Cost = (MAX_FRAGMENT / AES_BLOCK) as Cost + 3;

/// What a key of AES-GCM may seal: 2^24 full records (256 GiB), or more that are shorter. RFC 8446 section 5.5 allows 2^24.5
/// full records (2^34.5 blocks), and RFC 9325 section 4.4 recommends the same for TLS 1.2. Even empty records reach the
/// limit after 2^33, so the sequence number, of which the nonces are made, never comes near its end.
pub(super) const MOST_AES_GCM: Cost = FULL << 24;

/// What is kept for the last record, which is a KeyUpdate (the longest, 5 bytes and the type) or an alert.
const LAST: Cost = 3;
