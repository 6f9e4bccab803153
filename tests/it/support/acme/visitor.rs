//! A client that accepts every certificate and reports it, or trusts one CA; it offers exactly the signature schemes and
//! protocols that a test chooses.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::reissue::names;
use crate::support::client::{Client, Ending};

/// A client's settings.
#[derive(Debug, Clone)]
pub(crate) struct Visitor(Arc<ClientConfig>);

/// A completed handshake.
pub(crate) struct Visit {
    pub(crate) client: Client,
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

/// A certificate that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) names: Vec<String>,
    /// In hexadecimal.
    pub(crate) serial: String,
    pub(crate) rsa: bool,
    /// Its public key.
    pub(crate) key: Vec<u8>,
    /// Seconds since 1970.
    pub(crate) until: i64,
}

impl Visitor {
    /// Accepts everything, and offers what every client does.
    pub(crate) fn new() -> Self {
        Self::with(&[ECDSA, RSA].concat(), &[], None)
    }

    pub(crate) fn with(schemes: &[SignatureScheme], protocols: &[&str], root: Option<&Path>) -> Self {
        let trusted = root.map(|root| {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
            let provider = Arc::new(aws_lc_rs::default_provider());
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap()
        });
        let verifier = Verifier { schemes: schemes.to_vec(), trusted };
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        // A resumed session shows no certificate.
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }

    /// Connects, and completes a handshake for that name.
    /// An error has the server's end of it, unless the client has refused, and the client's port.
    pub(crate) fn visit(&self, address: SocketAddr, name: &str) -> Result<Visit, (Option<Ending>, u16)> {
        let mut client = Client::silent(address, &self.0, name);
        match client.handshake() {
            Ok(()) => {
                let chain =
                    client.tls.peer_certificates().unwrap().iter().map(|der| der.clone().into_owned()).collect();
                Ok(Visit { client, chain })
            }
            Err(error) => Err((ending(&error), client.port())),
        }
    }

    /// The certificate that is served for that name.
    pub(crate) fn served(&self, address: SocketAddr, name: &str) -> Result<Served, Option<Ending>> {
        self.visit(address, name).map(|visit| visit.served()).map_err(|(ending, _)| ending)
    }
}

impl Visit {
    /// The critical extensions of its certificate.
    pub(crate) fn critical_extensions(&self) -> Vec<String> {
        let (_, certificate) = X509Certificate::from_der(&self.chain[0]).unwrap();
        let critical = certificate.extensions().iter().filter(|extension| extension.critical);
        critical.map(|extension| extension.oid.to_id_string()).collect()
    }

    pub(crate) fn served(&self) -> Served {
        let (_, certificate) = X509Certificate::from_der(&self.chain[0]).unwrap();
        let key = certificate.public_key().algorithm.algorithm.to_id_string();
        Served {
            names: names(&certificate),
            serial: certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            key: certificate.public_key().subject_public_key.data.to_vec(),
            rsa: key == "1.2.840.113549.1.1.1",
            until: certificate.validity().not_after.timestamp(),
        }
    }
}

fn ending(error: &std::io::Error) -> Option<Ending> {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => Some(Ending::Alert(*alert)),
        Some(_) => None,
        None if error.kind() == std::io::ErrorKind::ConnectionReset => Some(Ending::Reset),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => Some(Ending::Fin),
        None => panic!("{error}"),
    }
}

#[derive(Debug)]
struct Verifier {
    schemes: Vec<SignatureScheme>,
    trusted: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trusted {
            Some(trusted) => trusted.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // A challenge's certificate has a critical extension that the library does not know (RFC 8737 section 3).
        if self.trusted.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // A challenge's certificate has a critical extension that the library does not know (RFC 8737 section 3).
        if self.trusted.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// What a client of TLS 1.3 offers that can verify one kind of key only. `rsa_pkcs1_sha256` is for the signatures of
/// certificates there (RFC 8446 section 4.2.3): pebble's CA has an RSA key.
pub(crate) const ECDSA: &[SignatureScheme] =
    &[SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
pub(crate) const RSA: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
