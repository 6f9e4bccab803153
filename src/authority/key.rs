//! Private keys: made, and as files with or without a passphrase. Must not know: what a key signs, where files are.

use rcgen::{KeyPair, RsaKeySize};

use crate::acme::settings::KeyKind;
use crate::authority::error::AuthorityError;
use crate::tls::encrypted::{self, DecryptError};

/// Makes a key. RSA takes up to seconds.
pub fn generate(kind: KeyKind) -> Result<KeyPair, AuthorityError> {
    let size = match kind {
        KeyKind::EcdsaP256 => return Ok(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?),
        KeyKind::EcdsaP384 => return Ok(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?),
        KeyKind::Rsa2048 => RsaKeySize::_2048,
        KeyKind::Rsa3072 => RsaKeySize::_3072,
        KeyKind::Rsa4096 => RsaKeySize::_4096,
    };
    Ok(KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size)?)
}

/// The file of a key, encrypted if there is a passphrase.
pub(super) fn to_pem(key: &KeyPair, passphrase: Option<&str>) -> Result<String, AuthorityError> {
    let Some(passphrase) = passphrase else { return Ok(key.serialize_pem()) };
    let encrypted = encrypted::encrypt(key.serialized_der(), passphrase.as_bytes()).ok_or(AuthorityError::NoRandom)?;
    Ok(encrypted::to_pem(&encrypted))
}

/// Whether reading this file takes a passphrase.
pub(super) fn is_encrypted(pem: &str) -> bool {
    encrypted::from_pem(pem).is_some()
}

/// Why the file of a key cannot be used.
#[derive(Debug)]
pub(super) enum KeyError {
    Decrypt(DecryptError),
    Form(rcgen::Error),
}

/// Reads what [`to_pem`] has written.
pub(super) fn from_pem(pem: &str, passphrase: Option<&str>) -> Result<KeyPair, KeyError> {
    let Some(encrypted) = encrypted::from_pem(pem) else { return KeyPair::from_pem(pem).map_err(KeyError::Form) };
    let passphrase = passphrase.unwrap_or_default().as_bytes();
    let der = encrypted::decrypt(&encrypted, passphrase).map_err(KeyError::Decrypt)?;
    KeyPair::try_from(der.as_slice()).map_err(KeyError::Form)
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData as _;

    use super::*;

    #[test]
    fn a_key_survives_its_file() {
        for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Rsa2048] {
            let key = generate(kind).unwrap();
            // One kind is enough for the encryption, which takes long.
            let passphrases = if kind == KeyKind::EcdsaP256 { &[None, Some("pass phrase")][..] } else { &[None] };
            for passphrase in passphrases.iter().copied() {
                let pem = to_pem(&key, passphrase).unwrap();
                assert_eq!(is_encrypted(&pem), passphrase.is_some());
                let read = from_pem(&pem, passphrase).unwrap();
                assert_eq!(read.subject_public_key_info(), key.subject_public_key_info());
                let wrong = from_pem(&pem, Some("other"));
                assert_eq!(wrong.is_err(), passphrase.is_some());
            }
        }
    }
}
