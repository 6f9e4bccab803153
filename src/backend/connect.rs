//! Connects to a backend: another server when one cannot be reached, as long as no byte was sent.
//! Must not know: what will be sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::backend::failure::{FailureKind, reason};
use crate::backend::pool::{NoServer, Pool};
use crate::backend::server::Lease;
use crate::net::close::Unfinished;
use crate::net::stream::Stream;

/// A connection to one server, counted while it lives.
#[derive(Debug)]
pub struct Connected {
    pub stream: Unfinished,
    pub address: SocketAddr,
    pub lease: Lease,
}

/// One server that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub address: SocketAddr,
    pub kind: FailureKind,
    /// In words, for a person.
    pub reason: String,
}

/// Who connects.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    pub address: IpAddr,
}

/// Tries servers in the pool's order, at most `connect_attempts` of them. Every failure is added to `failures`, also
/// those before a success.
pub async fn connect(pool: &Pool, client: Client, failures: &mut Vec<Failure>) -> Result<Connected, NoServer> {
    let settings = &pool.settings;
    let members = pool.members_found().await;
    let mut tried = Vec::new();
    while tried.len() < settings.connect_attempts {
        let (index, mut lease) = match pool.pick(&members, client.address, &tried, Instant::now()) {
            Ok(picked) => picked,
            Err(reason) if tried.is_empty() => return Err(reason),
            Err(_) => return Err(NoServer::Tried),
        };
        tried.push(index);
        let address = lease.server().address;
        let attempt = timeout(settings.connect_timeout, TcpStream::connect(address)).await;
        let failure = match attempt {
            Ok(Ok(stream)) => match prepared(Stream::Tcp(stream)) {
                Ok(stream) => {
                    lease.connected();
                    return Ok(Connected { stream: Unfinished::new(stream), address, lease });
                }
                Err(error) => failed(address, &error),
            },
            Ok(Err(error)) => failed(address, &error),
            Err(_) => Failure {
                address,
                kind: FailureKind::Timeout,
                reason: format!("no answer within {}", humantime::format_duration(settings.connect_timeout)),
            },
        };
        tracing::debug!(backend = %settings.name, server = %address, reason = %failure.reason, "cannot connect");
        if failure.kind != FailureKind::Local
            && let Some(pause) = lease.failed(settings.pauses)
        {
            tracing::debug!(backend = %settings.name, server = %address, pause = %humantime::format_duration(pause), "passed over");
        }
        failures.push(failure);
    }
    Err(NoServer::Tried)
}

fn failed(address: SocketAddr, error: &io::Error) -> Failure {
    let (kind, reason) = reason(error);
    Failure { address, kind, reason }
}

fn prepared(stream: Stream) -> io::Result<Stream> {
    stream.prepare().map(|()| stream)
}
