//! The reasons why certificate and key are not a usable pair. Must not know: files, how either is read.

use thiserror::Error;

use crate::tls::token::error::TokenError;

/// Why certificate and key do not make a usable pair.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    #[error("no certificate found (expected a \"-----BEGIN CERTIFICATE-----\" section)")]
    NoCertificate,
    #[error("no private key found (expected a PKCS#8, PKCS#1 or SEC1 \"PRIVATE KEY\" section)")]
    NoKey,
    #[error("{0} private keys found, expected one")]
    SeveralKeys(usize),
    #[error("the private key cannot be used: {0}")]
    BadKey(String),
    #[error("{0}")]
    Token(TokenError),
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    #[error("a certificate cannot be read: {0}")]
    BadCertificate(String),
    #[error(
        "the certificate's key is {0} (expected RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, Ed25519, or ML-DSA)"
    )]
    UnsupportedKey(String),
    #[error(
        "the certificate has no name (no DNS or IP name in its SAN extension, and no common name); give it some with \"names\""
    )]
    NoNames,
    #[error(
        "no client can ask for the certificate: its {0} is \"{1}\", which is not a host name; give it some with \"names\""
    )]
    NoHostName(&'static str, String),
}
