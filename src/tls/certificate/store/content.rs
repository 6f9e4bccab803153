//! The bytes of a file that is not part of any certificate → what is in it. Must not know: names of files, folders.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::certificate::pem;
use crate::tls::certificate::pem::error::PemError;
use crate::tls::certificate::x509;
use crate::tls::crypto;

/// What a file holds, as far as it explains why it is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tls::certificate) enum Content {
    /// Neither certificates nor keys.
    Nothing,
    /// Certificates of authorities only.
    Authorities,
    Leaf(Leaf),
    /// A key: SHA-256 of its public half as a SubjectPublicKeyInfo, if that can be derived.
    Key(Option<[u8; 32]>),
    /// A certificate and its key.
    Both(Leaf),
    /// Certificates or keys in a form that is not read; the text is advice.
    Foreign(&'static str),
    /// PEM that cannot be read.
    Broken(PemError),
}

/// SHA-256 of a certificate, and of its public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tls::certificate) struct Leaf {
    pub(in crate::tls::certificate) certificate: [u8; 32],
    pub(in crate::tls::certificate) key: [u8; 32],
}

impl Content {
    pub(in crate::tls::certificate) fn of(bytes: &[u8]) -> Self {
        if let Some(why) = foreign(bytes) {
            return Self::Foreign(why);
        }
        let contents = match pem::read(bytes) {
            Ok(contents) => contents,
            Err(PemError::Empty) => return Self::Nothing,
            Err(error) => return Self::Broken(error),
        };
        let leaf = contents.certificates.iter().find_map(leaf);
        match (contents.certificates.as_slice(), leaf, contents.keys.first()) {
            ([], _, None) => Self::Nothing,
            ([], _, Some(key)) => Self::Key(public(key)),
            (_, None, None) => Self::Authorities,
            (_, Some(leaf), None) => Self::Leaf(leaf),
            (_, Some(leaf), Some(_)) => Self::Both(leaf),
            ([first, ..], None, Some(_)) => Self::Both(facts(first)),
        }
    }
}

/// Why bytes are not read although they hold a certificate or a key.
pub(in crate::tls::certificate) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] => Some(JKS),
        [0x30, ..] => foreign_der(bytes),
        _ => find(bytes, b"-----BEGIN PKCS7-----").then_some(PKCS7),
    }
}

fn foreign_der(bytes: &[u8]) -> Option<&'static str> {
    if x509::parse(bytes).is_ok() {
        return Some(DER);
    }
    let content = match bytes.get(1)? {
        short @ 0..0x80 => bytes.get(2..2 + usize::from(*short)),
        long => bytes.get(2 + usize::from(long & 0x7f)..),
    };
    match content? {
        // Version 3, and the SEQUENCE that follows it (RFC 7292 section 4).
        [2, 1, 3, 0x30, ..] => Some(PKCS12),
        // The OID of signedData (RFC 2315 section 14).
        [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2, ..] => Some(PKCS7),
        _ => PrivateKeyDer::try_from(bytes).ok().filter(|key| crypto::signing_key(key).is_ok()).map(|_| DER_KEY),
    }
}

fn find(bytes: &[u8], text: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(text))
}

/// The facts of a certificate that is not a CA's. An old root has no extensions, and counts as a CA's.
fn leaf(der: &CertificateDer<'static>) -> Option<Leaf> {
    let parsed = x509::parse(der).ok()?;
    let old_root = parsed.extensions().is_empty() && parsed.subject() == parsed.issuer();
    (!parsed.is_ca() && !old_root).then(|| facts(der))
}

fn facts(der: &CertificateDer<'_>) -> Leaf {
    Leaf { certificate: crypto::sha256(der), key: bearer(der).unwrap_or_default() }
}

/// SHA-256 of a certificate's public key.
pub(in crate::tls::certificate) fn bearer(der: &CertificateDer<'_>) -> Option<[u8; 32]> {
    x509::parse(der).ok().map(|parsed| crypto::sha256(parsed.public_key().raw))
}

fn public(key: &PrivateKeyDer<'_>) -> Option<[u8; 32]> {
    crypto::signing_key(key).ok()?.public_key().map(|public| crypto::sha256(&public))
}

const DER: &str =
    "is a certificate in DER, which is not read; make PEM of it with \"openssl x509 -inform DER -in FILE -out x.crt\"";
const DER_KEY: &str =
    "is a private key in DER, which is not read; make PEM of it with \"openssl pkey -inform DER -in FILE -out x.key\"";
const PKCS12: &str =
    "is a PKCS #12 file, which is not read; make PEM of it with \"openssl pkcs12 -in FILE -nodes -out x.pem\"";
const PKCS7: &str =
    "is a PKCS #7 file, which is not read; make PEM of it with \"openssl pkcs7 -in FILE -print_certs -out x.crt\"";
const JKS: &str = "is a Java keystore, which is not read; make a PKCS #12 file of it with \"keytool -importkeystore\", and PEM of that with \"openssl pkcs12 -nodes\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_file_is_known_by_its_bytes() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let leaf = params.self_signed(&key).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let facts = Leaf {
            certificate: crypto::sha256(leaf.der()),
            key: crypto::sha256(&rcgen::PublicKeyData::subject_public_key_info(&key)),
        };
        let (one, other, private) = (leaf.pem(), authority.pem(), key.serialize_pem());
        let pkcs12 = [0x30, 0x82, 1, 0, 2, 1, 3, 0x30, 0x82];
        for (bytes, expected) in [
            (one.as_bytes(), Content::Leaf(facts)),
            (other.as_bytes(), Content::Authorities),
            (format!("{other}{one}").as_bytes(), Content::Leaf(facts)),
            (private.as_bytes(), Content::Key(Some(facts.key))),
            (format!("{private}{one}").as_bytes(), Content::Both(facts)),
            (leaf.der(), Content::Foreign(DER)),
            (&key.serialize_der(), Content::Foreign(DER_KEY)),
            (&pkcs12, Content::Foreign(PKCS12)),
            (&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], Content::Foreign(JKS)),
            (b"text\n-----BEGIN PKCS7-----\n", Content::Foreign(PKCS7)),
            (b"", Content::Nothing),
            (b"This directory contains your keys and certificates.", Content::Nothing),
        ] {
            assert_eq!(Content::of(bytes), expected);
        }
        assert!(matches!(Content::of(&one.as_bytes()[..one.len() / 2]), Content::Broken(_)));
    }

    #[test]
    fn no_prefix_of_der_is_taken_for_the_whole() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let (leaf, key) = (params.self_signed(&key).unwrap().der().to_vec(), key.serialize_der());
        for whole in [&leaf, &key] {
            for cut in 0..whole.len() {
                assert_eq!(foreign(&whole[..cut]), None, "{cut}");
            }
            assert!(foreign(whole).is_some());
        }
    }
}
