//! A health check as its operator configured it. Must not know: how it is made, what becomes of a server that does not
//! pass.

use std::time::Duration;

use crate::backend::health::kind::Kind;
use crate::tls::handshake::connect::Connector;

/// What is asked of each server of a backend, and how often. Two that are equal are the same check: one that is being made
/// goes on after a reload.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    pub kind: Kind,
    pub tls: Option<Tls>,
    /// The first bytes that a server gets, where it expects the PROXY protocol.
    pub preface: Vec<u8>,
    /// Another port than the one that clients' connections go to.
    pub port: Option<u16>,
    /// From the beginning of one check to that of the next.
    pub interval: Duration,
    /// The longest random time that is added to each interval.
    pub jitter: Duration,
    /// For all of one check.
    pub timeout: Duration,
    /// Checks in a row that bring a server up.
    pub rise: u32,
    /// Checks in a row that bring a server down.
    pub fall: u32,
}

/// How TLS is spoken in a check.
#[derive(Debug, PartialEq, Eq)]
pub struct Tls {
    pub connector: Connector,
    /// After LDAP's StartTLS, rather than from the beginning.
    pub start_tls: bool,
}
