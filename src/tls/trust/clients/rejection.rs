//! What is wrong with a client's certificate, and how it is reported. Must not know: how it is judged.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error, PeerIncompatible};
use x509_parser::x509::X509Version;

use crate::tls::certificate::x509;
use crate::tls::wire::fault::certificate;

/// What is wrong with a client's certificate. Each has its alert (RFC 8446 section 6.2), which rustls sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// There is none: `certificate_required`, also under TLS 1.2, where RFC 5246 knows only `handshake_failure`.
    Missing,
    /// `certificate_expired`, also where it is not valid yet.
    Expired,
    /// `certificate_revoked`
    Revoked,
    /// `unknown_ca`
    UnknownCa,
    /// It is not known whether it is revoked: `unknown_ca`, as other libraries do.
    RevocationUnknown,
    /// None of the allowed names or keys: `access_denied`.
    Denied,
    /// Anything else: `bad_certificate`, `unsupported_certificate`, `decrypt_error` …
    Invalid,
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "the client sent no certificate",
            Self::Expired => "the client's certificate has expired or is not valid yet",
            Self::Revoked => "the client's certificate, or one above it, is revoked",
            Self::UnknownCa => "the client's certificate does not chain to any of the CAs",
            Self::RevocationUnknown => {
                "there is no current list that shows whether the client's certificate is revoked"
            }
            Self::Denied => "the client's certificate has no allowed name, or its key is not pinned",
            Self::Invalid => "the client's certificate is malformed, wrongly signed or made for something else",
        })
    }
}

impl Rejection {
    /// The rejection that a handshake's error means; `None` where the error is not about the client's certificate.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::NoCertificatesPresented => Some(Self::Missing),
            Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
                Some(Self::Invalid)
            }
            Error::InvalidCertificate(error) => Some(match error {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                CertificateError::Revoked => Self::Revoked,
                CertificateError::UnknownIssuer => Self::UnknownCa,
                CertificateError::UnknownRevocationStatus
                | CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
                // The verifier's own error where names or pins do not match.
                CertificateError::ApplicationVerificationFailure => Self::Denied,
                _ => Self::Invalid,
            }),
            _ => None,
        }
    }
}

/// What is wrong with a certificate, where [`Rejection`] has no text of its own for it.
pub(super) fn reason(error: &Error, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Option<String> {
    let Error::InvalidCertificate(cause) = error else { return None };
    if Rejection::of(error) != Some(Rejection::Invalid) {
        return None;
    }
    if is_version(cause) {
        let others = others.iter().filter_map(|other| Some((old_version(other)?, other)));
        let mut others = others.map(|(version, other)| (version, format!("the certificate of {}", subject(other))));
        let old = old_version(leaf).map(|version| (version, "the client certificate".to_owned()));
        if let Some((version, whose)) = old.or_else(|| others.next()) {
            return Some(format!("{whose} is of X.509 version {version}, expected version 3"));
        }
    }
    Some(format!("the client's certificate is refused: {}", certificate::reason(cause)))
}

/// Whether the certificate's version is webpki's reason. rustls has no variant for it, so only the text shows it.
pub(super) fn is_version(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.0.to_string() == "UnsupportedCertVersion")
}

/// The version, where it is not the third.
fn old_version(certificate: &CertificateDer<'_>) -> Option<u32> {
    let version = x509::parse(certificate).ok()?.version();
    (version != X509Version::V3).then(|| version.0.saturating_add(1))
}

fn subject(certificate: &CertificateDer<'_>) -> String {
    let subject = x509::parse(certificate).map(|parsed| x509::brief(parsed.subject()));
    format!("\"{}\", which came with the client's,", subject.unwrap_or_default())
}
