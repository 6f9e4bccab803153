//! Certificate and key bytes → one [`Certificate`]: chain in order, key, names, key type, validity, fingerprint.
//! Must not know: files, which client it is for.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::crypto;
use crate::tls::name::Name;

pub(super) mod algorithm;
pub(super) mod extensions;
pub use algorithm::{Hash, KeyType};

/// A certificate that can be served: the leaf's facts, and chain and key as rustls wants them.
#[derive(Debug)]
pub struct Certificate {
    /// Where it comes from: the path of the file that holds the certificate.
    pub label: Box<str>,
    /// Leaf first, each certificate followed by its issuer; and the private key.
    pub key: Arc<CertifiedKey>,
    pub key_type: KeyType,
    /// Bits of the RSA modulus or of the curve's field.
    pub key_bits: u32,
    /// The names it may be chosen by: those given in the configuration, else the DNS names of the SAN extension, else,
    /// where that extension is absent, the subject's common name.
    pub names: Vec<Name>,
    /// The addresses of the SAN extension, whatever names the configuration gives.
    pub addresses: Vec<IpAddr>,
    /// Seconds since 1970, inclusive.
    pub not_before: i64,
    /// Seconds since 1970, inclusive.
    pub not_after: i64,
    /// The earliest end of all certificates that are sent and that lead from the leaf towards a root; a root's own end does
    /// not count, since clients go by their own copy. Seconds since 1970, inclusive.
    pub chain_not_after: i64,
    /// The subject of the certificate that ends then, if that is not the leaf; safe to print.
    pub chain_ends_first: Option<String>,
    /// Whether the leaf is self-signed, or its issuer's certificate is sent with it.
    pub issuer_known: bool,
    /// Whether the leaf may sign other certificates (basicConstraints).
    pub is_ca: bool,
    /// Whether clients demand a stapled OCSP answer with it (TLS feature extension, RFC 7633).
    pub must_staple: bool,
    /// Upper-case hex without leading zero bytes, as `openssl x509 -serial` prints it.
    pub serial: Box<str>,
    /// SHA-256 of the leaf's DER.
    pub fingerprint: [u8; 32],
    /// The hash in the leaf's own signature.
    pub hash: Hash,
    /// One entry for each signature that a client has to verify: the schemes any of which says that it can.
    pub chain_signatures: Box<[&'static [SignatureScheme]]>,
    /// Names in the certificate that no client can ask for (`f*.example.com`), for a warning.
    pub unusable_names: Vec<String>,
    /// What looks wrong with it but works, for warnings; each without the label in front.
    pub remarks: Vec<String>,
}

/// Why certificate and key do not make a usable pair.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    #[error("no certificate found (expected a \"-----BEGIN CERTIFICATE-----\" section)")]
    NoCertificate,
    #[error("no private key found (expected a PKCS#8, PKCS#1 or SEC1 \"PRIVATE KEY\" section)")]
    NoKey,
    #[error("{0} private keys found, expected one")]
    SeveralKeys(usize),
    #[error("the private key cannot be used: {0}")]
    BadKey(String),
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    #[error("a certificate cannot be read: {0}")]
    BadCertificate(String),
    #[error(
        "the certificate's key is {0} (expected RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, or Ed25519)"
    )]
    UnsupportedKey(String),
    #[error(
        "the certificate bears no name (no DNS or IP name in its SAN extension, and no common name); give it some with \"names\""
    )]
    NoNames,
    #[error(
        "no client can ask for the certificate: its {0} is \"{1}\", which is no host name; give it some with \"names\""
    )]
    NoHostName(&'static str, String),
}

impl Certificate {
    /// Matches certificates and key: the leaf is the one that bears the key, the others are put in order behind it.
    /// `names`, where given, replace the certificate's own.
    pub fn build(
        label: &str,
        certificates: Vec<CertificateDer<'static>>,
        mut keys: Vec<PrivateKeyDer<'static>>,
        names: Option<Vec<Name>>,
    ) -> Result<Self, CertificateError> {
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = match (keys.pop(), keys.len()) {
            (None, _) => return Err(CertificateError::NoKey),
            (Some(key), 0) => key,
            (Some(_), others) => return Err(CertificateError::SeveralKeys(others + 1)),
        };
        let parsed = certificates.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
        let first = algorithm::key_type(&parsed[0]);
        let signing = crypto::signing_key(&key).map_err(|error| match &first {
            // A key that the provider refuses is best explained by what the certificate says it is.
            Err(unsupported) => unsupported.clone(),
            Ok(_) => CertificateError::BadKey(plain(&error)),
        })?;
        let leaf = leaf_of(&parsed, signing.as_ref())?;
        let (key_type, key_bits) = algorithm::key_type(&parsed[leaf])?;
        let order = chain_from(&parsed, leaf);
        let mut own = extensions::names(&parsed[leaf])?;
        match names {
            Some(given) => (own.usable, own.unusable) = (given, Vec::new()),
            None => own = own.any(&parsed[leaf])?,
        }
        let first_end =
            order.iter().map(|&index| &parsed[index]).filter(|one| !is_self_issued(one) || order.len() == 1);
        let first_end = first_end.min_by_key(|one| one.validity().not_after.timestamp()).unwrap_or(&parsed[leaf]);
        let tbs = &parsed[leaf].tbs_certificate;
        Ok(Self {
            label: label.into(),
            key_type,
            key_bits,
            names: own.usable,
            addresses: own.addresses,
            not_before: tbs.validity.not_before.timestamp(),
            not_after: tbs.validity.not_after.timestamp(),
            chain_not_after: first_end.validity().not_after.timestamp(),
            chain_ends_first: (!std::ptr::eq(first_end, &parsed[leaf]))
                .then(|| first_end.subject().to_string().escape_default().to_string()),
            issuer_known: order.len() > 1 || is_self_issued(&parsed[leaf]),
            is_ca: parsed[leaf].is_ca(),
            must_staple: extensions::must_staple(&parsed[leaf]),
            serial: serial_hex(tbs.raw_serial()).into(),
            fingerprint: crypto::sha256(&certificates[leaf]),
            hash: algorithm::signature_hash(&parsed[leaf]),
            chain_signatures: order
                .iter()
                .map(|&index| &parsed[index])
                .filter(|certificate| certificate.subject() != certificate.issuer())
                .map(algorithm::verifying_schemes)
                .collect(),
            unusable_names: own.unusable,
            remarks: Vec::new(),
            key: Arc::new(CertifiedKey::new(order.iter().map(|&index| certificates[index].clone()).collect(), signing)),
        })
    }

    /// Whether `now`, in seconds since 1970, lies in the leaf's validity.
    pub fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The scheme this key would sign with for a client that offers `offered`, if any.
    pub fn scheme_for(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        self.key_type.schemes().iter().copied().find(|scheme| offered.contains(scheme))
    }

    /// Whether a client that accepts `accepted` in certificates says it can verify the whole chain.
    pub fn is_verifiable_with(&self, accepted: &[SignatureScheme]) -> bool {
        self.chain_signatures.iter().all(|any_of| any_of.iter().any(|scheme| accepted.contains(scheme)))
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(CertificateError::BadCertificate("bytes follow its end".into())),
        Err(_) => Err(CertificateError::BadCertificate("it is not X.509 in DER".into())),
    }
}

/// The certificate whose public key is the private key's other half.
fn leaf_of(parsed: &[X509Certificate<'_>], signing: &dyn SigningKey) -> Result<usize, CertificateError> {
    let Some(public) = signing.public_key() else {
        return Err(CertificateError::BadKey("its public half cannot be derived".into()));
    };
    parsed
        .iter()
        .position(|certificate| certificate.public_key().raw == public.as_ref())
        .ok_or(CertificateError::KeyMismatch)
}

/// Follows issuer to subject from the leaf. Certificates that are no part of the chain are left out: a client would
/// have to download them for nothing.
fn chain_from(parsed: &[X509Certificate<'_>], leaf: usize) -> Vec<usize> {
    let mut order = vec![leaf];
    let mut current = leaf;
    loop {
        let issuer = parsed[current].issuer();
        let next = (0..parsed.len()).find(|index| !order.contains(index) && parsed[*index].subject() == issuer);
        match next {
            Some(index) if parsed[current].subject() != issuer => {
                order.push(index);
                current = index;
            }
            _ => return order,
        }
    }
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject() == certificate.issuer()
}

fn serial_hex(raw: &[u8]) -> String {
    let digits = match raw.iter().position(|byte| *byte != 0) {
        Some(start) => &raw[start..],
        None => &[0],
    };
    digits.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// rustls's words without its "unexpected error: " frame.
fn plain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::General(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
