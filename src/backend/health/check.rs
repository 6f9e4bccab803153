//! A health check as configured. Must not know: how it is made, what happens to a server that fails.

use std::net::IpAddr;
use std::time::Duration;

use crate::backend::health::kind::Kind;
use crate::starttls::protocol::Protocol;
use crate::tls::handshake::connect::Connector;

/// What is checked for each server of a backend, and how often. Equal values are the same check, which continues after a
/// reload.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    pub kind: Kind,
    pub tls: Option<Tls>,
    /// The first bytes for the server, where it expects the PROXY protocol; otherwise empty.
    pub preface: Vec<u8>,
    /// The port to check; `None` for the port of clients' connections.
    pub port: Option<u16>,
    /// The address to connect from; `None` where the kernel chooses it.
    pub source: Option<IpAddr>,
    /// From the beginning of one check to that of the next.
    pub interval: Duration,
    /// The longest random time that is added to each interval.
    pub jitter: Duration,
    /// For one whole check.
    pub timeout: Duration,
    /// A server that is down is up after this many passed checks in a row.
    pub rise: u32,
    /// A server that is up is down after this many failed checks in a row.
    pub fall: u32,
}

/// How a check uses TLS.
#[derive(Debug, PartialEq, Eq)]
pub struct Tls {
    pub connector: Connector,
    /// The protocol in which TLS is asked for; `None` where it begins at once.
    pub starttls: Option<Protocol>,
}
