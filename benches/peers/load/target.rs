//! Where clients connect, what they offer, and what they must get.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, CommonState, DigitallySignedStruct, HandshakeKind, SignatureScheme};
use rustls::{CipherSuite, NamedGroup, ProtocolVersion};

use super::Fault;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    X25519,
    X25519MlKem768,
}

/// The required result of a handshake. Clients offer nothing else, except what some servers require in addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) version: Version,
    pub(crate) group: Group,
    pub(crate) resumed: bool,
}

/// One server name and the certificates that are accepted for it.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) name: ServerName<'static>,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

/// A listener of a proxy, as clients see it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) terms: Terms,
    /// Names, used in turn.
    pub(crate) sites: Arc<[Site]>,
    /// No TLS session of its own: a ClientHello, and then bytes.
    pub(crate) passthrough: bool,
}

impl Target {
    /// The state of a client that connects again and again. Each has its own sessions to resume.
    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>, Fault> {
        let suites = |wanted: &[CipherSuite]| {
            let all = aws_lc_rs::ALL_CIPHER_SUITES.iter().copied();
            all.filter(|suite| wanted.contains(&suite.suite())).collect()
        };
        let (versions, cipher_suites) = match self.terms.version {
            Version::Tls12 => (
                &rustls::version::TLS12,
                suites(&[
                    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                ]),
            ),
            Version::Tls13 => (&rustls::version::TLS13, suites(&[CipherSuite::TLS13_AES_128_GCM_SHA256])),
        };
        // OpenSSL uses a P-256 certificate under TLS 1.2 only if the client offers that group; the first group is
        // taken.
        let kx_groups = match self.terms.group {
            Group::X25519 => vec![aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1],
            Group::X25519MlKem768 => vec![aws_lc_rs::kx_group::X25519MLKEM768],
        };
        let provider = Arc::new(CryptoProvider { cipher_suites, kx_groups, ..aws_lc_rs::default_provider() });
        let pins = Pins { sites: Arc::clone(&self.sites), provider: Arc::clone(&provider) };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[versions])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pins))
            .with_no_client_auth();
        config.enable_secret_extraction = true;
        if !self.terms.resumed {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }
}

impl Terms {
    /// Whether this was negotiated. The first connection of a client that resumes cannot resume.
    pub(crate) fn check(self, state: &CommonState, first: bool) -> Result<(), Fault> {
        let (version, suites) = match self.version {
            Version::Tls13 => (ProtocolVersion::TLSv1_3, &[CipherSuite::TLS13_AES_128_GCM_SHA256][..]),
            Version::Tls12 => (
                ProtocolVersion::TLSv1_2,
                &[
                    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                ][..],
            ),
        };
        let group = match self.group {
            Group::X25519 => NamedGroup::X25519,
            Group::X25519MlKem768 => NamedGroup::X25519MLKEM768,
        };
        let kind = if self.resumed && !first { HandshakeKind::Resumed } else { HandshakeKind::Full };
        same("version", Some(version), state.protocol_version())?;
        let suite = state.negotiated_cipher_suite().map(|suite| suite.suite());
        if !suite.is_some_and(|suite| suites.contains(&suite)) {
            return differ("suite", suites, suite);
        }
        same("handshake", Some(kind), state.handshake_kind())?;
        // In TLS 1.2, resumption has no key exchange.
        if self.version == Version::Tls12 && kind == HandshakeKind::Resumed {
            return Ok(());
        }
        same("group", Some(group), state.negotiated_key_exchange_group().map(|group| group.name()))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    expected: Option<T>,
    found: Option<T>,
) -> Result<(), Fault> {
    if expected == found { Ok(()) } else { differ(what, expected, found) }
}

fn differ(what: &'static str, expected: impl std::fmt::Debug, found: impl std::fmt::Debug) -> Result<(), Fault> {
    Err(Fault::Negotiated { what, expected: format!("{expected:?}"), found: format!("{found:?}") })
}

/// Accepts exactly the certificates that were made for a name: cheaper than checking a chain, and it proves that
/// the right one was served. The signature of the handshake is checked as always.
#[derive(Clone)]
struct Pins {
    sites: Arc<[Site]>,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for Pins {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Pins({})", self.sites.len())
    }
}

impl ServerCertVerifier for Pins {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // Sites are sorted by name.
        let found = self.sites.binary_search_by(|site| site.name.to_str().cmp(&name.to_str()));
        match found {
            Ok(place) if self.sites[place].certificates.contains(end_entity) => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
