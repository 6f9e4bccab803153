//! A certificate that a server sent → its facts for a person, and whether it verifies. Must not know: how it was obtained.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Serialize;
use x509_parser::asn1_rs::Tag;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::defects;
use crate::tls::certificate::inspect::Facts as Inspected;
use crate::tls::certificate::x509;
use crate::tls::certificate::x509::{printable, rfc3339};
use crate::tls::crypto;
use crate::tls::handshake::connect::ConnectError;
use crate::tls::trust::{roots, servers};

/// The facts of a leaf certificate.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// SHA-256 of its DER, upper-case hex.
    pub(super) sha256: String,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub(super) spki_sha256: String,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) names: Vec<String>,
    /// `RSA 2048`, `ECDSA P-256`.
    pub(super) key: String,
    /// The algorithm of the issuer's signature: `ecdsa-with-SHA256`.
    pub(super) signature: String,
    pub(super) not_before: String,
    pub(super) not_after: String,
    /// Whole days until it expires; negative once it has.
    pub(super) days_left: i64,
    /// Whole days from its first moment to its last.
    pub(super) lifetime_days: i64,
    pub(super) serial: String,
    /// The number of certificates in the chain, this one included.
    pub(super) chain_length: usize,
    pub(super) trust: Trust,
    /// What is wrong with the chain for every client.
    pub(super) defects: Vec<String>,
    /// The ClientHellos that were answered with it.
    pub(super) shown_to: Vec<String>,
}

/// Whether a client that trusts these roots, and asked for this name, would accept it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Trust {
    pub(super) verified: bool,
    /// What it was verified with, and why it failed if it did.
    pub(super) reason: String,
}

/// The roots to verify certificates with.
#[derive(Debug)]
pub(super) struct Roots {
    verifier: Option<Arc<dyn ServerCertVerifier>>,
    /// `the system's roots`, `ca.pem`.
    whose: String,
}

impl Roots {
    /// The certificates of that file, or of the system.
    pub(super) fn load(file: Option<&Path>) -> Result<Self, String> {
        let (certificates, whose) = match (file, roots::of(file)) {
            (Some(path), found) => (usable(path, found.map_err(|none| none.to_string())?)?, path.display().to_string()),
            (None, found) => (found.unwrap_or_default(), "the system's roots".into()),
        };
        // Without roots and pins, `Trust` would accept every certificate.
        let trust = Some(servers::Trust { roots: certificates, ..servers::Trust::default() })
            .filter(|trust| !trust.roots.is_empty());
        let verifier = trust.and_then(|trust| trust.verifier(Arc::new(crypto::provider())).ok());
        Ok(Self { verifier, whose })
    }

    fn judge(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> Trust {
        let whose = &self.whose;
        let no = |why: String| Trust { verified: false, reason: format!("{why} (checked with {whose})") };
        let Some(verifier) = &self.verifier else { return no("there are no trusted roots".into()) };
        let Some((leaf, rest)) = chain.split_first() else { return no("there is no certificate".into()) };
        match verifier.verify_server_cert(leaf, rest, name, &[], UnixTime::now()) {
            Ok(_) => Trust { verified: true, reason: format!("by {whose}, for {}", name.to_str()) },
            Err(error) => no(ConnectError::of(error, name).to_string()),
        }
    }
}

/// Those that rustls can use as roots.
fn usable(file: &Path, mut certificates: Vec<CertificateDer<'static>>) -> Result<Vec<CertificateDer<'static>>, String> {
    // A copy of a large collection contains old certificates that it rejects. One of them must not make the others useless.
    certificates.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    match certificates.is_empty() {
        true => Err(format!("{}: found no certificate that can be a root, expected at least one", file.display())),
        false => Ok(certificates),
    }
}

/// The name that a certificate must be valid for: the server name that is asked for, otherwise the host.
pub(super) fn reference(name: Option<&str>, host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.unwrap_or(host).to_owned()).ok()
}

/// SHA-256 of the certificate and of its public key. `None` where it is not X.509.
pub(super) fn fingerprints(der: &[u8]) -> Option<(String, String)> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Some((hex(&crypto::sha256(der)), hex(&crypto::sha256(parsed.public_key().raw))))
}

/// Reads a chain, leaf first. `None` where the leaf is not X.509.
pub(super) fn facts(
    chain: &[CertificateDer<'_>],
    roots: &Roots,
    name: &ServerName<'_>,
    now: i64,
    shown_to: String,
) -> Option<Facts> {
    let leaf = chain.first()?;
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let validity = &parsed.tbs_certificate.validity;
    let not_after = validity.not_after.timestamp();
    Some(Facts {
        sha256: hex(&crypto::sha256(leaf)),
        spki_sha256: hex(&crypto::sha256(parsed.public_key().raw)),
        subject: printable(&parsed.subject().to_string()),
        issuer: printable(&parsed.issuer().to_string()),
        names: names(&parsed),
        key: key(&parsed),
        signature: Inspected::of(leaf).map_or_else(|_| "unknown".to_owned(), |inspected| inspected.signature),
        not_before: rfc3339(validity.not_before.timestamp()),
        not_after: rfc3339(not_after),
        // Rounded down, so that the first day after the expiry is -1, not 0.
        days_left: not_after.saturating_sub(now).div_euclid(86_400),
        lifetime_days: defects::lifetime_days(validity.not_before.timestamp(), not_after),
        serial: x509::serial(parsed.raw_serial()),
        chain_length: chain.len(),
        trust: roots.judge(chain, name),
        defects: defects::defects(chain, name, now),
        shown_to: vec![shown_to],
    })
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::URI(uri) => Some(printable(uri)),
        GeneralName::RFC822Name(mail) => Some(printable(mail)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(text).take(MAX_NAMES).collect()
}

/// Key type and size.
fn key(parsed: &X509Certificate<'_>) -> String {
    let info = parsed.public_key();
    // A key on a curve has the curve as its parameter: an OID where it is a named curve (RFC 5480 section 2.1.1).
    let named = info.algorithm.parameters.as_ref().filter(|any| any.tag() == Tag::Oid);
    let curve = named.and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(_)) => match curve.as_deref() {
            Some("1.2.840.10045.3.1.7") => "ECDSA P-256".into(),
            Some("1.3.132.0.34") => "ECDSA P-384".into(),
            Some("1.3.132.0.35") => "ECDSA P-521".into(),
            Some(oid) => format!("ECDSA on curve {oid}"),
            None => "ECDSA with the parameters of a curve instead of its name".into(),
        },
        Ok(PublicKey::DSA(_)) => "DSA".into(),
        _ => match info.algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => "Ed25519".into(),
            "1.3.101.113" => "Ed448".into(),
            "2.16.840.1.101.3.4.3.17" => "ML-DSA-44".into(),
            "2.16.840.1.101.3.4.3.18" => "ML-DSA-65".into(),
            "2.16.840.1.101.3.4.3.19" => "ML-DSA-87".into(),
            other => format!("algorithm {other}"),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// More names than this are not shown.
const MAX_NAMES: usize = 200;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn a_name_does_not_turn_the_direction_of_text() {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "a\u{202e}b\u{2066}c");
        let leaf = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let roots = Roots { verifier: None, whose: String::new() };
        let name = ServerName::try_from("a.test").unwrap();
        let facts = facts(&[leaf], &roots, &name, 0, String::new()).unwrap();
        for shown in [&facts.subject, &facts.issuer] {
            assert!(shown.contains("\\u{202e}") && !shown.contains(['\u{202e}', '\u{2066}']), "{shown}");
        }
    }
}
