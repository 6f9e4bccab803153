//! The crypto provider; no other file names it. Must not know: policies, certificates, tickets.

use std::num::NonZeroU32;
use std::sync::Arc;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, RandomizedNonceKey, UnboundKey,
};
use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptionContext, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::cipher::{PaddedBlockDecryptingKey, PaddedBlockEncryptingKey};
use aws_lc_rs::encoding::AsRawBytes;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use aws_lc_rs::signature::{KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair};
use aws_lc_rs::{hkdf, pbkdf2};
use rustls::crypto::aws_lc_rs as rustls_side;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{
    CipherSuite, ConnectionTrafficSecrets, NamedGroup, SignatureAlgorithm, SignatureScheme, SupportedCipherSuite,
};

mod ml_dsa;
use ml_dsa::{Private, Set};

/// The crypto provider with its default suites and groups.
pub fn provider() -> CryptoProvider {
    rustls_side::default_provider()
}

/// The provider's implementation of a cipher suite, if it has one.
pub fn suite(suite: CipherSuite) -> Option<SupportedCipherSuite> {
    rustls_side::ALL_CIPHER_SUITES.iter().copied().find(|known| known.suite() == suite)
}

/// The provider's implementation of a key exchange group, if it has one.
pub fn group(group: NamedGroup) -> Option<&'static dyn SupportedKxGroup> {
    rustls_side::ALL_KX_GROUPS.iter().copied().find(|known| known.name() == group)
}

/// Parses a private key (PKCS#1, SEC1 or PKCS#8, in DER) into one that signs. Fails if it is malformed or of an unsupported
/// type.
pub fn signing_key(der: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    if let PrivateKeyDer::Pkcs8(key) = der
        && let Some((set, private)) = ml_dsa::parse(key.secret_pkcs8_der())
    {
        let key = private.map_err(|malformed| malformed.to_string()).and_then(|private| MlDsa::new(set, private));
        return key.map(|key| Arc::new(key) as Arc<dyn SigningKey>).map_err(rustls::Error::General);
    }
    // rustls tries RSA first. For an ECDSA key that is wasted time: parsing checks the key, which costs as much as signing.
    match is_elliptic(der).then(|| rustls_side::sign::any_ecdsa_type(der)) {
        Some(Ok(key)) => Ok(key),
        _ => rustls_side::sign::any_supported_type(der),
    }
}

/// Whether a key declares itself an elliptic-curve key. In PKCS#8 the algorithm is at the start (RFC 5208 section 5).
fn is_elliptic(der: &PrivateKeyDer<'_>) -> bool {
    match der {
        // SEC1 has no other kind of key.
        PrivateKeyDer::Sec1(_) => true,
        PrivateKeyDer::Pkcs8(key) => {
            let front = key.secret_pkcs8_der();
            let front = front.get(..PKCS8_FRONT).unwrap_or(front);
            front.windows(EC_PUBLIC_KEY.len()).any(|window| window == EC_PUBLIC_KEY)
        }
        _ => false,
    }
}

/// An ML-DSA key, which signs in TLS 1.3 only (draft-ietf-tls-mldsa).
///
/// rustls has one too. It finds it after it has tried every other kind of key, which takes nine times as long, and it accepts
/// a seed beside an expanded key of another one, as long as the public keys are the same.
#[derive(Debug, Clone)]
struct MlDsa {
    set: Set,
    pair: Arc<PqdsaKeyPair>,
}

impl MlDsa {
    fn new(set: Set, private: Private<'_>) -> Result<Self, String> {
        let algorithm = match set {
            Set::MlDsa44 => &ML_DSA_44_SIGNING,
            Set::MlDsa65 => &ML_DSA_65_SIGNING,
            Set::MlDsa87 => &ML_DSA_87_SIGNING,
        };
        let pair = match private {
            // The provider derives the public key and compares the rest with it.
            Private::Expanded(expanded) => PqdsaKeyPair::from_raw_private_key(algorithm, expanded),
            Private::Seed(seed) | Private::Both { seed, .. } => PqdsaKeyPair::from_seed(algorithm, seed),
        };
        let pair = pair.map_err(|_| format!("the parts of the {set} key do not belong together"))?;
        // RFC 9881 section 8.2: byte by byte, since not every part of the private key shows in the public one.
        if let Private::Both { expanded, .. } = private
            && !pair.private_key().as_raw_bytes().is_ok_and(|own| same_secret(own.as_ref(), expanded))
        {
            return Err(format!("the expanded {set} key is not that of the seed beside it"));
        }
        Ok(Self { set, pair: Arc::new(pair) })
    }
}

impl SigningKey for MlDsa {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        let algorithm = match self.set {
            Set::MlDsa44 => alg_id::ML_DSA_44,
            Set::MlDsa65 => alg_id::ML_DSA_65,
            Set::MlDsa87 => alg_id::ML_DSA_87,
        };
        Some(public_key_to_spki(&algorithm, self.pair.public_key()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        // TLS 1.2's number of a kind of key. No suite of TLS 1.2 has this one, and TLS 1.3 does not ask for it.
        SignatureAlgorithm::Unknown(0)
    }
}

impl Signer for MlDsa {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let mut signature = vec![0; self.pair.algorithm().signature_len()];
        match self.pair.sign(message, &mut signature) {
            Ok(length) if length == signature.len() => Ok(signature),
            _ => Err(rustls::Error::General("signing failed".into())),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        match self.set {
            Set::MlDsa44 => SignatureScheme::ML_DSA_44,
            Set::MlDsa65 => SignatureScheme::ML_DSA_65,
            Set::MlDsa87 => SignatureScheme::ML_DSA_87,
        }
    }
}

/// Seeds this thread's random number generator. It takes milliseconds, for which the first client would have to wait.
pub fn warm_up() {
    // If the generator fails here, each handshake reports an error too.
    let _ = aws_lc_rs::rand::fill(&mut [0; 32]);
}

/// The result of verifying a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// The signature is valid.
    Yes,
    /// The signature is wrong.
    No,
    /// The algorithm is not supported: TLS clients of today do not verify it either.
    Unknown,
}

/// Verifies `signature` over `message`. Both algorithms are the contents of their DER AlgorithmIdentifier.
pub fn verify(
    (public_key, key_algorithm): (&[u8], &[u8]),
    (signature, algorithm): (&[u8], &[u8]),
    message: &[u8],
) -> Verified {
    let known = rustls_side::default_provider().signature_verification_algorithms.all;
    // rustls lists the algorithms by TLS scheme, but a certificate has only their identifiers.
    let of_key = |one: &&dyn SignatureVerificationAlgorithm| one.public_key_alg_id().as_ref() == key_algorithm;
    let mut fitting = known.iter().copied().filter(of_key).filter(|one| one.signature_alg_id().as_ref() == algorithm);
    match fitting.next().map(|one| one.verify_signature(public_key, message, signature)) {
        Some(Ok(())) => Verified::Yes,
        Some(Err(_)) => Verified::No,
        None => Verified::Unknown,
    }
}

/// SHA-256, for fingerprints and identities.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    hash
}

/// Whether two secrets are equal. The time depends on their lengths, but not on where they differ.
pub fn same_secret(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Fills `bytes` with random bytes. `false` if the system has none: then `bytes` must not be used.
#[must_use]
pub fn random(bytes: &mut [u8]) -> bool {
    aws_lc_rs::rand::fill(bytes).is_ok()
}

/// HKDF with SHA-256 (RFC 5869): `N` bytes, at most 8160. `None` if `N` is larger.
pub fn derive<const N: usize>(secret: &[u8], salt: &[u8], info: &[u8]) -> Option<[u8; N]> {
    // aws-lc takes the length as a type of its own.
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut derived = [0; N];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    extracted.expand(&[info], Length(N)).ok()?.fill(&mut derived).ok()?;
    Some(derived)
}

/// HMAC with SHA-256 (RFC 2104).
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    tag.copy_from_slice(aws_lc_rs::hmac::sign(&key, message).as_ref());
    tag
}

/// An ECDSA key on P-256 that signs as JWS has it (RFC 7518 section 3.4).
pub struct Es256(EcdsaKeyPair);

impl Es256 {
    /// The key of a PKCS#8 structure in DER. `None` if it is not one on P-256.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok().map(Self)
    }

    /// A new key, in PKCS#8. `None` if there are no random bytes.
    pub fn generate() -> Option<Vec<u8>> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        Some(key.to_pkcs8v1().ok()?.as_ref().to_vec())
    }

    /// The coordinates of the public half, 32 bytes each.
    pub fn point(&self) -> Option<(&[u8], &[u8])> {
        // SEC 1 section 2.3.3: 4, then both coordinates.
        match self.0.public_key().as_ref() {
            [4, point @ ..] if point.len() == 64 => Some(point.split_at(32)),
            _ => None,
        }
    }

    /// The signature over SHA-256 of `message`, 64 bytes. `None` if there are no random bytes.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.0.sign(&aws_lc_rs::rand::SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    }
}

impl std::fmt::Debug for Es256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys must not reach a log.
        f.write_str("Es256(…)")
    }
}

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

/// AES in CBC mode with the padding of PKCS #7. It does not protect against changes. `None` if the key is not of 16, 24 or
/// 32 bytes.
pub fn encrypt_cbc(key: &[u8], iv: [u8; 16], plain: &[u8]) -> Option<Vec<u8>> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(cbc_key(key)?).ok()?;
    let mut message = plain.to_vec();
    key.less_safe_encrypt(&mut message, EncryptionContext::Iv128(iv.into())).ok()?;
    Some(message)
}

/// The reverse of [`encrypt_cbc`]. `None` if the padding is wrong too.
pub fn decrypt_cbc(key: &[u8], iv: [u8; 16], message: &[u8]) -> Option<Vec<u8>> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(cbc_key(key)?).ok()?;
    let mut message = message.to_vec();
    let length = key.decrypt(&mut message, DecryptionContext::Iv128(iv.into())).ok()?.len();
    message.truncate(length);
    Some(message)
}

fn cbc_key(key: &[u8]) -> Option<UnboundCipherKey> {
    let algorithm = [&AES_128, &AES_192, &AES_256].into_iter().nth(key.len().checked_sub(16)? / 8)?;
    // It refuses a key of any other length.
    UnboundCipherKey::new(algorithm, key).ok()
}

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
        let mut message = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(bound), &mut message).ok()?;
        Some([nonce.as_ref().as_slice(), &message].concat())
    }

    /// The reverse of [`Self::seal`]. `None` if key, message or `bound` differ from sealing.
    pub fn open(&self, sealed: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
        let (nonce, message) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut message = message.to_vec();
        let length = self.0.open_in_place(nonce.into(), Aad::from(bound), &mut message).ok()?.len();
        message.truncate(length);
        Some(message)
    }
}

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

/// The object identifier id-ecPublicKey, in DER (RFC 5480 section 2.1.1).
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The first bytes of PKCS#8, which contain the algorithm: two sequence headers, the version, the identifier.
const PKCS8_FRONT: usize = 24;

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn es256_signs_with_the_key_whose_point_it_shows() {
        let key = Es256::from_pkcs8(&Es256::generate().unwrap()).unwrap();
        let (x, y) = key.point().unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], x, y].concat());
        let signature = key.sign(b"message").unwrap();
        assert!(public.verify(b"message", &signature).is_ok());
        assert!(public.verify(b"another", &signature).is_err());
    }

    #[test]
    fn hmac_sha256_is_that_of_rfc_4231() {
        let tag = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(tag[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(tag[28..], [0x64, 0xec, 0x38, 0x43]);
    }
}
