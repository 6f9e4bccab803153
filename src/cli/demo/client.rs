//! The clients of the tour: real ones, which verify the certificate, and each of which can verify what it is told. Must not
//! know: what they show.

use std::borrow::Cow;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::tls::crypto;
use crate::tls::trust::servers::Trust;
use crate::tls::wire::codes;

/// What a client has got. The handshake's facts have their IANA names.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) version: Cow<'static, str>,
    pub(super) suite: Cow<'static, str>,
    pub(super) group: Cow<'static, str>,
    /// The scheme in which the server has signed.
    pub(super) scheme: Cow<'static, str>,
    /// What came from the backend.
    pub(super) answer: String,
}

/// Connects with a client that trusts the CA alone and verifies these schemes only, sends the request and reads the answer
/// to its end.
pub(super) fn ask(
    address: SocketAddr,
    ca: &Path,
    name: &str,
    schemes: &[SignatureScheme],
    request: &str,
) -> Result<Got, Box<dyn Error>> {
    let provider = Arc::new(crypto::provider());
    let trust = Trust { roots: vec![CertificateDer::from_pem_file(ca)?], ..Trust::default() };
    let inner = trust.verifier(Arc::clone(&provider))?;
    let only = Arc::new(Only { inner, schemes: schemes.to_vec(), seen: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&only) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?;
    let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(tls, tcp);
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // Without close_notify the end would be an error, since somebody could have cut the answer.
    (&mut stream).take(MOST).read_to_end(&mut answer)?;
    // Nor may ours: the server may only then call the connection complete.
    stream.conn.send_close_notify();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    let missing =
        || std::io::Error::new(ErrorKind::InvalidData, "the handshake has no version, suite, group or signature");
    let scheme = *only.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let tls = &stream.conn;
    Ok(Got {
        version: codes::version_name(tls.protocol_version().ok_or_else(missing)?),
        suite: codes::suite_name(tls.negotiated_cipher_suite().ok_or_else(missing)?.suite()),
        group: codes::group_name(tls.negotiated_key_exchange_group().ok_or_else(missing)?.name()),
        scheme: codes::scheme_name(scheme.ok_or_else(missing)?),
        answer: String::from_utf8_lossy(&answer).into_owned(),
    })
}

/// A verifier that offers these schemes only.
#[derive(Debug)]
struct Only {
    inner: Arc<dyn ServerCertVerifier>,
    schemes: Vec<SignatureScheme>,
    /// That of the server's signature.
    seen: Mutex<Option<SignatureScheme>>,
}

impl Only {
    fn see(&self, signed: &DigitallySignedStruct) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(signed.scheme);
    }
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.see(signed);
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.see(signed);
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// On this machine nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const MOST: u64 = 64 * 1024;
