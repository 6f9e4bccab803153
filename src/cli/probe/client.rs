//! A real TLS client, for what is only visible inside a session: certificates of TLS 1.3, resumption, ALPN. It records the
//! certificate and accepts any, so a completed handshake does not mean trust. It verifies the server's signature over the
//! handshake and records the result. Must not know: what the findings are for.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, NamedGroup,
    SignatureScheme,
};

use super::connect::Line;
use crate::tls::crypto;
use crate::tls::wire::codes::versions::TLS13;
use crate::tls::wire::fault;

/// A client that offers one version and a list of schemes. It keeps the sessions that it receives.
#[derive(Debug)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    recorder: Arc<Recorder>,
    sessions: Arc<Sessions>,
}

/// A completed handshake.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Leaf first. In a resumed session, it is the chain of the original one.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) signature: Signature,
    pub(super) resumed: bool,
    pub(super) alpn: Option<Vec<u8>>,
    /// Whether the server gave a ticket or a session ID to resume it with.
    pub(super) resumable: bool,
}

/// The server's signature over the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signature {
    /// It verifies with the key in the certificate.
    Valid(SignatureScheme),
    Invalid(String),
    /// A resumed session has none.
    None,
}

/// Why a handshake was not completed.
#[derive(Debug)]
pub(super) enum Failure {
    Alert(AlertDescription),
    Io(io::Error),
    Tls(Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(alert) => write!(f, "alert {}", crate::tls::wire::alert::name(*alert)),
            Self::Io(error) => f.write_str(&super::connect::plain(error)),
            Self::Tls(error) => f.write_str(&fault::reason(error)),
        }
    }
}

impl Client {
    /// `schemes` are offered as signature algorithms, `alpn` as protocols.
    pub(super) fn new(version: u16, schemes: &[SignatureScheme], alpn: &[&str], with_name: bool) -> Option<Self> {
        let provider = Arc::new(crypto::provider());
        let recorder = Arc::new(Recorder {
            schemes: schemes.to_vec(),
            provider: Arc::clone(&provider),
            last: Mutex::default(),
            leaf: Mutex::default(),
        });
        let versions = if version == TLS13 { &[&rustls::version::TLS13] } else { &[&rustls::version::TLS12] };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        let sessions = Arc::new(Sessions::default());
        config.resumption = rustls::client::Resumption::store(Arc::clone(&sessions) as Arc<dyn ClientSessionStore>);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.enable_sni = with_name;
        Some(Self { config: Arc::new(config), recorder, sessions })
    }

    /// Completes a handshake, resuming a session if one is kept, and waits a moment for tickets.
    pub(super) fn handshake(&self, mut line: Line, name: &ServerName<'static>) -> Result<Session, Failure> {
        self.recorder.clear();
        let before = self.sessions.count();
        let mut tls = ClientConnection::new(Arc::clone(&self.config), name.clone()).map_err(Failure::Tls)?;
        // `wants_write` too: our Finished may still be in the buffer when the handshake is complete for rustls.
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut line).map_err(failure)?;
        }
        let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        // TLS 1.3 sends tickets after the handshake (RFC 8446 section 4.6.1), so they have to be waited for.
        if tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) && self.sessions.count() <= before {
            line.hurry(TICKETS);
            // A server without tickets waits for data, or closes. Both end this loop.
            while self.sessions.count() <= before {
                match tls.read_tls(&mut line) {
                    Ok(1..) if tls.process_new_packets().is_ok() => {}
                    _ => break,
                }
            }
        }
        let signature = match self.recorder.last() {
            Some(signature) => signature,
            None => Signature::None,
        };
        let session = Session {
            chain: tls.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect(),
            signature,
            resumed,
            alpn: tls.alpn_protocol().map(<[u8]>::to_vec),
            resumable: self.sessions.count() > before,
        };
        tls.send_close_notify();
        // The session is over, even if this does not arrive.
        let _ = tls.write_tls(&mut line);
        Ok(session)
    }

    /// The server's signature in the last handshake, also where that was not completed.
    pub(super) fn signature(&self) -> Option<Signature> {
        self.recorder.last()
    }

    /// The certificate that it came with.
    pub(super) fn leaf(&self) -> Vec<u8> {
        self.recorder.leaf.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets every session, so that the next handshake is a full one.
    pub(super) fn forget(&self) {
        self.sessions.clear();
    }
}

fn failure(error: io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => Failure::Alert(*alert),
        Some(other) => Failure::Tls(other.clone()),
        None => Failure::Io(error),
    }
}

/// Verifies and records signatures, and accepts every certificate.
#[derive(Debug)]
struct Recorder {
    schemes: Vec<SignatureScheme>,
    provider: Arc<CryptoProvider>,
    last: Mutex<Option<Signature>>,
    leaf: Mutex<Vec<u8>>,
}

impl Recorder {
    fn clear(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn last(&self) -> Option<Signature> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(
        &self,
        scheme: SignatureScheme,
        leaf: &[u8],
        result: Result<HandshakeSignatureValid, Error>,
    ) -> HandshakeSignatureValid {
        let signature = match result {
            Ok(_) => Signature::Valid(scheme),
            Err(error) => Signature::Invalid(fault::reason(&error)),
        };
        *self.leaf.lock().unwrap_or_else(PoisonError::into_inner) = leaf.to_vec();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(signature);
        // Also after a bad signature: the rest of the handshake is still of interest, and the findings report it.
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.record(signed.scheme, leaf, verify_tls12_signature(message, leaf, signed, algorithms)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        Ok(self.record(signed.scheme, leaf, verify_tls13_signature(message, leaf, signed, algorithms)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// The sessions of one client, without regard to the server: a session is offered on the next connection, wherever that
/// leads. Whether it is resumed there distinguishes the servers.
#[derive(Debug, Default)]
struct Sessions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    tls12: Option<Tls12ClientSessionValue>,
    tls13: Vec<Tls13ClientSessionValue>,
    /// How many were received in total.
    count: usize,
}

impl Sessions {
    fn count(&self) -> usize {
        self.with(|kept| kept.count)
    }

    fn clear(&self) {
        self.with(|kept| (kept.tls12, kept.tls13) = (None, Vec::new()));
    }

    fn with<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _name: ServerName<'static>, _group: NamedGroup) {}

    fn kx_hint(&self, _name: &ServerName<'_>) -> Option<NamedGroup> {
        // Every handshake offers the same key share, whatever a server has chosen before.
        None
    }

    fn set_tls12_session(&self, _name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.with(|kept| {
            kept.tls12 = Some(value);
            kept.count += 1;
        });
    }

    fn tls12_session(&self, _name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.with(|kept| kept.tls12.clone())
    }

    fn remove_tls12_session(&self, _name: &ServerName<'static>) {
        self.with(|kept| kept.tls12 = None);
    }

    fn insert_tls13_ticket(&self, _name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.with(|kept| {
            kept.count += 1;
            // One ticket is enough, and the newest lasts longest.
            kept.tls13 = vec![value];
        });
    }

    fn take_tls13_ticket(&self, _name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.with(|kept| kept.tls13.pop())
    }
}

impl Failure {
    /// Whether the server refused what was offered. False where it broke the protocol.
    pub(super) fn is_refusal(&self) -> bool {
        !matches!(self, Self::Tls(_))
    }
}

/// How long to wait for a ticket that may not come.
const TICKETS: Duration = Duration::from_secs(2);
