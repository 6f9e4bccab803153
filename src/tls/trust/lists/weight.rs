//! Of several reasons why a certificate is refused, the one that says most. Must not know: how certificates are judged.

use rustls::{CertificateError, Error};

/// How much a reason says about this peer: of several, a specific one is reported rather than an unknown CA.
pub fn weight(error: &Error) -> u8 {
    match error {
        Error::InvalidCertificate(CertificateError::Revoked) => 4,
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => 3,
        _ if is_unknown(error) => 2,
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::ApplicationVerificationFailure,
        ) => 0,
        Error::InvalidCertificate(_) => 1,
        _ => 0,
    }
}

/// Whether it is that nothing shows whether the certificate is revoked.
pub fn is_unknown(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::UnknownRevocationStatus
                | CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. }
        )
    )
}
