//! tls-alpn-01 from here (RFC 8737 section 3): connects as the authority does. Must not know: how the answer is built.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::acme::check::every;
use crate::acme::check::result::Checked;
use crate::acme::lookup::Lookup;
use crate::acme::settings::Identifier;
use crate::tls::crypto;
use crate::tls::handshake::challenge::{PROTOCOL, name_of};
use crate::tls::wire::{alert, fault};

/// Whether a client that offers `acme-tls/1` for this identifier gets this certificate (in DER), at every address.
pub async fn tls_alpn(
    lookup: &Lookup,
    identifier: &Identifier,
    port: u16,
    expected_certificate: &[u8],
    limit: Duration,
) -> Checked {
    let name = match ServerName::try_from(server_name(identifier)) {
        Ok(name) => name,
        Err(_) => return Checked::Wrong(format!("{identifier} cannot be the server name of a TLS connection")),
    };
    let config = match config() {
        Ok(config) => Arc::new(config),
        Err(error) => return Checked::Unreachable(fault::reason(&error)),
    };
    let expected: Arc<[u8]> = expected_certificate.into();
    let ask = |address| {
        let (config, name, expected) = (Arc::clone(&config), name.clone(), Arc::clone(&expected));
        async move { judge(address, handshake(address, config, name).await, &expected) }
    };
    every::address(lookup, identifier, port, limit, ask).await
}

/// The server name in the hello; for an address the name of RFC 8738 section 6.
fn server_name(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Dns(name) => name.to_string(),
        Identifier::Ip(address) => name_of(*address),
    }
}

fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(crypto::provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone { schemes }))
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// What a server answered.
struct Answer {
    certificate: Option<CertificateDer<'static>>,
    agreed: bool,
}

enum Failure {
    /// It did not come to an answer.
    Io(String),
    /// The server ended the handshake.
    Tls(Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

async fn handshake(
    address: SocketAddr,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<Answer, Failure> {
    let mut tls = ClientConnection::new(config, name).map_err(Failure::Tls)?;
    let mut stream = TcpStream::connect(address).await?;
    let mut received = [0; 4096];
    loop {
        let mut flight = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut flight)?;
        }
        stream.write_all(&flight).await?;
        if !tls.is_handshaking() {
            break;
        }
        let count = stream.read(&mut received).await?;
        if count == 0 {
            return Err(Failure::Io("it closed the connection during the handshake".into()));
        }
        let mut unread = &received[..count];
        while !unread.is_empty() {
            tls.read_tls(&mut unread)?;
            tls.process_new_packets().map_err(Failure::Tls)?;
        }
    }
    let certificate = tls.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.clone().into_owned());
    Ok(Answer { certificate, agreed: tls.alpn_protocol() == Some(PROTOCOL) })
}

fn judge(address: SocketAddr, answered: Result<Answer, Failure>, expected: &[u8]) -> Checked {
    let found = match answered {
        Err(Failure::Io(error)) => return Checked::Unreachable(format!("{address}: {error}")),
        Err(Failure::Tls(Error::AlertReceived(received))) => format!("the alert {}", alert::name(received)),
        Err(Failure::Tls(error)) => format!("no TLS handshake: {}", fault::reason(&error)),
        Ok(Answer { certificate: Some(leaf), agreed: true }) if leaf.as_ref() == expected => return Checked::Passed,
        Ok(Answer { certificate: Some(leaf), agreed: true }) => described(&leaf),
        Ok(Answer { certificate: Some(leaf), agreed: false }) => {
            format!("{}, without the protocol acme-tls/1", described(&leaf))
        }
        Ok(Answer { certificate: None, .. }) => "no certificate".into(),
    };
    Checked::Wrong(format!(
        "{address}: found {found}; expected the challenge's certificate with the SHA-256 fingerprint {}. {ELSEWHERE}",
        short(expected)
    ))
}

fn described(leaf: &[u8]) -> String {
    let subject = X509Certificate::from_der(leaf).map(|(_, parsed)| parsed.subject().to_string());
    let subject: String = subject.unwrap_or_default().chars().take(100).collect();
    format!("another certificate, of {subject:?}, with the SHA-256 fingerprint {}", short(leaf))
}

/// The beginning of a fingerprint, which is enough to tell certificates apart.
fn short(certificate: &[u8]) -> String {
    crypto::sha256(certificate).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Accepts every certificate. The certificate is compared afterwards, nothing is sent over the connection, and no one is
/// trusted because of it. An ordinary verifier refuses it: it is self-signed and has a critical extension of its own.
#[derive(Debug)]
struct Anyone {
    schemes: Vec<SignatureScheme>,
}

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
        self.schemes.clone()
    }
}

/// Inside a network a name can lead elsewhere than outside.
const ELSEWHERE: &str = "If the authority reaches another server than this one, set check = false";
