//! Checks one server once: connects, with TLS where that is configured, and makes the request. Must not know: how often,
//! who uses the result.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::backend::failure::{self, FailureKind};
use crate::backend::health::check::{Check, Tls};
use crate::backend::health::error::CheckError;
use crate::backend::health::kind::Kind;
use crate::backend::health::{http, ldap, tcp};
use crate::gate::{Gate, Pace};
use crate::net::address::Address;
use crate::net::late;
use crate::net::source::Source;
use crate::net::stream::Stream;
use crate::starttls::asking::{Asking, ask};
use crate::starttls::protocol::Protocol;
use crate::tls::handshake::connect::ConnectError;
use crate::tls::record::handshaking::Finished;
use crate::tls::stream::TlsStream;
use crate::tls::trust::servers;
use crate::tls::trust::servers::Validity;
use crate::tls::wire::fault;

/// A check that has passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// When the server's certificate is valid; `None` without TLS.
    pub validity: Option<Validity>,
}

impl Check {
    /// Checks a server once, within the check's timeout.
    pub async fn run(&self, server: &Address) -> Result<Passed, CheckError> {
        let deadline = Instant::now() + self.timeout;
        match timeout_at(deadline, self.ask(server)).await {
            Ok(result) => result,
            Err(_) if late::was_stopped(deadline.elapsed()) => {
                Err(CheckError::Local("this process did not run while the server could answer".into()))
            }
            Err(_) => Err(CheckError::Timeout(self.timeout)),
        }
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
        let source = self.source.map(Source::Own);
        // Without a header to send, the cheaper check is enough.
        if let (Kind::Tcp, None, true, Address::Tcp(server)) =
            (&self.kind, &self.tls, self.preface.is_empty(), &address)
        {
            tcp::knock(source, *server).await.map_err(unreachable)?;
            return Ok(Passed::default());
        }
        let mut stream = Stream::connect_from(source, &address).await.map_err(unreachable)?;
        stream.write_all(&self.preface).await.map_err(|error| CheckError::Connect(error.to_string()))?;
        let Some(tls) = &self.tls else {
            self.converse(stream, &address).await?;
            return Ok(Passed::default());
        };
        match tls.starttls {
            None => {}
            // The reasons of a directory for a refusal are part of LDAP, which the check knows.
            Some(Protocol::Ldap) => ldap::start_tls(&mut stream).await?,
            Some(protocol) => {
                let asked = ask(Asking::for_tls(protocol), &mut stream).await;
                asked.map_err(|reason| CheckError::Answer(format!("StartTLS: {reason}")))?;
            }
        }
        let session = handshake(&mut stream, tls, &address).await?;
        let leaf = session.negotiated.peer_certificates.first();
        let validity = leaf.and_then(|leaf| servers::validity(leaf));
        self.converse(TlsStream::new(stream, session), &address).await?;
        Ok(Passed { validity })
    }

    async fn converse<S>(&self, stream: S, address: &Address) -> Result<(), CheckError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match &self.kind {
            Kind::Tcp | Kind::Tls => Ok(()),
            Kind::Http(http) => http::ask(stream, http, address).await,
            Kind::Ldap(ldap) => ldap::ask(stream, ldap).await,
        }
    }
}

async fn handshake(stream: &mut Stream, tls: &Tls, address: &Address) -> Result<Finished, CheckError> {
    // Checks run where no connection is served, so they hold up nobody.
    let gate = Gate::default();
    tls.connector.connect(stream, address.ip(), None, Pace::alone(&gate)).await.map_err(|error| {
        match error {
            // Without the prefix of `ConnectError`, since `CheckError` has its own, "TLS:".
            ConnectError::Failed(error) => CheckError::Tls(fault::reason(&error)),
            ConnectError::Token(_) => CheckError::Local(error.to_string()),
            other => CheckError::Tls(other.to_string()),
        }
    })
}
