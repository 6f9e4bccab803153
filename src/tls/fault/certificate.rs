//! What is wrong with a certificate or a list of revoked ones, in words. Must not know: whose it is.

use rustls::{CertRevocationListError, CertificateError};

use crate::tls::fault::{plain, spelled};

/// What is wrong with a certificate, in words.
pub fn certificate_reason(error: &CertificateError) -> String {
    let words = match error {
        CertificateError::BadEncoding => "it is malformed",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::Revoked => "it is revoked",
        CertificateError::UnhandledCriticalExtension => "it has a critical extension that is not known here",
        CertificateError::UnknownIssuer => "no trusted CA has issued it",
        CertificateError::UnknownRevocationStatus => "whether it is revoked is not known",
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "the list that would show whether it is revoked is out of date"
        }
        CertificateError::BadSignature => "a signature is wrong",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "a signature is made with an algorithm that is not supported"
        }
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "a signature is made with an algorithm that does not fit the key"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is not valid for the server's name"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its extended key usage does not allow this use"
        }
        CertificateError::InvalidOcspResponse => "its OCSP response is not valid",
        CertificateError::ApplicationVerificationFailure => "it is valid, but is not accepted here",
        CertificateError::Other(error) => return plain(&error.to_string()),
        other => return spelled(&format!("{other:?}")),
    };
    words.to_owned()
}

/// What is wrong with a list of revoked certificates, in words.
pub fn revocation_list_reason(error: &CertRevocationListError) -> String {
    let words = match error {
        CertRevocationListError::BadSignature => "its signature is wrong",
        CertRevocationListError::UnsupportedSignatureAlgorithmContext { .. } => {
            "it is signed with an algorithm that is not supported"
        }
        CertRevocationListError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an algorithm that does not fit the issuer's key"
        }
        CertRevocationListError::InvalidCrlNumber => "its number is malformed",
        CertRevocationListError::InvalidRevokedCertSerialNumber => "a serial number in it is malformed",
        CertRevocationListError::IssuerInvalidForCrl => "its issuer may not sign such lists",
        CertRevocationListError::Other(error) => return plain(&error.to_string()),
        CertRevocationListError::ParseError => "it is malformed",
        CertRevocationListError::UnsupportedCrlVersion => "it is not of version 2",
        CertRevocationListError::UnsupportedCriticalExtension => "it has a critical extension that is not known here",
        CertRevocationListError::UnsupportedDeltaCrl => "it holds only changes to another list, which is not supported",
        CertRevocationListError::UnsupportedIndirectCrl => {
            "it holds certificates of other issuers, which is not supported"
        }
        CertRevocationListError::UnsupportedRevocationReason => "it gives a reason that is not supported",
        other => return spelled(&format!("{other:?}")),
    };
    words.to_owned()
}
