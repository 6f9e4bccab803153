//! Health checks: what is asked of a server, and how often. Must not know: who is told, what becomes of a server that
//! does not pass.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::backend::failure::{self, FailureKind};
use crate::net::address::Address;
use crate::net::stream::Stream;
use crate::tls::trust::servers;

pub mod ber;
mod http;
mod ldap;
mod tcp;
mod tls;

/// A health check as its operator wants it.
#[derive(Debug)]
pub struct Check {
    pub kind: Kind,
    pub tls: Option<Tls>,
    /// What a server gets to read first, where it expects to be told of clients.
    pub preface: Vec<u8>,
    /// Another port than the one that clients' connections go to.
    pub port: Option<u16>,
    /// From the beginning of one check to that of the next.
    pub interval: Duration,
    /// Up to so much is added to each interval, by chance.
    pub jitter: Duration,
    /// For all of one check.
    pub timeout: Duration,
    /// Checks in a row that bring a server up.
    pub rise: u32,
    /// Checks in a row that bring a server down.
    pub fall: u32,
    /// Says whether another check is the same one.
    pub identity: String,
}

/// What is asked.
#[derive(Debug)]
pub enum Kind {
    /// That it accepts a connection.
    Tcp,
    /// That a TLS handshake succeeds.
    Tls,
    Http(Http),
    Ldap(Ldap),
}

/// How TLS is spoken in a check.
#[derive(Debug)]
pub struct Tls {
    pub config: Arc<ClientConfig>,
    /// By default the server's IP address.
    pub server_name: Option<ServerName<'static>>,
    /// After LDAP's StartTLS, rather than from the beginning.
    pub start_tls: bool,
}

#[derive(Debug)]
pub struct Http {
    pub method: String,
    pub path: String,
    /// By default the server's address.
    pub host: Option<String>,
    /// Ranges of status codes, both ends included.
    pub status: Vec<(u16, u16)>,
    /// A text that must be in the first 64 KiB of the body.
    pub body: Option<String>,
}

/// A simple bind, or the root entry where there is no DN.
#[derive(Debug)]
pub struct Ldap {
    pub bind: Option<(String, Password)>,
}

/// Not to be shown.
pub struct Password(pub Vec<u8>);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// A check that was passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// When the server's certificate expires, in seconds since 1970.
    pub not_after: Option<i64>,
}

/// Why a check was not passed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    #[error("{0}")]
    Connect(String),
    /// This machine has no port, descriptor or memory left: that says nothing about the server.
    #[error("{0}")]
    Local(String),
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("TLS: {0}")]
    Tls(String),
    /// The server answered, and not as it should.
    #[error("{0}")]
    Answer(String),
}

impl CheckError {
    /// In one word, for a label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Local(_) => "local",
            Self::Timeout(_) => "timeout",
            Self::Tls(_) => "tls",
            Self::Answer(_) => "answer",
        }
    }
}

impl Check {
    /// Checks a server once.
    pub async fn run(&self, server: &Address) -> Result<Passed, CheckError> {
        timeout(self.timeout, self.ask(server)).await.unwrap_or(Err(CheckError::Timeout(self.timeout)))
    }

    async fn ask(&self, server: &Address) -> Result<Passed, CheckError> {
        let address = match server {
            Address::Tcp(server) => Address::Tcp(SocketAddr::new(server.ip(), self.port.unwrap_or(server.port()))),
            unix @ Address::Unix(_) => unix.clone(),
        };
        let unreachable = |error| {
            let (kind, reason) = failure::reason(&error);
            if kind == FailureKind::Local { CheckError::Local(reason) } else { CheckError::Connect(reason) }
        };
        if let (Kind::Tcp, None, true, Address::Tcp(server)) =
            (&self.kind, &self.tls, self.preface.is_empty(), &address)
        {
            tcp::knock(*server).await.map_err(unreachable)?;
            return Ok(Passed::default());
        }
        let mut stream = Stream::connect(&address).await.map_err(unreachable)?;
        stream.write_all(&self.preface).await.map_err(|error| CheckError::Connect(error.to_string()))?;
        let Some(tls) = &self.tls else {
            self.converse(stream, &address).await?;
            return Ok(Passed::default());
        };
        if tls.start_tls {
            ldap::start_tls(&mut stream).await?;
        }
        let stream = tls::handshake(stream, tls, &address).await?;
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let not_after = leaf.and_then(|leaf| servers::not_after(leaf));
        self.converse(stream, &address).await?;
        Ok(Passed { not_after })
    }

    async fn converse<S>(&self, stream: S, address: &Address) -> Result<(), CheckError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        match &self.kind {
            Kind::Tcp | Kind::Tls => Ok(()),
            Kind::Http(http) => http::ask(stream, http, address).await,
            Kind::Ldap(ldap) => ldap::ask(stream, ldap).await,
        }
    }
}
