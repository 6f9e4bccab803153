//! Private keys that are encrypted with a passphrase ↔ private keys: PKCS#8 (RFC 5958 section 3) with PBES2 (RFC 8018
//! section 6.2), in DER and in PEM. Must not know: files, where passphrases come from, what a key is for.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Parameters, Pbkdf2Params, Pbkdf2Prf, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::tls::certificate::pem::written::section;
use crate::tls::crypto::{self, Prf};

/// Why a key cannot be decrypted. The texts follow the name of a file, or of a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecryptError {
    #[error(
        "is in no form that is read, expected PKCS#8 encrypted by PBES2 with PBKDF2 or scrypt, and AES-CBC (\"openssl pkcs8 -topk8\" writes it so)"
    )]
    Malformed,
    #[error(
        "is encrypted by {0}, expected PBES2 with PBKDF2 or scrypt, and AES-CBC (\"openssl pkcs8 -topk8\" writes it so)"
    )]
    Scheme(&'static str),
    #[error("is encrypted by PBKDF2 with {0} rounds, expected at most {MOST_ITERATIONS}")]
    Rounds(u32),
    #[error("is encrypted by scrypt with N = {0}, r = {1} and p = {2}, expected at most {memory} MiB of memory (128 * N * r), and N * r * p of at most {MOST_SCRYPT}", memory = MOST_MEMORY >> 20)]
    Cost(u64, u32, u32),
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
    let mut secret = Zeroizing::new([0; 32]);
    crypto::stretch(Prf::Sha256, ITERATIONS, &salt, passphrase, &mut *secret);
    let encrypted = crypto::encrypt_cbc(&*secret, iv, key)?;
    let encrypted_data = OctetStringRef::new(&encrypted).ok()?;
    let encryption_algorithm = EncryptionScheme::Pbes2(parameters);
    EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data }.to_der().ok()
}

/// Decrypts what [`encrypt`] and other programs write. The result is PKCS#8 in DER, and is wiped when it is
/// dropped.
pub fn decrypt(encrypted: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
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

/// The key that a passphrase leads to.
fn secret(kdf: &Kdf, passphrase: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    if kdf.key_length().is_some_and(|stated| usize::from(stated) != length) {
        return Err(DecryptError::Malformed);
    }
    let mut secret = Zeroizing::new(vec![0; length]);
    match kdf {
        Kdf::Pbkdf2(parameters) => pbkdf2(parameters, passphrase, &mut secret)?,
        Kdf::Scrypt(parameters) => scrypt(parameters, passphrase, &mut secret)?,
        _ => return Err(DecryptError::Scheme("a function other than PBKDF2 and scrypt")),
    }
    Ok(secret)
}

fn pbkdf2(parameters: &Pbkdf2Params, passphrase: &[u8], secret: &mut [u8]) -> Result<(), DecryptError> {
    let prf = match parameters.prf {
        Pbkdf2Prf::HmacWithSha1 => Prf::Sha1,
        Pbkdf2Prf::HmacWithSha224 => Prf::Sha224,
        Pbkdf2Prf::HmacWithSha256 => Prf::Sha256,
        Pbkdf2Prf::HmacWithSha384 => Prf::Sha384,
        Pbkdf2Prf::HmacWithSha512 => Prf::Sha512,
        _ => return Err(DecryptError::Scheme("PBKDF2 with an unusual hash")),
    };
    if parameters.iteration_count > MOST_ITERATIONS {
        return Err(DecryptError::Rounds(parameters.iteration_count));
    }
    let iterations = NonZeroU32::new(parameters.iteration_count).ok_or(DecryptError::Malformed)?;
    crypto::stretch(prf, iterations, parameters.salt.as_bytes(), passphrase, secret);
    Ok(())
}

fn scrypt(parameters: &ScryptParams, passphrase: &[u8], secret: &mut [u8]) -> Result<(), DecryptError> {
    let (n, r, p) = (parameters.cost_parameter, parameters.block_size.into(), parameters.parallelization.into());
    let product = n.checked_mul(u64::from(r));
    let memory = product.and_then(|product| product.checked_mul(128));
    let all = product.and_then(|product| product.checked_mul(u64::from(p)));
    if memory.is_none_or(|memory| memory > MOST_MEMORY) || all.is_none_or(|all| all > MOST_SCRYPT) {
        return Err(DecryptError::Cost(n, r, p));
    }
    // RFC 7914 section 6: N is a power of two.
    if !n.is_power_of_two() || n < 2 {
        return Err(DecryptError::Malformed);
    }
    let log_n = n.trailing_zeros().try_into().map_err(|_| DecryptError::Malformed)?;
    crypto::scrypt(log_n, (r, p), parameters.salt.as_bytes(), passphrase, secret).ok_or(DecryptError::Malformed)
}

/// As OWASP's Password Storage Cheat Sheet has it for PBKDF2 with HMAC-SHA-256.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(599_999);

/// A file may name any number; more would take longer than anyone waits.
const MOST_ITERATIONS: u32 = 10_000_000;

/// In bytes. OpenSSL itself takes 16 MiB by default, and at most 32 MiB.
const MOST_MEMORY: u64 = 256 << 20;

/// N * r * p, which the time depends on. OpenSSL's default is a sixty-fourth of it, and takes 50 ms.
const MOST_SCRYPT: u64 = 8 << 20;

const LABEL: &str = "ENCRYPTED PRIVATE KEY";

#[cfg(test)]
mod tests {
    use pkcs8::pkcs5::pbes2::Salt;

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
        assert_eq!(*decrypt(&read, b"correct horse").unwrap(), key);
        for wrong in [&b"correct horse "[..], b"Correct horse", b""] {
            assert_eq!(decrypt(&read, wrong), Err(DecryptError::Passphrase));
        }
    }

    /// What `decrypt` says of a key that is encrypted so.
    fn refusal(kdf: Kdf) -> DecryptError {
        let encryption_algorithm =
            EncryptionScheme::Pbes2(Parameters { kdf, encryption: Cipher::Aes256Cbc { iv: [0; 16] } });
        let encrypted_data = OctetStringRef::new(&[0; 16]).unwrap();
        let info = EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data };
        decrypt(&info.to_der().unwrap(), b"p").unwrap_err()
    }

    #[test]
    fn what_would_cost_too_much_is_not_tried() {
        let error = refusal(Pbkdf2Params::hmac_sha256(MOST_ITERATIONS + 1, b"salt").unwrap().into());
        assert_eq!(error, DecryptError::Rounds(MOST_ITERATIONS + 1));
        assert!(error.to_string().contains("at most 10000000"), "{error}");
        let error = refusal(Pbkdf2Params::hmac_sha256(1, b"salt").unwrap().into());
        assert_eq!(error, DecryptError::Passphrase);
        let with = |n: u64, r: u16, p: u16| {
            let salt = Salt::new(b"salt").unwrap();
            refusal(Kdf::Scrypt(ScryptParams {
                salt,
                cost_parameter: n,
                block_size: r,
                parallelization: p,
                key_length: None,
            }))
        };
        for (n, r, p) in [(1 << 19, 8, 1), (1 << 10, 8, 1025), (u64::MAX, 2, 1), (1 << 63, 65535, 65535)] {
            let error = with(n, r, p);
            assert_eq!(error, DecryptError::Cost(n, r.into(), p.into()));
            assert!(error.to_string().contains("at most 256 MiB"), "{error}");
        }
        assert_eq!(with(1024, 8, 1), DecryptError::Passphrase);
        for n in [0, 1, 3, 1023] {
            assert_eq!(with(n, 8, 1), DecryptError::Malformed);
        }
    }

    #[test]
    fn sha224_is_as_openssl_has_it() {
        // openssl kdf -keylen 48 -kdfopt digest:SHA224 -kdfopt pass:p -kdfopt salt:s -kdfopt iter:3 PBKDF2
        let mut key = [0; 48];
        crypto::stretch(Prf::Sha224, NonZeroU32::new(3).unwrap(), b"s", b"p", &mut key);
        assert_eq!(key[..4], [0x8f, 0x50, 0x74, 0x23]);
        assert_eq!(key[44..], [0xf3, 0xf7, 0x85, 0x17]);
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
