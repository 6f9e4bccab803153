//! A passphrase → a key that encrypts. Must not know: what is encrypted, where passphrases come from.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;

/// The pseudo-random functions of PBKDF2: HMAC with these hashes. RFC 8018 has SHA-1 as its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prf {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// PBKDF2 (RFC 8018 section 5.2): a passphrase → `key`, which is at most 64 bytes long.
pub fn stretch(prf: Prf, iterations: NonZeroU32, salt: &[u8], passphrase: &[u8], key: &mut [u8]) {
    let algorithm = match prf {
        Prf::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Prf::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Prf::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Prf::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
    };
    pbkdf2::derive(algorithm, iterations, salt, passphrase, key);
}
