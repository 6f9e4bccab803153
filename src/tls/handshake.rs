//! Agree on terms, choose the certificate, and terminate TLS; the deadline is the caller's.
//! Must not know: configuration, backends, how outcomes are logged.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ProtocolVersion;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert, ServerConfig, UnbufferedServerConnection};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::select::{Certificates, Choice, NoChoice, Offer, UnknownName, Witness};
use crate::tls::policy::Policy;
use crate::tls::record::Layer;
use crate::tls::record::handshaking::{Finished, Handshaking};
use crate::tls::tickets::Tickets;
use crate::tls::trust::clients::bounded::Bounded;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::trust::clients::{ClientAuth, Session};
use crate::tls::wire::hello::Hello;
use crate::tls::wire::{alert, fault};

pub mod connect;
mod drive;
pub mod failure;
pub mod refusal;
pub mod terms;

use drive::drive;
use failure::HandshakeError;
use refusal::Refusal;
use terms::{Terms, post_quantum_group};

/// What a listener terminates TLS with.
#[derive(Debug)]
pub struct Terminator {
    pub policy: Arc<Policy>,
    pub certificates: Arc<Certificates>,
    pub unknown_name: UnknownName,
    pub require_sni: bool,
    settings: Settings,
    /// The policy as rustls's configuration; each handshake takes a copy that knows its certificate. Where clients have to
    /// show something, it is made anew for each, with a verifier that belongs to it alone.
    template: ServerConfig,
    /// The same for clients that can do a post-quantum key exchange, where the policy has one.
    post_quantum: Option<(Policy, ServerConfig)>,
}

/// A handshake that came to its end.
#[derive(Debug)]
pub struct Terminated {
    pub finished: Finished,
    /// Session tickets that were not sent yet: they can go along with the first data.
    pub tickets: Vec<u8>,
    pub choice: Choice,
    /// Whose certificate the client showed, now or when the session began; `None` where it showed none.
    pub client: Option<Identity>,
}

/// What TLS is terminated with.
#[derive(Debug, Clone)]
pub struct Settings {
    pub policy: Arc<Policy>,
    pub certificates: Arc<Certificates>,
    pub unknown_name: UnknownName,
    pub require_sni: bool,
    /// The application protocols to agree on, best first.
    pub alpn: Vec<Box<[u8]>>,
    pub client_auth: Option<Arc<ClientAuth>>,
    pub tickets: Option<Arc<Tickets>>,
    pub layer: Layer,
}

impl Settings {
    /// rustls's configuration, without a certificate.
    fn config(&self, policy: &Policy, session: Option<&Arc<Session>>) -> Result<ServerConfig, rustls::Error> {
        let clients = session.map(|session| Arc::<Session>::clone(session) as Arc<dyn ClientCertVerifier>);
        let mut config = policy.server_config(Arc::new(NoCertificate), clients)?;
        config.enable_secret_extraction = self.layer == Layer::Tlsgate;
        if let Some(tickets) = &self.tickets {
            let tickets = Arc::<Tickets>::clone(tickets);
            config.ticketer = match session {
                None => tickets,
                Some(session) => {
                    let clock = tickets.clock();
                    Arc::new(Bounded { tickets, session: Arc::clone(session), clock })
                }
            };
            // One is enough: a client that opens several connections at once resumes them all with it.
            config.send_tls13_tickets = 1;
        }
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
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
    pub fn new(settings: Settings) -> Result<Self, rustls::Error> {
        let template = |policy: &Policy| settings.config(policy, None);
        let narrowed = settings.policy.post_quantum();
        let post_quantum = narrowed.as_ref().map(template).transpose()?;
        let template = template(&settings.policy)?;
        let Settings { policy, certificates, unknown_name, require_sni, .. } = &settings;
        Ok(Self {
            policy: Arc::clone(policy),
            certificates: Arc::clone(certificates),
            unknown_name: *unknown_name,
            require_sni: *require_sni,
            template,
            post_quantum: narrowed.zip(post_quantum),
            settings,
        })
    }

    /// The application protocols to agree on, best first; where there are none, nothing is agreed on.
    pub fn alpn(&self) -> &[Box<[u8]>] {
        &self.settings.alpn
    }

    /// What clients have to show, if anything.
    pub fn client_auth(&self) -> Option<&Arc<ClientAuth>> {
        self.settings.client_auth.as_ref()
    }

    /// Chooses the certificate for this hello at `now` (seconds since 1970). `address`, which the client connected to, need
    /// only be known where that gives no name and [`Certificates::knows_addresses`]. Pure.
    pub fn choose(
        &self,
        hello: &Hello,
        address: Option<IpAddr>,
        now: i64,
        witness: &mut impl Witness,
    ) -> Result<Choice, Refusal> {
        let terms = Terms::agree(hello, &self.policy)?;
        // Who offers none, or is offered none, goes without (RFC 7301 section 3.1).
        let common = self.settings.alpn.iter().any(|protocol| hello.protocols.contains(protocol));
        if !common && !self.settings.alpn.is_empty() && !hello.protocols.is_empty() {
            return Err(Refusal::NoCommonProtocol);
        }
        if hello.server_name.is_none() && self.require_sni {
            return Err(Refusal::NoServerName { tls13: terms.version == ProtocolVersion::TLSv1_3 });
        }
        let offer = Offer {
            server_name: hello.server_name.as_deref(),
            schemes: &terms.schemes,
            certificate_schemes: hello.certificate_schemes.as_deref().unwrap_or(&hello.signature_schemes),
            curves: terms.curves.as_deref(),
            address,
        };
        self.certificates.choose(&offer, self.unknown_name, now, witness).map_err(|none| match none {
            NoChoice::UnknownName => Refusal::UnknownName,
            NoChoice::NoCommonScheme => Refusal::NoCommonScheme,
        })
    }

    /// What this hello and the policy agree on, which is where [`Terminator::choose`] begins. Pure.
    pub fn agree(&self, hello: &Hello) -> Result<Terms, Refusal> {
        Terms::agree(hello, &self.policy)
    }

    /// Shows rustls the hello as [`Terminator::accept`] would, up to where the client would have to answer. On failure
    /// there is the alert that the client would get, if any.
    pub fn rehearse(&self, hello: &Hello, choice: &Choice) -> Result<(), (rustls::Error, Vec<u8>)> {
        let (mut acceptor, mut alert) = (Acceptor::default(), Vec::new());
        let incomplete = || (rustls::Error::HandshakeNotComplete, Vec::new());
        let session = self.settings.client_auth.as_ref().map(ClientAuth::session);
        let config = self.config(hello, choice, session.as_ref()).map_err(|error| (error, Vec::new()))?;
        let mut rest = hello.raw.as_slice();
        while acceptor.read_tls(&mut rest).map_err(|_| incomplete())? > 0 {
            let accepted = match acceptor.accept() {
                Ok(None) => continue,
                Ok(Some(accepted)) => accepted.into_connection(Arc::clone(&config)).map(drop),
                Err(refused) => Err(refused),
            };
            return accepted.map_err(|(error, mut words)| {
                // Writing to a Vec cannot fail.
                let _ = words.write_all(&mut alert);
                if let Some(ours) = fault::alert(&error).filter(|_| alert.is_empty()) {
                    alert.extend_from_slice(&alert::plaintext(ours));
                }
                (error, alert)
            });
        }
        Err(incomplete())
    }

    fn config(
        &self,
        hello: &Hello,
        choice: &Choice,
        session: Option<&Arc<Session>>,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let post_quantum = self.post_quantum.as_ref().filter(|_| post_quantum_group(hello, &self.policy).is_some());
        let mut config = match (session, post_quantum) {
            (None, None) => self.template.clone(),
            (None, Some((_, template))) => template.clone(),
            (Some(_), None) => self.settings.config(&self.policy, session)?,
            (Some(_), Some((narrowed, _))) => self.settings.config(narrowed, session)?,
        };
        config.cert_resolver = Arc::new(Chosen(Arc::clone(&choice.certificate.key)));
        Ok(Arc::new(config))
    }

    /// Runs the handshake that begins with `hello` on `stream`. On failure the alert has been written.
    pub async fn accept(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        hello: Hello,
        choice: Choice,
    ) -> Result<Terminated, HandshakeError> {
        let session = self.settings.client_auth.as_ref().map(ClientAuth::session);
        let connection = self
            .config(&hello, &choice, session.as_ref())
            .and_then(UnbufferedServerConnection::new)
            .map_err(|error| HandshakeError::Protocol(error.into()))?;
        let mut handshaking = Handshaking::server(connection, hello.raw);
        let last = drive(stream, &mut handshaking).await.map_err(|error| error.of_client(session.as_deref()))?;
        let finished = handshaking.finish(self.settings.layer).map_err(HandshakeError::Protocol)?;
        // In TLS 1.2 the last flight ends the handshake, and the client waits for it.
        let tickets = match finished.negotiated.version {
            ProtocolVersion::TLSv1_3 => last,
            _ => {
                stream.write_all(&last).await.map_err(HandshakeError::Io)?;
                Vec::new()
            }
        };
        let client = finished.negotiated.peer_certificates.first().and_then(Identity::of);
        Ok(Terminated { finished, tickets, choice, client })
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

#[cfg(test)]
mod tests;
