//! Which servers tlsgate trusts as a client: those with a certificate from a CA, or with a pinned key, or all. Must not
//! know: what a connection is for, files.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use thiserror::Error as ThisError;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::crypto;

mod by_ca;
pub mod review;
pub mod revocation;

use by_ca::{ByCa, Shown};
use review::Review;
use revocation::{Revocation, TrustError};

/// The SHA-256 of a certificate's SubjectPublicKeyInfo.
pub type Pin = [u8; 32];

/// What a server must prove. Where both a CA and pins are given, both must hold; with neither, every server is trusted.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Certificates of CAs, or of the server itself, which is then trusted as long as its certificate is valid and has the
    /// name.
    pub roots: Vec<CertificateDer<'static>>,
    /// Pins of the server's own key, or of the key of a CA in the chain that it sends.
    pub pins: Vec<Pin>,
    /// By which certificates below `roots` are judged.
    pub revocation: Revocation,
}

/// Passed through rustls as [`CertificateError::Other`].
#[derive(ThisError)]
#[error("no certificate that the server sent has a pinned key")]
pub struct NotPinned;

/// As text: rustls shows errors of others with `Debug` only.
impl std::fmt::Debug for NotPinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Trust {
    /// The verifier of a server's certificate.
    pub fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
        Ok(self.reviewed(provider)?.0)
    }

    /// The same, with what there is to say about the lists of revoked certificates.
    pub fn reviewed(&self, provider: Arc<CryptoProvider>) -> Result<(Arc<dyn ServerCertVerifier>, Review), TrustError> {
        let (by_ca, review) = match self.roots.is_empty() {
            true => (None, Review::default()),
            false => {
                let (by_ca, review) = ByCa::new(self.roots.clone(), &self.revocation, &provider)?;
                (Some(by_ca), review)
            }
        };
        Ok((Arc::new(Verifier { by_ca, pins: self.pins.clone(), provider }), review))
    }
}

/// The pin of a certificate; `None` where it cannot be read.
pub fn pin(certificate: &[u8]) -> Option<Pin> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(crypto::sha256(certificate.tbs_certificate.subject_pki.raw))
}

/// The time in which a certificate is valid: its first and its last second, since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub not_before: i64,
    pub not_after: i64,
}

/// The validity of a certificate; `None` where it cannot be read.
pub fn validity(certificate: &[u8]) -> Option<Validity> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let validity = certificate.validity();
    Some(Validity { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
}

#[derive(Debug)]
struct Verifier {
    by_ca: Option<ByCa>,
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        pin(certificate).is_some_and(|pin| self.pins.contains(&pin))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Shown { leaf, chain, name, ocsp, now };
        if let Some(by_ca) = &self.by_ca {
            by_ca.verify(shown)?;
        }
        if self.pins.is_empty() || self.is_pinned(leaf) {
            return Ok(ServerCertVerified::assertion());
        }
        // A pinned certificate in the chain proves nothing by itself: anyone can send it. The server's own must be issued
        // by it.
        let Some(anchor) = chain.iter().find(|certificate| self.is_pinned(certificate)) else {
            return Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into());
        };
        let anchor = vec![anchor.clone().into_owned()];
        let (by_pinned, _) = ByCa::new(anchor, &Revocation::default(), &self.provider)
            .map_err(|error| Error::General(error.to_string()))?;
        by_pinned.verify(shown)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
