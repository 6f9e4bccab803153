//! What becomes of a certificate for whose chain there are several ways: of several reasons why it is refused, the one that says
//! most. Must not know: how certificates are judged.

use rustls::{CertificateError, Error};

use crate::tls::trust::lists::rules::MissingCrl;

/// The verdict of all ways together: one that is good is enough. Where `missing` lists are ignored, a way may be good only because
/// it has no list, as with a CA of the same name and another key: then what a list of any other way says counts more.
pub fn verdict<T>(ways: impl Iterator<Item = Result<T, Error>>, missing: MissingCrl) -> Result<T, Error> {
    let (mut good, mut worst): (Option<T>, Option<Error>) = (None, None);
    for verified in ways {
        match verified {
            Ok(verified) if missing == MissingCrl::Refuse => return Ok(verified),
            Ok(verified) => good = Some(verified),
            Err(error) if worst.as_ref().is_none_or(|worst| weight(&error) > weight(worst)) => worst = Some(error),
            Err(_) => {}
        }
    }
    match good {
        Some(verified) if !worst.as_ref().is_some_and(is_of_list) => Ok(verified),
        _ => Err(worst.unwrap_or_else(|| CertificateError::UnknownIssuer.into())),
    }
}

/// Whether a list that covers the certificate refuses it.
fn is_of_list(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Revoked)) || is_outdated(error)
}

fn is_outdated(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. }
        )
    )
}

/// How much a reason says about this peer: of several, a specific one is reported rather than an unknown CA.
fn weight(error: &Error) -> u8 {
    match error {
        Error::InvalidCertificate(CertificateError::Revoked) => 5,
        _ if is_outdated(error) => 4,
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
    matches!(error, Error::InvalidCertificate(CertificateError::UnknownRevocationStatus)) || is_outdated(error)
}
