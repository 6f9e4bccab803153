//! The server's side of a handshake: agrees on terms, chooses the certificate, terminates TLS. The caller sets the
//! deadline. Must not know: configuration, backends, how outcomes are logged.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ProtocolVersion;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    Acceptor, ClientHello, ProducesTickets, ResolvesServerCert, ServerConfig, UnbufferedServerConnection,
};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::gate::{Pace, Turn, Work};
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::certified::algorithm::Family;
use crate::tls::certificate::select::{Certificates, Choice, NoChoice, Offer, UnknownName, Witness};
use crate::tls::policy::Policy;
use crate::tls::record::Layer;
use crate::tls::record::handshaking::{Finished, Handshaking};
use crate::tls::tickets::Tickets;
use crate::tls::token::error::TokenError;
use crate::tls::trust::clients::bounded::Bounded;
use crate::tls::trust::clients::identity::Identity;
use crate::tls::trust::clients::{ClientAuth, Session};
use crate::tls::wire::hello::Hello;
use crate::tls::wire::hello::offered::Offered;
use crate::tls::wire::{alert, fault};

pub mod challenge;
pub mod connect;
mod drive;
pub mod failure;
pub mod refusal;
pub mod terms;

pub use drive::first_turn;
use drive::{Step, drive, go_on};
use failure::HandshakeError;
use refusal::Refusal;
use terms::{Terms, post_quantum_group};

/// Terminates TLS for one listener or route: its settings, prepared for handshakes.
#[derive(Debug)]
pub struct Terminator {
    /// The same as in [`Settings`], as are the three below.
    pub policy: Arc<Policy>,
    pub certificates: Arc<Certificates>,
    pub unknown_name: UnknownName,
    pub require_sni: bool,
    settings: Settings,
    /// The policy as a rustls configuration; each handshake gets a copy with its certificate. Where client certificates are
    /// verified, each handshake builds a configuration of its own, with its own verifier.
    template: ServerConfig,
    /// The same for clients with a post-quantum group, if the policy has one.
    post_quantum: Option<(Policy, ServerConfig)>,
}

/// A finished handshake.
#[derive(Debug)]
pub struct Terminated {
    /// The record layer, and what was agreed on.
    pub finished: Finished,
    /// Sealed session tickets, not sent yet: they can be sent together with the first data, which saves a packet.
    pub tickets: Vec<u8>,
    /// The certificate, and why it was chosen.
    pub choice: Choice,
    /// The identity in the client's certificate, from this handshake or the one that began the session. `None` if the
    /// client sent none.
    pub client: Option<Identity>,
    /// The last second at which the verdict about that certificate holds, since 1970.
    pub good_until: i64,
}

/// The settings of a [`Terminator`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The TLS versions, cipher suites and groups that are allowed.
    pub policy: Arc<Policy>,
    /// The certificates to choose from.
    pub certificates: Arc<Certificates>,
    /// What happens if no certificate has the server name.
    pub unknown_name: UnknownName,
    /// Whether a client without a server name is refused.
    pub require_sni: bool,
    /// The application protocols to agree on, best first. Empty: the extension is not answered.
    pub alpn: Vec<Box<[u8]>>,
    /// How client certificates are verified. `None`: they are not requested.
    pub client_auth: Option<Arc<ClientAuth>>,
    /// The keys of session tickets, and the sessions by id. `None`: sessions are not resumed.
    pub tickets: Option<Arc<Tickets>>,
    /// The record layer after the handshake.
    pub layer: Layer,
}

impl Settings {
    /// The rustls configuration without a certificate.
    fn config(&self, policy: &Policy, session: Option<&Arc<Session>>) -> Result<ServerConfig, rustls::Error> {
        let clients = session.map(|session| Arc::<Session>::clone(session) as Arc<dyn ClientCertVerifier>);
        let mut config = policy.server_config(Arc::new(NoCertificate), clients)?;
        // rustls hands out the keys only if this was set before the handshake. They are needed with its own layer, too, where a
        // client may have to leave with an alert that rustls does not send.
        config.enable_secret_extraction = self.layer == Layer::Tlsgate || session.is_some();
        if let Some(tickets) = &self.tickets {
            let tickets = Arc::<Tickets>::clone(tickets);
            config.ticketer = match session {
                None => tickets,
                Some(session) => {
                    let clock = tickets.clock();
                    Arc::new(Bounded { tickets, session: Arc::clone(session), clock })
                }
            };
            // One is enough: a client resumes several connections with the same ticket.
            config.send_tls13_tickets = 1;
        }
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

/// The reason why no client can get this certificate under this policy; `None` if some client can.
pub fn never_served(certificate: &Certificate, policy: &Policy) -> Option<String> {
    let Certificate { label, key_type, .. } = certificate;
    (!policy.admits(key_type.schemes())).then(|| {
        let why = match key_type.family() {
            Family::MlDsa => "which is for TLS 1.3 only",
            Family::Elliptic | Family::Rsa => "for which the policy has no cipher suite",
        };
        format!("{label}: can never be served under policy {:?}: its key is {key_type}, {why}", policy.name)
    })
}

impl Terminator {
    /// Prepares the rustls configurations. Fails if rustls accepts no configuration under this policy.
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

    /// The application protocols to agree on, best first. Empty: the extension is not answered.
    pub fn alpn(&self) -> &[Box<[u8]>] {
        &self.settings.alpn
    }

    /// How client certificates are verified. `None`: they are not requested.
    pub fn client_auth(&self) -> Option<&Arc<ClientAuth>> {
        self.settings.client_auth.as_ref()
    }

    /// Chooses the certificate for this hello at `now` (seconds since 1970). `address` is the one that the client connected
    /// to; it is needed only if the hello has no server name and [`Certificates::knows_addresses`]. Pure.
    pub fn choose(
        &self,
        hello: &Hello,
        address: Option<IpAddr>,
        now: i64,
        witness: &mut impl Witness,
    ) -> Result<Choice, Refusal> {
        let terms = Terms::agree(hello, &self.policy)?;
        // If one side has no protocols, the handshake goes on without one (RFC 7301 section 3.1).
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
            // RFC 8446 section 4.2.3: without signature_algorithms_cert, signature_algorithms applies to both.
            certificate_schemes: hello.certificate_schemes.as_deref().unwrap_or(&hello.signature_schemes),
            curves: terms.curves.as_deref(),
            address,
        };
        self.certificates.choose(&offer, self.unknown_name, now, witness).map_err(|none| match none {
            NoChoice::UnknownName => Refusal::UnknownName,
            NoChoice::Pending => Refusal::Pending,
            NoChoice::NoCommonScheme => Refusal::NoCommonScheme,
        })
    }

    /// What this hello and the policy agree on: the first step of [`Terminator::choose`]. Pure.
    pub fn agree(&self, hello: &Hello) -> Result<Terms, Refusal> {
        Terms::agree(hello, &self.policy)
    }

    /// Gives rustls the hello as [`Terminator::accept`] would, up to the point where the client would have to answer. On
    /// failure returns the alert record that the client would get, empty if none.
    pub fn rehearse(&self, hello: &Hello, choice: &Choice) -> Result<(), (rustls::Error, Vec<u8>)> {
        let (mut acceptor, mut alert) = (Acceptor::default(), Vec::new());
        let incomplete = || (rustls::Error::HandshakeNotComplete, Vec::new());
        let session = self.settings.client_auth.as_ref().map(ClientAuth::session);
        let config = self.config(hello, choice, session.as_ref()).map_err(|error| (error, Vec::new()))?;
        let mut rest = hello.raw.as_slice();
        while acceptor.read_tls(&mut rest).map_err(|_| incomplete())? > 0 {
            let accepted = match acceptor.accept() {
                Ok(None) => continue,
                Ok(Some(accepted)) => match accepted.into_connection(Arc::clone(&config)) {
                    // All that is left to do is the signature, for which no token is asked here.
                    Err((error, _)) if TokenError::within(&error).is_some() => Ok(()),
                    accepted => accepted.map(drop),
                },
                Err(refused) => Err(refused),
            };
            return accepted.map_err(|(error, mut own)| {
                // Writing to a Vec cannot fail.
                let _ = own.write_all(&mut alert);
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
        if let Some(tickets) = self.settings.tickets.as_ref().filter(|_| self.keeps_by_id(hello)) {
            config.session_storage = tickets.storage(Arc::clone(&config.ticketer));
        }
        Ok(Arc::new(config))
    }

    /// Whether a session with this client is kept by its id. Only TLS 1.2 resumes by id, and a client that knows tickets has
    /// its session in one.
    fn keeps_by_id(&self, hello: &Hello) -> bool {
        let both = |version| self.policy.versions.contains(&version) && hello.versions.contains(&version);
        !hello.session_ticket && !both(ProtocolVersion::TLSv1_3)
    }

    /// What the first step of this handshake is on this thread.
    pub fn work(&self, hello: &Hello, choice: &Choice) -> Work {
        // A ticket or an id of somebody else must not help a client past others.
        match self.resumes(hello) {
            true => Work::Resume,
            // Almost nothing of it is done on this thread.
            false if choice.certificate.token.is_some() => Work::Continue,
            false => Work::Full,
        }
    }

    /// Whether the client has a ticket of ours, or the id of a session that we keep.
    fn resumes(&self, hello: &Hello) -> bool {
        let offered = Offered::by(&hello.raw);
        let opens = |tickets: &Arc<Tickets>| {
            [offered.identity, offered.ticket].iter().any(|one| !one.is_empty() && tickets.decrypt(one).is_some())
                || self.keeps_by_id(hello) && tickets.knows(offered.id)
        };
        self.settings.tickets.as_ref().is_some_and(opens)
    }

    /// Runs the handshake that begins with `hello` on `stream`, in turns: `turn`, which [`first_turn`] returned, and those
    /// that `pace` waits for. On failure the alert has already been written.
    pub async fn accept(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        mut hello: Hello,
        choice: Choice,
        turn: Turn<'_>,
        pace: Pace<'_>,
    ) -> Result<Terminated, HandshakeError> {
        let token = choice.certificate.token.as_deref();
        let tries_here = token.is_some() && self.resumes(&hello);
        let raw = std::mem::take(&mut hello.raw);
        let session = self.settings.client_auth.as_ref().map(ClientAuth::session);
        let begin = |raw: Vec<u8>| {
            let connection = self.config(&hello, &choice, session.as_ref()).and_then(UnbufferedServerConnection::new);
            connection.map(|connection| Handshaking::server(connection, raw))
        };
        let failed = |error: rustls::Error| HandshakeError::Protocol(error.into());
        // A session that is resumed needs no signature, so it does not wait for a token. That rustls resumes it shows only
        // in the step itself; where it does not, the step is taken once more, as if it had not been: nothing is sent yet.
        let early = match tries_here {
            true => {
                Some(Step::here(begin(raw.clone()).map_err(failed)?, Vec::new())).filter(|step| !step.needs_token())
            }
            false => None,
        };
        let driven = match early {
            Some(step) => {
                drop(turn);
                go_on(stream, step, token, pace).await
            }
            None => drive(stream, begin(raw).map_err(failed)?, token, (turn, pace)).await,
        };
        let (handshaking, last) = driven.map_err(|error| error.of_client(session.as_deref()))?;
        let finished = handshaking.finish(self.settings.layer).map_err(HandshakeError::Protocol)?;
        // In TLS 1.2 the last flight may contain the server's Finished, for which the client waits; in TLS 1.3 only
        // tickets.
        let tickets = match finished.negotiated.version {
            ProtocolVersion::TLSv1_3 => last,
            _ => {
                stream.write_all(&last).await.map_err(HandshakeError::Io)?;
                Vec::new()
            }
        };
        let client = finished.negotiated.peer_certificates.first().and_then(Identity::of);
        let good_until = session.map_or(i64::MAX, |session| session.good_until());
        Ok(Terminated { finished, tickets, choice, client, good_until })
    }
}

/// Gives rustls the certificate that was chosen.
#[derive(Debug)]
struct Chosen(Arc<CertifiedKey>);

impl ResolvesServerCert for Chosen {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A placeholder in the template, which is never used without a certificate.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

#[cfg(test)]
mod tests;
