//! A backend, as far as it can be known to be valid without connecting to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::balance::Algorithm;
use crate::config::decode::ConfigError;
use crate::config::file;
use crate::config::validate::present;
use crate::net::proxy_protocol::Version;

#[derive(Debug, Clone)]
pub struct Backend {
    pub name: Arc<str>,
    pub servers: Vec<SocketAddr>,
    pub balance: Algorithm,
    pub connect_timeout: Duration,
    pub connect_attempts: usize,
    pub proxy_protocol: Version,
}

pub(super) fn validated(backend: file::backend::Backend, errors: &mut Vec<ConfigError>) -> Option<Backend> {
    let servers = present(
        backend.servers,
        "servers",
        "an IP address and a port, such as \"10.0.1.10:389\"",
        &backend.here,
        errors,
    );
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for server in servers.unwrap_or_default() {
        if server.value.port() == 0 {
            errors.push(server.error("found port 0, expected the port that the server listens on"));
        } else if addresses.contains(&server.value) {
            errors.push(server.error(format!("{} is listed twice", server.value)));
        } else {
            addresses.push(server.value);
        }
    }
    Some(Backend {
        name: backend.name.into(),
        servers: addresses,
        balance: backend.balance.value,
        connect_timeout: backend.connect_timeout.value,
        connect_attempts: backend.connect_attempts.value,
        proxy_protocol: backend.proxy_protocol.value,
    })
}
