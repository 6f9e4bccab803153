//! A name server, and how it is written. Must not know: which key holds it.

use std::net::{IpAddr, SocketAddr};

use toml::de::DeValue;

use crate::config::decode::Value;

/// The address of a name server, with port 53 unless another is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

impl NameServer {
    /// Reads an IP address, with or without a port.
    pub fn parse(text: &str) -> Option<Self> {
        let alone = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS));
        text.parse().ok().or_else(alone).filter(|address: &SocketAddr| address.port() != 0).map(Self)
    }
}

impl Value for NameServer {
    const EXPECTED: &'static str = "the IP address of a name server, such as \"10.0.0.2\" or \"127.0.0.1:5353\"";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        Self::parse(value.as_str()?)
    }
}

const DNS: u16 = 53;
