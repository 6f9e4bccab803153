//! What is wrong with a certificate or a list of revoked certificates, in words. Must not know: whose it is.

use rustls::{CertRevocationListError, CertificateError};

use super::words::{plain, spelled};

/// What is wrong with a certificate, in words.
pub fn reason(error: &CertificateError) -> String {
    let words = match error {
        CertificateError::BadEncoding => "it is malformed",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::Revoked => "it is revoked",
        CertificateError::UnhandledCriticalExtension => "it has an unknown critical extension",
        CertificateError::UnknownIssuer => "no trusted CA has issued it",
        CertificateError::UnknownRevocationStatus => "it is unknown whether it is revoked",
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "its issuer's list of revoked certificates is out of date"
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
        CertificateError::ApplicationVerificationFailure => "it is valid, but not accepted",
        CertificateError::Other(error) => {
            let text = error.to_string();
            return webpki(&text).map_or_else(|| plain(&text), str::to_owned);
        }
        other => return spelled(&format!("{other:?}")),
    };
    words.to_owned()
}

/// What is wrong with a list of revoked certificates, in words.
pub fn list_reason(error: &CertRevocationListError) -> String {
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
        CertRevocationListError::Other(error) => {
            let text = error.to_string();
            return webpki(&text).map_or_else(|| plain(&text), str::to_owned);
        }
        CertRevocationListError::ParseError => "it is malformed",
        CertRevocationListError::UnsupportedCrlVersion => "its version is not 2",
        CertRevocationListError::UnsupportedCriticalExtension => "it has an unknown critical extension",
        CertRevocationListError::UnsupportedDeltaCrl => {
            "it contains only changes to another list, which is not supported"
        }
        CertRevocationListError::UnsupportedIndirectCrl => {
            "it contains certificates of other issuers, which is not supported"
        }
        CertRevocationListError::UnsupportedRevocationReason => "it gives a reason that is not supported",
        other => return spelled(&format!("{other:?}")),
    };
    words.to_owned()
}

/// webpki's errors that rustls passes on unchanged, and whose texts are only their names.
fn webpki(name: &str) -> Option<&'static str> {
    Some(match name {
        "CaUsedAsEndEntity" => "it is a CA certificate, which a peer may use as its own only if it is itself trusted",
        "CertDistrusted" => "its key is distrusted",
        "EndEntityUsedAsCa" => "its issuer's certificate is not a CA certificate",
        "EmptyEkuExtension" => "its extended key usage is empty",
        "ExtensionValueInvalid" | "MalformedExtensions" => "it has a malformed extension",
        "InvalidNetworkMaskConstraint" | "MalformedNameConstraint" => "a CA above it has malformed name constraints",
        "InvalidSerialNumber" => "its serial number is malformed",
        "MalformedDnsIdentifier" => "it has a malformed DNS name",
        "MaximumNameConstraintComparisonsExceeded"
        | "MaximumPathBuildCallsExceeded"
        | "MaximumPathDepthExceeded"
        | "MaximumSignatureChecksExceeded" => "its chain is too long or too complex to be verified",
        "NameConstraintViolation" => "a CA above it may not issue to its names (name constraints)",
        "PathLenConstraintViolated" => "there are more CAs above it than one of them allows (path length)",
        "SignatureAlgorithmMismatch" => "it names two different algorithms for its signature",
        "UnsupportedCertVersion" => "it, or one above it, is not an X.509 version 3 certificate",
        "UnsupportedCriticalExtension" => "it has an unknown critical extension",
        "UnsupportedCrlIssuingDistributionPoint" => "its issuing distribution point has no full name",
        "InvalidCrlNumber"
        | "UnsupportedCrlVersion"
        | "UnsupportedDeltaCrl"
        | "UnsupportedIndirectCrl"
        | "UnsupportedRevocationReason" => {
            "its issuer's list of revoked certificates is of a kind that is not supported"
        }
        "UnsupportedNameType" => "it has a name of an unknown type",
        "UnsupportedRevocationReasonsPartitioning" => "it covers only some of the reasons for revocation",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    /// Shows a name and nothing else, as webpki's errors do.
    #[derive(Debug)]
    struct Named(&'static str);

    impl std::fmt::Display for Named {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Named {}

    /// The errors of webpki 0.103 that rustls 0.23 has no own for.
    const NAMES: [&str; 28] = [
        "CaUsedAsEndEntity",
        "CertDistrusted",
        "EmptyEkuExtension",
        "EndEntityUsedAsCa",
        "ExtensionValueInvalid",
        "InvalidCrlNumber",
        "InvalidNetworkMaskConstraint",
        "InvalidSerialNumber",
        "MalformedDnsIdentifier",
        "MalformedExtensions",
        "MalformedNameConstraint",
        "MaximumNameConstraintComparisonsExceeded",
        "MaximumPathBuildCallsExceeded",
        "MaximumPathDepthExceeded",
        "MaximumSignatureChecksExceeded",
        "NameConstraintViolation",
        "PathLenConstraintViolated",
        "SignatureAlgorithmMismatch",
        "UnsupportedCertVersion",
        "UnsupportedCriticalExtension",
        "UnsupportedCrlIssuingDistributionPoint",
        "UnsupportedCrlVersion",
        "UnsupportedDeltaCrl",
        "UnsupportedIndirectCrl",
        "UnsupportedNameType",
        "UnsupportedRevocationReason",
        "UnsupportedRevocationReasonsPartitioning",
        "SomethingThatComesLater",
    ];

    #[test]
    fn each_error_of_webpki_is_a_sentence() {
        for name in NAMES {
            let other = || OtherError(Arc::new(Named(name)));
            let certificate = reason(&CertificateError::Other(other()));
            let list = list_reason(&CertRevocationListError::Other(other()));
            for reason in [certificate, list] {
                assert!(
                    !reason.contains(name) && reason.contains(' ') && !reason.contains(['(', '{'])
                        || reason.contains("(name constraints)")
                        || reason.contains("(path length)"),
                    "{reason}"
                );
            }
            assert_eq!(webpki(name).is_some(), name != "SomethingThatComesLater", "{name}");
        }
    }
}
