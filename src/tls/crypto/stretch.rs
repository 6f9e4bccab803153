//! A passphrase → a key that encrypts. Must not know: what is encrypted, where passphrases come from.
//!
//! scrypt is not the provider's: aws-lc has it, but aws-lc-rs does not offer it. It is the one algorithm here from elsewhere,
//! and is used only to read keys that other programs have encrypted with it.

use std::num::NonZeroU32;

use aws_lc_rs::{hmac, pbkdf2};
use scrypt::Params;

/// The pseudo-random functions of PBKDF2: HMAC with these hashes. RFC 8018 has SHA-1 as its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prf {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// PBKDF2 (RFC 8018 section 5.2): a passphrase → `key`, which is at most 64 bytes long.
pub fn stretch(prf: Prf, iterations: NonZeroU32, salt: &[u8], passphrase: &[u8], key: &mut [u8]) {
    let algorithm = match prf {
        Prf::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Prf::Sha224 => return stretch_sha224(iterations, salt, passphrase, key),
        Prf::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Prf::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Prf::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
    };
    pbkdf2::derive(algorithm, iterations, salt, passphrase, key);
}

/// The provider has every hash for PBKDF2 but this one.
fn stretch_sha224(iterations: NonZeroU32, salt: &[u8], passphrase: &[u8], key: &mut [u8]) {
    let mac = hmac::Key::new(hmac::HMAC_SHA224, passphrase);
    for (number, block) in (1_u32..).zip(key.chunks_mut(SHA224)) {
        let mut last = hmac::sign(&mac, &[salt, &number.to_be_bytes()].concat());
        let mut sum = [0; SHA224];
        for round in 0..iterations.get() {
            if round > 0 {
                last = hmac::sign(&mac, last.as_ref());
            }
            sum.iter_mut().zip(last.as_ref()).for_each(|(sum, byte)| *sum ^= byte);
        }
        block.copy_from_slice(&sum[..block.len()]);
    }
}

/// scrypt (RFC 7914) with a cost of 2 to the power of `log_n`: a passphrase → `key`. `None` if the parameters are not valid.
pub fn scrypt(log_n: u8, (r, p): (u32, u32), salt: &[u8], passphrase: &[u8], key: &mut [u8]) -> Option<()> {
    scrypt::scrypt(passphrase, salt, &Params::new(log_n, r, p).ok()?, key).ok()
}

/// Bytes of a SHA-224 hash.
const SHA224: usize = 28;
