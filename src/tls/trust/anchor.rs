//! Certificates that an operator trusts → which of them may issue others, and which are trusted only themselves.
//! Must not know: files, names, whether the peers are clients or servers.
//!
//! webpki uses each of its roots as an issuer, whether or not the certificate is a CA's, and never accepts one of them as
//! a peer's own certificate. So a self-signed server could not be trusted at all, and the owner of a trusted client
//! certificate could issue certificates to others.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error, ExtendedKeyPurpose, RootCertStore};
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::X509Version;

use crate::tls::certificate::x509;

/// Certificates that are trusted.
#[derive(Debug)]
pub struct Anchors {
    /// Those that may issue others.
    issuers: Arc<RootCertStore>,
    /// All of them.
    known: Vec<CertificateDer<'static>>,
}

/// What a peer's certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Server,
    Client,
}

impl Anchors {
    /// The error has the index of the certificate that cannot be used, and the reason.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, (usize, Error)> {
        let mut issuers = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            // A certificate that only webpki can parse is treated as webpki does: as an issuer.
            if x509::parse(certificate).is_ok_and(|parsed| !may_issue(&parsed)) {
                continue;
            }
            issuers.add(certificate.clone()).map_err(|error| (index, error))?;
        }
        Ok(Self { issuers: Arc::new(issuers), known: certificates })
    }

    /// Those that may issue others; `None` where none may.
    pub fn issuers(&self) -> Option<Arc<RootCertStore>> {
        (!self.issuers.is_empty()).then(|| Arc::clone(&self.issuers))
    }

    /// Whether this very certificate is one of them.
    pub fn contain(&self, certificate: &CertificateDer<'_>) -> bool {
        self.known.iter().any(|known| known == certificate)
    }
}

/// Whether a certificate may issue others (RFC 5280 section 4.2.1.9). Roots of X.509 version 1 have no extension for it.
pub fn may_issue(certificate: &X509Certificate<'_>) -> bool {
    match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        Ok(None) => x509::is_self_issued(certificate) && certificate.version() == X509Version::V1,
        Err(_) => false,
    }
}

/// Whether a certificate that is trusted itself may be used at that time, for that purpose: webpki does not check it.
pub fn may_be_used(certificate: &CertificateDer<'_>, purpose: Purpose, now: UnixTime) -> Result<(), CertificateError> {
    let parsed = x509::parse(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let (seconds, validity) = (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), parsed.validity());
    let time =
        |seconds: i64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds.try_into().unwrap_or(0)));
    if seconds < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before: time(validity.not_before.timestamp()),
        });
    }
    if seconds > validity.not_after.timestamp() {
        return Err(CertificateError::ExpiredContext { time: now, not_after: time(validity.not_after.timestamp()) });
    }
    let Some(usage) = parsed.extended_key_usage().map_err(|_| CertificateError::BadEncoding)? else { return Ok(()) };
    let (servers, clients) = (usage.value.server_auth, usage.value.client_auth);
    let (required, fits) = match purpose {
        Purpose::Server => (ExtendedKeyPurpose::ServerAuth, servers),
        Purpose::Client => (ExtendedKeyPurpose::ClientAuth, clients),
    };
    if fits || usage.value.any {
        return Ok(());
    }
    let named = [(servers, ExtendedKeyPurpose::ServerAuth), (clients, ExtendedKeyPurpose::ClientAuth)];
    let presented = named.into_iter().filter(|(there, _)| *there).map(|(_, purpose)| purpose).collect();
    Err(CertificateError::InvalidPurposeContext { required, presented })
}

#[cfg(test)]
mod tests;
