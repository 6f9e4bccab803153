//! Protects the records of one direction of a connection. Must not know: how records are framed, numbers of records.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::{CipherSuite, ConnectionTrafficSecrets};

/// A key that protects records, for one direction of one connection. The caller must never use a nonce twice.
///
/// aws-lc's `TlsRecordSealingKey` would check the nonces itself, but in TLS 1.3 it takes its first nonce for that of
/// sequence number 0. Here the first one is later: rustls has already sealed the session tickets.
pub struct Aead(LessSafeKey);

impl Aead {
    /// The key in `secrets`, and the fixed part of the nonces. `None` if the algorithm is not supported.
    pub fn new(secrets: &ConnectionTrafficSecrets) -> Option<(Self, [u8; NONCE_LEN])> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return None,
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).ok()?;
        Some((Self(LessSafeKey::new(key)), iv.as_ref().try_into().ok()?))
    }

    /// The key of a suite of TLS 1.3. `None` if the suite is not supported, or if the key has another length than the suite's.
    pub(super) fn of_tls13(suite: CipherSuite, key: &[u8]) -> Option<Self> {
        let algorithm = match suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => &AES_128_GCM,
            CipherSuite::TLS13_AES_256_GCM_SHA384 => &AES_256_GCM,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => &CHACHA20_POLY1305,
            _ => return None,
        };
        UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new).map(Self)
    }

    /// Encrypts `message` in place and returns the tag. `bound` is authenticated too. `None` if the message is too long.
    pub fn seal(&self, nonce: [u8; NONCE_LEN], bound: &[u8], message: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(bound), message).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts a message and its tag in place, and returns the length of the plaintext. `None` if it is not authentic;
    /// then `message` contains no plaintext.
    pub fn open(&self, nonce: [u8; NONCE_LEN], bound: &[u8], message: &mut [u8]) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, Aad::from(bound), message).ok().map(|plain| plain.len())
    }
}

impl std::fmt::Debug for Aead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys must not reach a log.
        f.write_str("Aead(…)")
    }
}

/// The length of the tag of every supported algorithm, in bytes.
pub const TAG_LEN: usize = 16;
