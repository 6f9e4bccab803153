//! ML-DSA keys that sign handshakes. Must not know: how a key is written in DER.

use std::sync::Arc;

use aws_lc_rs::encoding::AsRawBytes as _;
use aws_lc_rs::signature::{KeyPair as _, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair};
use rustls::pki_types::{SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::tls::crypto::ml_dsa::{Private, Set};
use crate::tls::crypto::secret::same_secret;

/// An ML-DSA key, which signs in TLS 1.3 only (draft-ietf-tls-mldsa).
///
/// rustls has one too. It finds it after it has tried every other kind of key, which takes nine times as long, and it accepts
/// a seed beside an expanded key of another one, as long as the public keys are the same.
#[derive(Debug, Clone)]
pub(super) struct MlDsa {
    set: Set,
    pair: Arc<PqdsaKeyPair>,
}

impl MlDsa {
    pub(super) fn new(set: Set, private: Private<'_>) -> Result<Self, String> {
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
