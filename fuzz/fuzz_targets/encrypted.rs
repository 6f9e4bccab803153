//! Encrypted private keys: any bytes are decrypted or refused; whatever was encrypted comes back, if it is a key, and a key
//! that is accepted signs.
#![no_main]

use std::num::NonZeroU32;

use libfuzzer_sys::fuzz_target;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Parameters, Pbkdf2Params};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rustls::pki_types::PrivateKeyDer;
use tlsgate::tls::crypto::{self, Prf};
use tlsgate::tls::encrypted::{DecryptError, decrypt, from_pem, to_pem};

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice & 1 == 0 {
        if is_cheap(bytes) {
            let decrypted = decrypt(bytes, PASSPHRASE);
            assert!(decrypted.is_err() || from_pem(&to_pem(bytes)).as_deref() == Some(bytes));
        }
        return;
    }
    let encrypted = encrypted(bytes, choice >> 1);
    match decrypt(&encrypted, PASSPHRASE) {
        Ok(key) => {
            assert_eq!(*key, bytes);
            if let Ok(key) = crypto::signing_key(&PrivateKeyDer::Pkcs8(key.to_vec().into())) {
                let signer = key.choose_scheme(tlsgate::tls::policy::SCHEMES).expect("a scheme for each kind of key");
                signer.sign(b"message").expect("a signature");
            }
        }
        Err(error) => {
            assert_eq!(error, DecryptError::Passphrase);
            assert!(PrivateKeyInfoRef::from_der(bytes).is_err());
        }
    }
});

/// With few rounds, so that much can be tried. What a high number does is for the unit tests.
fn encrypted(bytes: &[u8], choice: u8) -> Vec<u8> {
    let (iv, salt) = ([7; 16], b"saltsalt");
    let rounds = NonZeroU32::MIN.saturating_add(u32::from(choice >> 2));
    let (length, encryption) = match choice % 3 {
        0 => (16, Cipher::Aes128Cbc { iv }),
        1 => (24, Cipher::Aes192Cbc { iv }),
        _ => (32, Cipher::Aes256Cbc { iv }),
    };
    let mut secret = vec![0; length];
    crypto::stretch(Prf::Sha256, rounds, salt, PASSPHRASE, &mut secret);
    let encrypted = crypto::encrypt_cbc(&secret, iv, bytes).expect("a cipher");
    let kdf = Kdf::Pbkdf2(Pbkdf2Params::hmac_sha256(rounds.get(), salt).expect("parameters"));
    let encryption_algorithm = EncryptionScheme::Pbes2(Parameters { kdf, encryption });
    let encrypted_data = OctetStringRef::new(&encrypted).expect("a string");
    EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data }.to_der().expect("a key")
}

/// Whether a try takes less than a millisecond or so.
fn is_cheap(bytes: &[u8]) -> bool {
    let Ok(info) = EncryptedPrivateKeyInfoRef::from_der(bytes) else { return true };
    match &info.encryption_algorithm {
        EncryptionScheme::Pbes2(Parameters { kdf: Kdf::Pbkdf2(parameters), .. }) => parameters.iteration_count <= 1000,
        EncryptionScheme::Pbes2(Parameters { kdf: Kdf::Scrypt(parameters), .. }) => {
            let (r, p) = (u64::from(parameters.block_size), u64::from(parameters.parallelization));
            let cost = parameters.cost_parameter.checked_mul(r).and_then(|product| product.checked_mul(p));
            // What is far too costly must be refused without a try, so it is cheap again.
            cost.is_none_or(|cost| cost <= 1 << 12 || cost > 1 << 40)
        }
        _ => true,
    }
}

const PASSPHRASE: &[u8] = b"x";
