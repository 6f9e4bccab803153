//! Certificates other than the authority's: for other names, for another key, with other dates, without their chain.
//! They come from a CA of the test's own.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::support::pki::{Key, generate};

/// A root, and a CA below it that issues.
pub(crate) struct Reissuer {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// What differs from the certificate of the authority.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) names: Option<Vec<String>>,
    pub(crate) other_key: bool,
    pub(crate) from: SystemTime,
    pub(crate) until: SystemTime,
    /// Whether the issuing CA's certificate follows.
    pub(crate) chain: bool,
}

impl Default for Leaf {
    fn default() -> Self {
        let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
        Self { names: None, other_key: false, from: now - day, until: now + 90 * day, chain: true }
    }
}

impl Reissuer {
    /// The root's certificate is written to that file.
    pub(crate) fn new(root: &Path) -> Self {
        let key = generate(Key::P256);
        let params = authority("root of another authority");
        fs::write(root, params.self_signed(&key).unwrap().pem()).unwrap();
        let root = Issuer::new(params, key);
        let key = generate(Key::P256);
        let params = authority("another authority");
        let certificate = params.signed_by(&key, &root).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// The chain again, in PEM, with another certificate at its front.
    pub(crate) fn reissue(&self, chain: &str, leaf: &Leaf) -> String {
        let der = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
        let (_, old) = X509Certificate::from_der(&der).unwrap();
        let mut params = CertificateParams::new(leaf.names.clone().unwrap_or_else(|| names(&old))).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (leaf.from.into(), leaf.until.into());
        let new = if leaf.other_key {
            params.signed_by(&generate(Key::P256), &self.issuer)
        } else {
            params.signed_by(&OldKey::of(&old), &self.issuer)
        };
        let chain = if leaf.chain { self.certificate.pem() } else { String::new() };
        new.unwrap().pem() + &chain
    }
}

/// What the certificate of a CA has.
pub(super) fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

/// The names in a certificate, DNS names and addresses.
pub(crate) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().unwrap();
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes).map(std::net::Ipv4Addr::from).unwrap().to_string(),
        other => panic!("{other:?}"),
    };
    names.map(|names| names.value.general_names.iter().map(text).collect()).unwrap_or_default()
}

/// The public key of a certificate.
struct OldKey {
    bytes: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl OldKey {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let key = certificate.public_key();
        let algorithm = match key.algorithm.algorithm.to_id_string().as_str() {
            "1.2.840.113549.1.1.1" => &rcgen::PKCS_RSA_SHA256,
            "1.2.840.10045.2.1" => &rcgen::PKCS_ECDSA_P256_SHA256,
            other => panic!("a key of kind {other}"),
        };
        Self { bytes: key.subject_public_key.data.to_vec(), algorithm }
    }
}

impl PublicKeyData for OldKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}
