//! The client's side of a handshake, with verification of the server's certificate. The caller sets the deadline.
//! Must not know: configuration, which server it is, how failures are counted.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error};
use thiserror::Error as ThisError;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::gate::{Pace, Work};
use crate::tls::crypto;
use crate::tls::handshake::drive::drive;
use crate::tls::handshake::failure::HandshakeError;
use crate::tls::policy::Policy;
use crate::tls::record::Layer;
use crate::tls::record::handshaking::{Finished, Handshaking};
use crate::tls::token::TokenKey;
use crate::tls::token::error::TokenError;
use crate::tls::trust::lists::given::Origin;
use crate::tls::trust::lists::rules::Rules;
use crate::tls::trust::servers::review::Review;
use crate::tls::trust::servers::revocation::{Revocation, TrustError};
use crate::tls::trust::servers::{NotPinned, Trust};
use crate::tls::wire::alert;
use crate::tls::wire::fault;

/// Connects to servers by TLS: how they are verified, and what they are offered.
#[derive(Debug)]
pub struct Connector {
    config: ClientConfig,
    /// The expected name; `None`: the IP address of each server.
    server_name: Option<ServerName<'static>>,
    alpn: Alpn,
    layer: Layer,
    /// The key of the client certificate, where that is in a token.
    token: Option<Arc<TokenKey>>,
    /// What the connector verifies and offers, as one value.
    pub identity: Identity,
    /// What there is to say about the lists by which servers are judged.
    pub review: Review,
}

/// A hash over what a connector verifies, offers and sends. The record layer is not included: it makes no difference to
/// the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity([u8; 32]);

/// The application protocols that are offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alpn {
    /// These; an empty list offers none.
    Fixed(Vec<Vec<u8>>),
    /// The one that was agreed on with the client, if any; the server must then agree on it too.
    Client,
}

/// The settings of a [`Connector`].
#[derive(Debug)]
pub struct Terms<'a> {
    /// The versions, suites and groups to offer; `None`: rustls's defaults.
    pub policy: Option<&'a Policy>,
    /// The CAs and pins that servers are verified with.
    pub trust: &'a Trust,
    /// The name that the servers' certificates must have; `None`: the IP address of each server.
    pub server_name: Option<ServerName<'static>>,
    /// The client certificate for servers that request one.
    pub certificate: Option<&'a CertifiedKey>,
    /// The application protocols to offer.
    pub alpn: Alpn,
    /// The record layer after the handshake.
    pub layer: Layer,
}

/// Why a connector cannot be built.
#[derive(Debug, ThisError)]
pub enum ConnectorError {
    #[error("{0}")]
    Trust(#[from] TrustError),
    #[error("policy: {}", fault::reason(.0))]
    Policy(Error),
}

/// Why a TLS connection to a server failed. In the messages, "it" is the server.
#[derive(Debug, ThisError)]
pub enum ConnectError {
    #[error("its certificate is not from a CA that is trusted")]
    Untrusted,
    /// A CA with the issuer's name is trusted, but has another key.
    #[error("its certificate is not from a CA that is trusted: a signature is wrong")]
    Forged,
    #[error("its certificate is not accepted: {}", fault::certificate::reason(.0))]
    Certificate(CertificateError),
    #[error("its certificate is not valid for the name {0}")]
    Name(String),
    #[error("its certificate is expired, or not valid yet")]
    Expired,
    #[error("no certificate that it sent has a pinned key")]
    Pin,
    #[error("it refused with the alert {}", alert::name(*.0))]
    Alert(AlertDescription),
    #[error("it closed the connection during the TLS handshake")]
    Closed,
    #[error("it did not accept the protocol that was agreed on with the client")]
    Alpn,
    /// No name was configured, and the server has no IP address.
    #[error("the server has no name (expected server_name)")]
    Nameless,
    /// It asked for a certificate, and the token with the key of that did not sign.
    #[error("the private key of the client certificate cannot be used: {0}")]
    Token(TokenError),
    #[error("TLS: {}", fault::reason(.0))]
    Failed(Error),
}

impl Connector {
    /// Builds the rustls configuration. Fails if the trusted CAs or the policy cannot be used.
    pub fn new(terms: Terms<'_>) -> Result<Self, ConnectorError> {
        let identity = Identity::of(&terms);
        let Terms { policy, trust, server_name, certificate, alpn, layer } = terms;
        let builder = match policy {
            Some(policy) => policy.client_builder(),
            None => {
                ClientConfig::builder_with_provider(Arc::new(crypto::provider())).with_safe_default_protocol_versions()
            }
        };
        let builder = builder.map_err(ConnectorError::Policy)?;
        let (verifier, review) = trust.reviewed(Arc::clone(builder.crypto_provider()))?;
        // rustls calls every custom verifier dangerous; this one is needed for pins.
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match certificate {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone()))),
            None => builder.with_no_client_auth(),
        };
        // rustls does not verify the certificate of a resumed session again, so each connection is a full handshake.
        config.resumption = Resumption::disabled();
        // rustls hands out the keys only if this was set before the handshake.
        config.enable_secret_extraction = layer == Layer::Tlsgate;
        Ok(Self { config, server_name, alpn, layer, identity, review, token: None })
    }

    /// The same where the private key of the client certificate is in a token.
    #[must_use]
    pub fn with_token(self, token: Option<Arc<TokenKey>>) -> Self {
        Self { token, ..self }
    }

    /// Runs the handshake with the server at `address`, in turns. `agreed` is the protocol that was agreed on with the
    /// client. On failure the server has got the alert that belongs to it.
    pub async fn connect(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        address: Option<IpAddr>,
        agreed: Option<&[u8]>,
        pace: Pace<'_>,
    ) -> Result<Finished, ConnectError> {
        let name = self.name(address).ok_or(ConnectError::Nameless)?;
        // rustls takes the protocols only from the configuration, and they may differ from connection to connection.
        let mut config = self.config.clone();
        config.alpn_protocols = match &self.alpn {
            Alpn::Fixed(protocols) => protocols.clone(),
            Alpn::Client => agreed.map(<[u8]>::to_vec).into_iter().collect(),
        };
        let turn = pace.turn(Work::Continue).await;
        let connection = UnbufferedClientConnection::new(Arc::new(config), name).map_err(ConnectError::Failed)?;
        let handshaking = Handshaking::client(connection);
        let driven = drive(stream, handshaking, self.token.as_deref(), (turn, pace)).await;
        let (handshaking, last) = driven.map_err(|error| self.failed(error, address))?;
        stream.write_all(&last).await.map_err(|_| ConnectError::Closed)?;
        let finished = handshaking.finish(self.layer).map_err(|error| ConnectError::Failed(error.error))?;
        if self.alpn == Alpn::Client && finished.negotiated.alpn.as_deref() != agreed {
            return Err(ConnectError::Alpn);
        }
        Ok(finished)
    }

    /// Whether these terms would make the same.
    pub fn is_of(&self, terms: &Terms<'_>) -> bool {
        (self.identity, self.layer) == (Identity::of(terms), terms.layer)
    }

    /// Whether what is offered depends on the client: a server may refuse one and accept the next.
    pub fn offers_what_the_client_has(&self) -> bool {
        self.alpn == Alpn::Client
    }

    /// The name or address that the certificate of the server at `address` must have.
    fn name(&self, address: Option<IpAddr>) -> Option<ServerName<'static>> {
        self.server_name.clone().or_else(|| address.map(|ip| ServerName::IpAddress(ip.into())))
    }

    fn failed(&self, error: HandshakeError, address: Option<IpAddr>) -> ConnectError {
        let error = match error {
            HandshakeError::Closed | HandshakeError::Io(_) => return ConnectError::Closed,
            HandshakeError::Token(error) => return ConnectError::Token(error),
            HandshakeError::Protocol(error) | HandshakeError::Client { error, .. } => error,
        };
        match (error.received_alert, self.name(address)) {
            (Some(alert), _) => ConnectError::Alert(alert),
            (None, Some(name)) => ConnectError::of(error.error, &name),
            (None, None) => ConnectError::Nameless,
        }
    }
}

impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        (self.identity, self.layer) == (other.identity, other.layer)
    }
}

impl Eq for Connector {}

impl Identity {
    /// That of the connector that has these terms, without building it.
    fn of(terms: &Terms<'_>) -> Self {
        let Terms { policy, trust, server_name, certificate, alpn, layer: _ } = terms;
        let Trust { roots, pins, revocation: Revocation { given, rules, seen: _ } } = trust;
        let Rules { asked, expired, missing, points, awaited } = rules;
        let mut facts = Facts::default();
        if let Some(policy) = policy {
            // The client never uses it.
            let Policy { name, versions, suites, groups, cipher_order: _ } = policy;
            facts.list([name.as_bytes()]);
            facts.list(versions.iter().map(|version| u16::from(*version).to_be_bytes()));
            facts.list(suites.iter().map(|suite| u16::from(*suite).to_be_bytes()));
            facts.list(groups.iter().map(|group| u16::from(*group).to_be_bytes()));
        }
        facts.list(server_name.iter().map(|name| name.to_str().into_owned()));
        match alpn {
            Alpn::Fixed(protocols) => facts.list(protocols),
            // Unlike any list of protocols: their names are never empty.
            Alpn::Client => facts.list([[]; 2]),
        }
        facts.list(roots);
        facts.list(certificate.iter().flat_map(|key| &key.cert));
        facts.list(pins);
        facts.list(given);
        // It decides what a fault of a list means.
        facts.list(
            given.iter().map(|list| [u8::from(list.origin == Origin::File), u8::from(list.origin == Origin::Url)]),
        );
        facts.list([expired.word(), missing.word()]);
        facts.list([[u8::from(*asked), u8::from(*points), u8::from(*awaited)]]);
        Self(crypto::sha256(&facts.0))
    }
}

/// Lists of byte strings in one string. Different lists never have the same bytes: each item has its length before it.
#[derive(Default)]
struct Facts(Vec<u8>);

impl Facts {
    fn list(&mut self, items: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        for item in items {
            let item = item.as_ref();
            self.0.extend_from_slice(&item.len().to_be_bytes());
            self.0.extend_from_slice(item);
        }
        // Ends the list: no item is that long.
        self.0.extend_from_slice(&usize::MAX.to_be_bytes());
    }
}

impl ConnectError {
    /// The meaning of a handshake's error for a server that should have this name.
    pub fn of(error: Error, name: &ServerName<'_>) -> Self {
        let reason = match error {
            Error::InvalidCertificate(reason) => reason,
            Error::AlertReceived(alert) => return Self::Alert(alert),
            other => return Self::Failed(other),
        };
        match reason {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::Name(name.to_str().into_owned())
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            CertificateError::Other(other) if other.0.is::<NotPinned>() => Self::Pin,
            CertificateError::UnknownIssuer => Self::Untrusted,
            CertificateError::BadSignature => Self::Forged,
            other => Self::Certificate(other),
        }
    }
}

#[cfg(test)]
mod tests;
