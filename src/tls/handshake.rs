//! Agree on terms, choose the certificate, and terminate TLS; the deadline is the caller's.
//! Must not know: configuration, backends, how outcomes are logged.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig, UnbufferedServerConnection};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::tls::certificate::{Certificate, KeyType};
use crate::tls::hello::Hello;
use crate::tls::policy::{self, Policy};
use crate::tls::record::{RecordError, Records};
use crate::tls::select::{Certificates, Choice, NoChoice, Offer, UnknownName, Witness};
use crate::tls::tickets::Tickets;

/// What a listener terminates TLS with.
#[derive(Debug)]
pub struct Terminator {
    pub policy: Arc<Policy>,
    pub certificates: Certificates,
    pub unknown_name: UnknownName,
    pub require_sni: bool,
    /// The policy as rustls's configuration; each handshake takes a copy that knows its certificate.
    template: ServerConfig,
    /// The same for clients that can do a post-quantum key exchange, where the policy has one.
    post_quantum: Option<ServerConfig>,
}

/// A handshake that came to its end.
pub struct Terminated {
    pub records: Records,
    /// Plaintext that came along with the last handshake message.
    pub early_plain: Vec<u8>,
    pub choice: Choice,
}

/// Why a client is refused before any certificate is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("no TLS version in common")]
    NoCommonVersion,
    #[error("a TLS_FALLBACK_SCSV from a client that could have had a better version")]
    InappropriateFallback,
    #[error("no cipher suite in common")]
    NoCommonSuite,
    #[error("no key exchange group in common")]
    NoCommonGroup,
    #[error("no server name given")]
    NoServerName { tls13: bool },
    #[error("no certificate for that server name")]
    UnknownName,
    #[error("no signature scheme in common")]
    NoCommonScheme,
}

/// How a handshake failed.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The client broke the protocol or sent an alert.
    #[error("{0}")]
    Protocol(RecordError),
    #[error("the client closed the connection during the handshake")]
    Closed,
    #[error("{0}")]
    Io(std::io::Error),
}

impl Refusal {
    /// The alert that tells the client (RFC 8446 section 6.2, RFC 7507 section 3).
    pub fn alert(self) -> AlertDescription {
        match self {
            Self::NoCommonVersion => AlertDescription::ProtocolVersion,
            Self::InappropriateFallback => AlertDescription::InappropriateFallback,
            Self::NoCommonSuite | Self::NoCommonGroup | Self::NoCommonScheme => AlertDescription::HandshakeFailure,
            // RFC 8446 section 9.2; the alert does not exist before TLS 1.3.
            Self::NoServerName { tls13: true } => AlertDescription::MissingExtension,
            Self::NoServerName { tls13: false } => AlertDescription::HandshakeFailure,
            Self::UnknownName => AlertDescription::UnrecognisedName,
        }
    }
}

/// Why a certificate can never be served under a policy, if that is so.
pub fn never_served(certificate: &Certificate, policy: &Policy) -> Option<String> {
    let Certificate { label, key_type, .. } = certificate;
    (!policy.admits(key_type.schemes())).then(|| {
        format!(
            "{label}: can never be served under policy {:?}: its key is {key_type}, for which the policy has no cipher suite",
            policy.name
        )
    })
}

impl Terminator {
    pub fn new(
        policy: Arc<Policy>,
        certificates: Certificates,
        unknown_name: UnknownName,
        require_sni: bool,
        tickets: Option<Arc<Tickets>>,
    ) -> Result<Self, rustls::Error> {
        let template = |policy: &Policy| -> Result<ServerConfig, rustls::Error> {
            let mut template = policy.server_config(Arc::new(NoCertificate))?;
            if let Some(tickets) = &tickets {
                template.ticketer = Arc::<Tickets>::clone(tickets);
                // One is enough: a client that opens several connections at once resumes them all with it.
                template.send_tls13_tickets = 1;
            }
            Ok(template)
        };
        let post_quantum = policy.post_quantum().as_ref().map(template).transpose()?;
        let template = template(&policy)?;
        Ok(Self { policy, certificates, unknown_name, require_sni, template, post_quantum })
    }

    /// Chooses the certificate for this hello at `now` (seconds since 1970). Pure.
    pub fn choose(&self, hello: &Hello, now: i64, witness: &mut impl Witness) -> Result<Choice, Refusal> {
        let terms = Terms::agree(hello, &self.policy)?;
        if hello.server_name.is_none() && self.require_sni {
            return Err(Refusal::NoServerName { tls13: terms.version == ProtocolVersion::TLSv1_3 });
        }
        let offer = Offer {
            server_name: hello.server_name.as_deref(),
            schemes: &terms.schemes,
            certificate_schemes: hello.certificate_schemes.as_deref().unwrap_or(&hello.signature_schemes),
            curves: terms.curves.as_deref(),
        };
        self.certificates.choose(&offer, self.unknown_name, now, witness).map_err(|none| match none {
            NoChoice::UnknownName => Refusal::UnknownName,
            NoChoice::NoCommonScheme => Refusal::NoCommonScheme,
        })
    }

    /// Where both sides can do a post-quantum key exchange, the client is asked for it, were it at the price of another round
    /// trip; rustls by itself goes by the client's order of groups.
    fn template_for(&self, hello: &Hello) -> &ServerConfig {
        let able = hello.versions.contains(&ProtocolVersion::TLSv1_3)
            && self.policy.groups.iter().any(|group| policy::is_post_quantum(*group) && hello.groups.contains(group));
        self.post_quantum.as_ref().filter(|_| able).unwrap_or(&self.template)
    }

    /// Runs the handshake that begins with `hello` on `stream`. On failure the alert has been written.
    pub async fn accept(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        hello: Hello,
        choice: Choice,
    ) -> Result<Terminated, HandshakeError> {
        let mut config = self.template_for(&hello).clone();
        config.cert_resolver = Arc::new(Chosen(Arc::clone(&choice.certificate.key)));
        let connection = UnbufferedServerConnection::new(Arc::new(config))
            .map_err(|error| HandshakeError::Protocol(error.into()))?;
        let mut records = Records::new(connection, hello.raw);
        let (mut early_plain, mut reply) = (Vec::new(), Vec::new());
        loop {
            let opened = records.open(&mut early_plain, &mut reply);
            if !reply.is_empty() {
                let written = stream.write_all(&reply).await;
                reply.clear();
                if opened.is_ok() {
                    written.map_err(HandshakeError::Io)?;
                }
            }
            opened.map_err(HandshakeError::Protocol)?;
            if !records.negotiated().is_handshaking() {
                return Ok(Terminated { records, early_plain, choice });
            }
            let wire = records.wire();
            if wire.len() >= MAX_WIRE {
                let error = rustls::Error::InvalidMessage(rustls::InvalidMessage::HandshakePayloadTooLarge);
                return Err(HandshakeError::Protocol(error.into()));
            }
            wire.reserve(READ_SIZE);
            match stream.read_buf(wire).await {
                Ok(0) => return Err(HandshakeError::Closed),
                Ok(_) => {}
                Err(error) => return Err(HandshakeError::Io(error)),
            }
        }
    }
}

/// What a hello and a policy agree on, before any key is looked at. rustls comes to the same version and suite by
/// itself; it is worked out here because the certificate is chosen first, and rustls's own cut of the schemes keeps
/// those of the other version.
struct Terms {
    version: ProtocolVersion,
    schemes: Vec<SignatureScheme>,
    curves: Option<Vec<KeyType>>,
}

impl Terms {
    fn agree(hello: &Hello, policy: &Policy) -> Result<Self, Refusal> {
        // Greased versions (RFC 8701) are larger than any real one and are no offer.
        let highest =
            hello.versions.iter().map(|version| u16::from(*version)).filter(|version| *version <= TLS13).max();
        let best = policy.versions.iter().map(|version| u16::from(*version)).max();
        if hello.cipher_suites.contains(&FALLBACK_SCSV) && highest < best {
            return Err(Refusal::InappropriateFallback);
        }
        let mut versions = policy.versions.iter().copied();
        let version = versions.find(|version| hello.versions.contains(version)).ok_or(Refusal::NoCommonVersion)?;
        let tls13 = version == ProtocolVersion::TLSv1_3;
        let common = |suite: &&CipherSuite| policy::is_tls13(**suite) == tls13 && hello.cipher_suites.contains(suite);
        let suites: Vec<CipherSuite> = policy.suites.iter().filter(common).copied().collect();
        if suites.is_empty() {
            return Err(Refusal::NoCommonSuite);
        }
        let usable = |group: &NamedGroup| policy::exchanges(*group, version) && hello.groups.contains(group);
        if !policy.groups.iter().any(usable) {
            return Err(Refusal::NoCommonGroup);
        }
        let signs = |scheme: &SignatureScheme| match tls13 {
            // RFC 8446 section 4.2.3: PKCS#1 signatures stand in certificates only.
            true => !policy::is_pkcs1(*scheme),
            false => suites.iter().any(|suite| policy::authenticates(*suite, *scheme)),
        };
        let schemes = hello.signature_schemes.iter().copied().filter(signs).collect();
        let curves = (!tls13).then(|| hello.groups.iter().copied().filter_map(curve).collect());
        Ok(Self { version, schemes, curves })
    }
}

fn curve(group: NamedGroup) -> Option<KeyType> {
    match group {
        NamedGroup::secp256r1 => Some(KeyType::EcdsaP256),
        NamedGroup::secp384r1 => Some(KeyType::EcdsaP384),
        NamedGroup::secp521r1 => Some(KeyType::EcdsaP521),
        _ => None,
    }
}

/// Hands rustls the certificate that was chosen.
#[derive(Debug)]
struct Chosen(Arc<CertifiedKey>);

impl ResolvesServerCert for Chosen {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Stands in the template, which is never used as it is.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

const TLS13: u16 = 0x0304;

/// RFC 7507 section 2.
const FALLBACK_SCSV: CipherSuite = CipherSuite::Unknown(0x5600);

const READ_SIZE: usize = 4096;

/// A client without a certificate has nothing to say that comes near this.
const MAX_WIRE: usize = 64 * 1024;

#[cfg(test)]
mod tests;
