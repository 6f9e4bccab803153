//! Seals messages with a random nonce each, as session tickets have it. Must not know: what the messages are.

use aws_lc_rs::aead::{AES_256_GCM, Aad, MAX_TAG_LEN, NONCE_LEN, RandomizedNonceKey};
use zeroize::{Zeroize as _, Zeroizing};

/// AES-256-GCM with a random nonce before each message.
#[derive(Debug)]
pub struct Cipher(RandomizedNonceKey);

impl Cipher {
    /// A cipher with this key. `None` if the provider refuses it.
    pub fn new(key: &[u8; 32]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, key).ok().map(Self)
    }

    /// Encrypts `plain` → nonce, ciphertext and tag. `bound` is authenticated too, but not included. `None` if there are no
    /// random bytes.
    pub fn seal(&self, plain: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
        // With room for the tag, since a vector that grows leaves a copy of the plain text behind.
        let mut message = Vec::with_capacity(plain.len() + MAX_TAG_LEN);
        message.extend_from_slice(plain);
        let Ok(nonce) = self.0.seal_in_place_append_tag(Aad::from(bound), &mut message) else {
            message.zeroize();
            return None;
        };
        Some([nonce.as_ref().as_slice(), &message].concat())
    }

    /// The reverse of [`Self::seal`]; wiped when it is dropped. `None` if key, message or `bound` differ from sealing.
    pub fn open(&self, sealed: &[u8], bound: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, message) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut message = Zeroizing::new(message.to_vec());
        let length = self.0.open_in_place(nonce.into(), Aad::from(bound), &mut message).ok()?.len();
        message.truncate(length);
        Some(message)
    }
}
