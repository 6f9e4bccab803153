//! Private keys that are encrypted with a passphrase ↔ private keys: PKCS#8 (RFC 5958 section 3) with PBES2 (RFC 8018
//! section 6.2), in DER and in PEM. Must not know: files, where passphrases come from, what a key is for.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Parameters, Pbkdf2Prf};
use pkcs8::pkcs5::{EncryptionScheme, pbes2};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use thiserror::Error;

use crate::tls::certificate::pem::written::section;
use crate::tls::crypto::{self, Prf};

/// Why a key cannot be decrypted. The texts follow the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecryptError {
    #[error("is no encrypted private key (PKCS#8)")]
    Malformed,
    #[error("is encrypted by {0}, expected PBES2 with PBKDF2 and AES-CBC (\"openssl pkcs8 -topk8\" writes it so)")]
    Scheme(&'static str),
    #[error("cannot be decrypted with this passphrase")]
    Passphrase,
}

/// Encrypts a private key, PKCS#8 in DER: PBKDF2 with HMAC-SHA-256, AES-256 in CBC mode, which OpenSSL, GnuTLS and Java
/// read. `None` if the system has no random bytes.
pub fn encrypt(key: &[u8], passphrase: &[u8]) -> Option<Vec<u8>> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    if !crypto::random(&mut salt) || !crypto::random(&mut iv) {
        return None;
    }
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS.get(), &salt, iv).ok()?;
    let mut secret = [0; 32];
    crypto::stretch(Prf::Sha256, ITERATIONS, &salt, passphrase, &mut secret);
    let encrypted = crypto::encrypt_cbc(&secret, iv, key)?;
    let encrypted_data = OctetStringRef::new(&encrypted).ok()?;
    let encryption_algorithm = EncryptionScheme::Pbes2(parameters);
    EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data }.to_der().ok()
}

/// Decrypts what [`encrypt`] and other programs write. The result is PKCS#8 in DER.
pub fn decrypt(encrypted: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(encrypted).map_err(|_| DecryptError::Malformed)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(DecryptError::Scheme("PBES1"));
    };
    let (length, iv) = cipher(&parameters.encryption)?;
    let secret = secret(&parameters.kdf, passphrase, length)?;
    let key = crypto::decrypt_cbc(&secret, iv, info.encrypted_data.as_bytes()).ok_or(DecryptError::Passphrase)?;
    // The padding fits by chance for one wrong passphrase in 256.
    match PrivateKeyInfoRef::from_der(&key) {
        Ok(_) => Ok(key),
        Err(_) => Err(DecryptError::Passphrase),
    }
}

/// The section `ENCRYPTED PRIVATE KEY` of a text.
pub fn to_pem(encrypted: &[u8]) -> String {
    section(LABEL, encrypted)
}

/// The DER of the section `ENCRYPTED PRIVATE KEY` of a text; `None` if there is none, or if it is not base64.
pub fn from_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {LABEL}-----"))?;
    let (body, _) = rest.split_once("-----END")?;
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}

/// The length of the cipher's key, and its initialization vector.
fn cipher(scheme: &Cipher) -> Result<(usize, [u8; 16]), DecryptError> {
    match scheme {
        Cipher::Aes128Cbc { iv } => Ok((16, *iv)),
        Cipher::Aes192Cbc { iv } => Ok((24, *iv)),
        Cipher::Aes256Cbc { iv } => Ok((32, *iv)),
        _ => Err(DecryptError::Scheme("another cipher")),
    }
}

fn secret(kdf: &Kdf, passphrase: &[u8], length: usize) -> Result<Vec<u8>, DecryptError> {
    let pbes2::Kdf::Pbkdf2(parameters) = kdf else { return Err(DecryptError::Scheme("scrypt")) };
    let prf = match parameters.prf {
        Pbkdf2Prf::HmacWithSha1 => Prf::Sha1,
        Pbkdf2Prf::HmacWithSha256 => Prf::Sha256,
        Pbkdf2Prf::HmacWithSha384 => Prf::Sha384,
        Pbkdf2Prf::HmacWithSha512 => Prf::Sha512,
        _ => return Err(DecryptError::Scheme("PBKDF2 with an unusual hash")),
    };
    if parameters.iteration_count > MOST_ITERATIONS {
        return Err(DecryptError::Scheme("PBKDF2 with more than 20,000,000 rounds"));
    }
    let iterations = NonZeroU32::new(parameters.iteration_count).ok_or(DecryptError::Malformed)?;
    if parameters.key_length.is_some_and(|stated| usize::from(stated) != length) {
        return Err(DecryptError::Malformed);
    }
    let mut secret = vec![0; length];
    crypto::stretch(prf, iterations, parameters.salt.as_bytes(), passphrase, &mut secret);
    Ok(secret)
}

/// As OWASP's Password Storage Cheat Sheet has it for PBKDF2 with HMAC-SHA-256.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(599_999);

/// A file may name any number; more would take longer than anyone waits.
const MOST_ITERATIONS: u32 = 20_000_000;

const LABEL: &str = "ENCRYPTED PRIVATE KEY";

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Vec<u8> {
        rcgen::KeyPair::generate().unwrap().serialize_der()
    }

    #[test]
    fn a_key_comes_back_with_its_passphrase_and_with_no_other() {
        let key = key();
        let encrypted = encrypt(&key, b"correct horse").unwrap();
        assert!(!encrypted.windows(16).any(|part| key.windows(16).any(|other| part == other)));
        let read = from_pem(&to_pem(&encrypted)).unwrap();
        assert_eq!(read, encrypted);
        assert_eq!(decrypt(&read, b"correct horse").unwrap(), key);
        for wrong in [&b"correct horse "[..], b"Correct horse", b""] {
            assert_eq!(decrypt(&read, wrong), Err(DecryptError::Passphrase));
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_an_error() {
        let encrypted = encrypt(&key(), b"p").unwrap();
        for length in 0..encrypted.len() {
            assert_eq!(decrypt(&encrypted[..length], b"p"), Err(DecryptError::Malformed), "{length}");
        }
        // The last block has the padding.
        let mut changed = encrypted.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(decrypt(&changed, b"p"), Err(DecryptError::Passphrase));
        assert_eq!(decrypt(&key(), b"p"), Err(DecryptError::Malformed));
        assert_eq!(from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), None);
        let whole = to_pem(&encrypted);
        assert_eq!(from_pem(&whole.replacen("\nM", "\n!", 1)), None);
        assert_eq!(from_pem(whole.split("-----END").next().unwrap()), None);
    }
}
