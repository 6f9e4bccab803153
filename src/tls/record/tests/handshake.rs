//! Both sides of a real handshake, of each cipher suite. Shared with the fuzz target and the counted benchmarks. Must not
//! know: what is done with the two sides.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ServerConfig, UnbufferedServerConnection};
use rustls::{CipherSuite, DigitallySignedStruct, Error, SignatureScheme};
use tlsgate::tls::crypto;
use tlsgate::tls::record::handshaking::Handshaking;

pub(crate) const SUITES: [CipherSuite; 6] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];

pub(crate) fn is_tls13(suite: CipherSuite) -> bool {
    SUITES[..3].contains(&suite)
}

/// Both sides after the handshake.
pub(crate) fn shaken(suite: CipherSuite) -> (Handshaking, Handshaking) {
    let mut client = client(suite);
    let mut server = server(suite);
    loop {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        let client_done = client.advance(&mut up).unwrap();
        server.wire().append(&mut up);
        let server_done = server.advance(&mut down).unwrap();
        client.wire().append(&mut down);
        if client_done && server_done && client.advance(&mut up).unwrap() && up.is_empty() {
            return (server, client);
        }
    }
}

/// A server that has received nothing.
pub(crate) fn server(suite: CipherSuite) -> Handshaking {
    Handshaking::server(UnbufferedServerConnection::new(configs(suite).0).unwrap(), Vec::new())
}

/// A client that has not begun.
pub(crate) fn client(suite: CipherSuite) -> Handshaking {
    let name = ServerName::try_from("peer.test").unwrap();
    Handshaking::client(UnbufferedClientConnection::new(configs(suite).1, name).unwrap())
}

type Configs = (Arc<ServerConfig>, Arc<ClientConfig>);

fn configs(suite: CipherSuite) -> Configs {
    static CONFIGS: OnceLock<Vec<Configs>> = OnceLock::new();
    let all = CONFIGS.get_or_init(|| SUITES.iter().map(|suite| build(*suite)).collect());
    let at = SUITES.iter().position(|known| *known == suite).unwrap();
    all[at].clone()
}

fn build(suite: CipherSuite) -> Configs {
    let provider =
        Arc::new(CryptoProvider { cipher_suites: vec![crypto::suite(suite).unwrap()], ..crypto::provider() });
    let versions = if is_tls13(suite) { [&rustls::version::TLS13] } else { [&rustls::version::TLS12] };
    let (certificate, key) = certificate();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.clone_key())
        .unwrap();
    server.enable_secret_extraction = true;
    // No tickets: they would be records under the keys that the scripts use.
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    (Arc::new(server), Arc::new(client))
}

fn certificate() -> &'static (CertificateDer<'static>, PrivateKeyDer<'static>) {
    static CERTIFICATE: OnceLock<(CertificateDer<'static>, PrivateKeyDer<'static>)> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["peer.test".to_owned()]).unwrap();
        (made.cert.der().clone(), PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap())
    })
}

/// Accepts every certificate: certificates do not matter here.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
