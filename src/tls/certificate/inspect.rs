//! DER → the facts that are shown of any certificate, without its key.
//! Must not know: files, listeners, chains.

use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{OID_PKCS1_RSASSAPSS, OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS};
use x509_parser::prelude::{GeneralName, X509Certificate, oid_registry, oid2sn};

use crate::tls::certificate::certified::algorithm::{self, Hash};
use crate::tls::certificate::certified::error::CertificateError;
use crate::tls::certificate::certified::extensions;
use crate::tls::certificate::x509::{ParseError, parse, printable, serial};
use crate::tls::crypto;

pub mod sct;
use sct::{Sct, SctError};

/// The facts of a certificate, in texts that are safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub subject: String,
    pub issuer: String,
    /// DNS names and addresses of the SAN extension, as they are written there.
    pub names: Vec<String>,
    /// `RSA`, `ECDSA P-256` …, or a description of another type.
    pub key: String,
    /// Of the RSA modulus or of the curve's field, where the kind is known.
    pub key_bits: Option<u32>,
    /// The algorithm of the issuer's signature: `ecdsa-with-SHA256`.
    pub signature: String,
    /// Seconds since 1970, inclusive.
    pub not_before: i64,
    /// Seconds since 1970, inclusive.
    pub not_after: i64,
    /// Upper-case hex, as `openssl x509 -serial` prints it.
    pub serial: String,
    /// SHA-256 of the DER.
    pub sha256: [u8; 32],
    /// SHA-256 of the public key with its algorithm (SubjectPublicKeyInfo), which a renewal with the same key keeps.
    pub spki_sha256: [u8; 32],
    /// Whether it may sign other certificates (basicConstraints).
    pub is_ca: bool,
    /// Where its issuer's certificate can be downloaded (RFC 5280 section 4.2.2.1).
    pub issuer_urls: Vec<String>,
    /// The signed timestamps of certificate transparency logs that are embedded in it (RFC 6962 section 3.3).
    pub scts: Result<Vec<Sct>, SctError>,
}

impl Facts {
    /// Reads one certificate in DER.
    pub fn of(der: &[u8]) -> Result<Self, ParseError> {
        let certificate = parse(der)?;
        let (key, key_bits) = key(&certificate);
        let validity = certificate.validity();
        let embedded = certificate.extensions().iter().find(|extension| extension.oid == sct::OID);
        Ok(Self {
            subject: printable(&certificate.subject().to_string()),
            issuer: printable(&certificate.issuer().to_string()),
            names: names(&certificate),
            key,
            key_bits,
            signature: signature(&certificate),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            serial: serial(certificate.raw_serial()),
            sha256: crypto::sha256(der),
            spki_sha256: crypto::sha256(certificate.public_key().raw),
            is_ca: certificate.is_ca(),
            issuer_urls: issuer_urls(&certificate),
            scts: embedded.map_or_else(|| Ok(Vec::new()), |extension| sct::parse(extension.value)),
        })
    }

    /// Whether `now`, in seconds since 1970, lies in its validity.
    pub fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whole days from `now` to its end; negative when that is past.
    pub fn days_left(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(24 * 3600)
    }
}

fn key(certificate: &X509Certificate<'_>) -> (String, Option<u32>) {
    match algorithm::key_type(certificate) {
        Ok((kind, bits)) => (kind.to_string(), Some(bits)),
        Err(CertificateError::UnsupportedKey(what)) => (what, None),
        Err(_) => ("malformed".into(), None),
    }
}

fn signature(certificate: &X509Certificate<'_>) -> String {
    let oid = &certificate.signature_algorithm.algorithm;
    if *oid == OID_PKCS1_RSASSAPSS {
        // For PSS, the hash is in the parameters and not in the identifier.
        let hash = match algorithm::signature_hash(certificate) {
            Hash::Sha512 => "SHA-512",
            Hash::Sha384 => "SHA-384",
            Hash::Sha256 => "SHA-256",
            Hash::Sha1 => "SHA-1",
            Hash::Weakest => "a weak or unknown hash",
        };
        return format!("rsassaPss with {hash}");
    }
    let registered = || oid2sn(oid, oid_registry()).ok().map(str::to_owned);
    algorithm::signature_name(oid).or_else(registered).unwrap_or_else(|| oid.to_string())
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(san)) = certificate.subject_alternative_name() else { return Vec::new() };
    let shown = san.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::IPAddress(bytes) => extensions::address(bytes).map(|address| address.to_string()),
        _ => None,
    });
    shown.collect()
}

fn issuer_urls(certificate: &X509Certificate<'_>) -> Vec<String> {
    let access = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => Some(access),
        _ => None,
    });
    let Some(access) = access else { return Vec::new() };
    let issuers = access.accessdescs.iter().filter(|one| one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS);
    let urls = issuers.filter_map(|one| match &one.access_location {
        GeneralName::URI(url) => Some(printable(url)),
        _ => None,
    });
    urls.collect()
}

#[cfg(test)]
mod tests;
