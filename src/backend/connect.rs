//! Connects to a backend: another server when one cannot be reached, as long as no byte was sent.
//! Must not know: what will be sent.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::backend::pool::Pool;
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

/// Why, in one word, for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    Refused,
    Timeout,
    Unreachable,
    /// This machine has no port, descriptor or memory left: no fault of the server.
    Local,
    Other,
}

impl FailureKind {
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Local => "local",
            Self::Other => "other",
        }
    }
}

/// `preface` is what a server gets to read first.
///
/// Tries servers in the balancer's order, at most `connect_attempts` of them. Every failure is added to `failures`, also
/// those before a success; `None` where there was nothing but failures.
pub async fn connect(pool: &Pool, preface: &[u8], failures: &mut Vec<Failure>) -> Option<Connected> {
    let mut tried = Vec::new();
    while tried.len() < pool.connect_attempts
        && let Some((index, server)) = pool.balancer.pick(&pool.servers, &tried)
    {
        tried.push(index);
        let lease = server.lease();
        let address = server.address;
        let attempt = timeout(pool.connect_timeout, reach(address, preface)).await;
        let failure = match attempt {
            Ok(Ok(stream)) => return Some(Connected { stream, address, lease }),
            Ok(Err(error)) => failed(address, &error),
            Err(_) => Failure {
                address,
                kind: FailureKind::Timeout,
                reason: format!("no answer within {}", humantime::format_duration(pool.connect_timeout)),
            },
        };
        tracing::debug!(backend = %pool.name, server = %address, reason = %failure.reason, "cannot connect");
        failures.push(failure);
    }
    None
}

fn failed(address: SocketAddr, error: &io::Error) -> Failure {
    let (kind, reason) = match error.kind() {
        ErrorKind::ConnectionRefused => (FailureKind::Refused, "connection refused".into()),
        ErrorKind::HostUnreachable => (FailureKind::Unreachable, "host unreachable".into()),
        ErrorKind::NetworkUnreachable => (FailureKind::Unreachable, "network unreachable".into()),
        ErrorKind::TimedOut => (FailureKind::Timeout, error.to_string()),
        ErrorKind::AddrNotAvailable | ErrorKind::OutOfMemory => (FailureKind::Local, error.to_string()),
        _ => match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS) => (FailureKind::Local, error.to_string()),
            _ => (FailureKind::Other, error.to_string()),
        },
    };
    Failure { address, kind, reason }
}

async fn reach(address: SocketAddr, preface: &[u8]) -> io::Result<Unfinished> {
    let mut stream = Stream::Tcp(TcpStream::connect(address).await?);
    stream.prepare()?;
    stream.write_all(preface).await?;
    Ok(Unfinished::new(stream))
}
