//! Connects to a backend: another server when one cannot be reached, as long as no byte was sent.
//! Must not know: what will be sent.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::backend::pool::Pool;
use crate::backend::server::Lease;
use crate::net::close::Unfinished;
use crate::net::socket;

/// A connection to one server, counted while it lives.
#[derive(Debug)]
pub struct Connected {
    pub stream: Unfinished,
    pub address: SocketAddr,
    pub lease: Lease,
}

/// None of the servers that were tried could be reached; the text names each, with its reason.
#[derive(Debug, Error)]
#[error("{}", .0.join("; "))]
pub struct Unreachable(Vec<String>);

/// Tries servers in the balancer's order, at most `connect_attempts` of them.
pub async fn connect(pool: &Pool) -> Result<Connected, Unreachable> {
    let mut tried = Vec::new();
    let mut reasons = Vec::new();
    while tried.len() < pool.connect_attempts
        && let Some((index, server)) = pool.balancer.pick(&pool.servers, &tried)
    {
        tried.push(index);
        let lease = server.lease();
        let attempt = timeout(pool.connect_timeout, TcpStream::connect(server.address)).await;
        let reason = match attempt {
            Ok(Ok(stream)) => match socket::prepare(&stream) {
                Ok(()) => return Ok(Connected { stream: Unfinished::new(stream), address: server.address, lease }),
                Err(error) => words(&error),
            },
            Ok(Err(error)) => words(&error),
            Err(_) => format!("no answer within {}", humantime::format_duration(pool.connect_timeout)),
        };
        tracing::debug!(backend = %pool.name, server = %server.address, %reason, "cannot connect");
        reasons.push(format!("{}: {reason}", server.address));
    }
    Err(Unreachable(reasons))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::HostUnreachable => "host unreachable".into(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".into(),
        _ => error.to_string(),
    }
}
