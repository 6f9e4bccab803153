//! The leaf's extensions that matter to a server: names, addresses, purposes, what clients require because of them.
//! Must not know: keys, chains.

use std::collections::HashSet;
use std::net::IpAddr;

use x509_parser::oid_registry::Oid;
use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::tls::certificate::certified::error::CertificateError;
use crate::tls::certificate::name::Name;
use crate::tls::certificate::x509;

/// The names and addresses by which a certificate can be chosen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub usable: Vec<Name>,
    /// Names that no client can ask for, safe to print.
    pub unusable: Vec<String>,
    /// Those of the SAN extension.
    pub addresses: Vec<IpAddr>,
}

/// The names of a certificate (RFC 6125 section 6.4.4: the common name counts only without SANs).
pub(super) fn names(leaf: &X509Certificate<'_>) -> Result<Names, CertificateError> {
    let san = leaf
        .subject_alternative_name()
        .map_err(|_| CertificateError::BadCertificate("its SAN extension is malformed or occurs twice".into()))?;
    let mut names = Names::default();
    match &san {
        Some(extension) => {
            for name in &extension.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.add(name),
                    GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                    _ => {}
                }
            }
        }
        None => {
            let common = leaf.subject().iter_common_name().filter_map(|name| x509::text(name.attr_value()));
            common.for_each(|name| names.add(&name));
        }
    }
    let mut seen = HashSet::new();
    names.usable.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

impl Names {
    fn add(&mut self, text: &str) {
        match Name::parse(text) {
            // An empty name is the same as none.
            Err(_) if text.is_empty() => {}
            Ok(name) => self.usable.push(name),
            Err(_) => self.unusable.push(text.escape_default().to_string()),
        }
    }

    /// Refuses a certificate that no client can ask for, neither by name nor by address.
    pub(super) fn any(self, leaf: &X509Certificate<'_>) -> Result<Self, CertificateError> {
        if !self.usable.is_empty() || !self.addresses.is_empty() {
            return Ok(self);
        }
        match (self.unusable.is_empty(), leaf.subject_alternative_name()) {
            (true, _) => Err(CertificateError::NoNames),
            (false, Ok(Some(_))) => Err(CertificateError::NoHostName("SAN extension", self.unusable.join("\", \""))),
            (false, _) => Err(CertificateError::NoHostName("common name", self.unusable.join("\", \""))),
        }
    }
}

/// An address of the SAN extension: four or sixteen bytes (RFC 5280 section 4.2.1.6).
pub(in crate::tls) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match <[u8; 4]>::try_from(bytes) {
        Ok(four) => Some(four.into()),
        Err(_) => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// What a certificate may be used for, as its extended key usage says (RFC 5280 section 4.2.1.12); without that extension,
/// for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purposes {
    /// `serverAuth`
    pub server: bool,
    /// `clientAuth`
    pub client: bool,
}

/// The purposes of a certificate. `anyExtendedKeyUsage` is not counted, since OpenSSL and rustls do not accept it for TLS.
pub(super) fn purposes(leaf: &X509Certificate<'_>) -> Purposes {
    match leaf.extended_key_usage() {
        Ok(None) => Purposes { server: true, client: true },
        Ok(Some(usage)) => Purposes { server: usage.value.server_auth, client: usage.value.client_auth },
        // Nobody can read what it allows.
        Err(_) => Purposes { server: false, client: false },
    }
}

/// Whether clients require a stapled OCSP answer with this certificate: the TLS feature extension (RFC 7633) names
/// `status_request`, or version 2 of it.
pub(super) fn must_staple(leaf: &X509Certificate<'_>) -> bool {
    let features = leaf.extensions().iter().find(|extension| extension.oid == TLS_FEATURE);
    features.is_some_and(|extension| match extension.value {
        // A SEQUENCE of INTEGERs; the two that matter take one byte each.
        [0x30, _, features @ ..] => {
            features.windows(3).any(|feature| matches!(feature, [2, 1, STATUS_REQUEST | STATUS_REQUEST_V2]))
        }
        _ => false,
    })
}

/// id-pe-tlsfeature (RFC 7633 section 6).
const TLS_FEATURE: Oid<'static> = x509_parser::der_parser::oid!(1.3.6.1.5.5.7.1.24);

/// Extension numbers of TLS (RFC 6066 section 8, RFC 6961).
const STATUS_REQUEST: u8 = 5;
const STATUS_REQUEST_V2: u8 = 17;

#[cfg(test)]
mod tests;
