//! Keys that sign as JWS has it with ES256. Must not know: what is signed, who asks for it.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use zeroize::Zeroizing;

/// An ECDSA key on P-256 that signs as JWS has it (RFC 7518 section 3.4).
pub struct Es256(EcdsaKeyPair);

impl Es256 {
    /// The key of a PKCS#8 structure in DER. `None` if it is not one on P-256.
    pub fn from_pkcs8(der: &[u8]) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok().map(Self)
    }

    /// A new key, in PKCS#8, which is wiped when it is dropped. `None` if there are no random bytes.
    pub fn generate() -> Option<Zeroizing<Vec<u8>>> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        Some(Zeroizing::new(key.to_pkcs8v1().ok()?.as_ref().to_vec()))
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
}
