//! Which servers tlsgate trusts as a client: those with a certificate from a CA, or with a pinned key, or all. Must not
//! know: what a connection is for, files.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use thiserror::Error as ThisError;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::crypto;
use crate::tls::trust::anchor;
use crate::tls::trust::anchor::{Anchors, Purpose};
use crate::tls::wire::fault;

/// The SHA-256 of a certificate's SubjectPublicKeyInfo.
pub type Pin = [u8; 32];

/// What a server must prove. Where both a CA and pins are given, both must hold; with neither, every server is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Certificates of CAs, or of the server itself, which is then trusted as long as its certificate is valid and has the
    /// name.
    pub roots: Vec<CertificateDer<'static>>,
    /// Pins of the server's own key, or of the key of a CA in the chain that it sends.
    pub pins: Vec<Pin>,
}

/// A trusted certificate that cannot be used.
#[derive(Debug, ThisError)]
#[error("a certificate cannot be used as a CA's: {0}")]
pub struct TrustError(String);

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
        let by_ca = match self.roots.is_empty() {
            true => None,
            false => Some(ByCa::new(self.roots.clone(), &provider).map_err(TrustError)?),
        };
        Ok(Arc::new(Verifier { by_ca, pins: self.pins.clone(), provider }))
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

/// Certificates that are trusted, and what follows chains to them.
#[derive(Debug)]
struct ByCa {
    anchors: Anchors,
    /// `None` where none of them may issue others.
    chains: Option<Arc<WebPkiServerVerifier>>,
}

impl ByCa {
    fn new(certificates: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let anchors = Anchors::new(certificates).map_err(|(_, error)| fault::reason(&error))?;
        let chains = anchors
            .issuers()
            .map(|issuers| WebPkiServerVerifier::builder_with_provider(issuers, Arc::clone(provider)).build());
        let chains = chains.transpose().map_err(|error| error.to_string())?;
        Ok(Self { anchors, chains })
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.anchors.contain(leaf) {
            let parsed = ParsedCertificate::try_from(leaf)?;
            anchor::may_be_used(leaf, Purpose::Server, now)?;
            verify_server_name(&parsed, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        match &self.chains {
            Some(chains) => chains.verify_server_cert(leaf, chain, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }
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
        if let Some(by_ca) = &self.by_ca {
            by_ca.verify(leaf, chain, name, ocsp, now)?;
        }
        if self.pins.is_empty() || self.is_pinned(leaf) {
            return Ok(ServerCertVerified::assertion());
        }
        // A pinned certificate in the chain proves nothing by itself: anyone can send it. The server's own must be issued
        // by it.
        let Some(anchor) = chain.iter().find(|certificate| self.is_pinned(certificate)) else {
            return Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into());
        };
        let by_pinned = ByCa::new(vec![anchor.clone().into_owned()], &self.provider).map_err(Error::General)?;
        by_pinned.verify(leaf, chain, name, ocsp, now)
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
