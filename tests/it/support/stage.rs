//! A proxy with one listener and one certificate, and clients for it: the start of most tests of a connection's life.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::ClientConfig;

use super::by_hand::ByHand;
use super::client::{Client, Tls, trusting};
use super::http::Door;
use super::pki::{Extra, Key, Pki};
use super::procfs::eventually;
use super::proxy::Proxy;

/// The name in the certificate.
pub(crate) const NAME: &str = "main.test";

/// More lines for each part of the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lines<'a> {
    pub(crate) top: &'a str,
    pub(crate) listener: &'a str,
    pub(crate) backend: &'a str,
}

pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) pki: Pki,
    clients: [Arc<ClientConfig>; 2],
}

impl Stage {
    /// With every default.
    pub(crate) fn plain(server: SocketAddr) -> Self {
        Self::new(&[server], Lines::default())
    }

    pub(crate) fn new(servers: &[SocketAddr], lines: Lines<'_>) -> Self {
        Self::written(certified(), &config(servers, lines))
    }

    /// With the servers as in the configuration file, and an admin API on a Unix socket.
    pub(crate) fn of(servers: &str, backend: &str) -> Self {
        Self::with("", servers, backend)
    }

    /// The same with more lines at the top of the configuration.
    pub(crate) fn with(top: &str, servers: &str, backend: &str) -> Self {
        let stage = Self::unready(top, servers, backend);
        eventually("it is ready", || (stage.door().get("/readyz").status == 200).then_some(()));
        stage
    }

    /// The same, returned as soon as it listens.
    pub(crate) fn unready(top: &str, servers: &str, backend: &str) -> Self {
        let top = format!("{ADMIN}{top}");
        Self::written(certified(), &listed(servers, Lines { top: &top, listener: "", backend }))
    }

    /// With a configuration of its own.
    pub(crate) fn written(pki: Pki, config: &str) -> Self {
        let proxy = Proxy::start(pki.folder(), config);
        let clients = Tls::BOTH.map(|tls| Arc::new(trusting(&pki.ca(), tls)));
        Self { proxy, pki, clients }
    }

    /// The admin API of [`Stage::of`].
    pub(crate) fn door(&self) -> Door {
        Door::Unix(self.pki.folder().join("admin.sock"))
    }

    /// Writes the configuration of [`Stage::of`] again, and reloads.
    pub(crate) fn reload(&self, servers: &str, backend: &str) {
        self.reload_with("", servers, backend);
    }

    /// The same for [`Stage::with`].
    pub(crate) fn reload_with(&self, top: &str, servers: &str, backend: &str) {
        let top = format!("{ADMIN}{top}");
        let config = listed(servers, Lines { top: &top, listener: "", backend });
        std::fs::write(self.pki.folder().join("tlsgate.toml"), config).unwrap();
        let answer = self.door().ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address("main")
    }

    pub(crate) fn config(&self, tls: Tls) -> &Arc<ClientConfig> {
        &self.clients[tls as usize]
    }

    /// A client that is connected and has sent nothing.
    pub(crate) fn silent(&self, tls: Tls) -> Client {
        Client::silent(self.address(), self.config(tls), NAME)
    }

    /// A client whose handshake is complete.
    pub(crate) fn client(&self, tls: Tls) -> Client {
        let mut client = self.silent(tls);
        client.handshake().unwrap();
        client
    }

    /// A client whose handshake is complete, and the backend's end of its connection.
    pub(crate) fn joined(&self, backend: &ByHand, tls: Tls) -> (Client, TcpStream) {
        let client = self.client(tls);
        (client, backend.accept())
    }

    /// Waits for the record of the connection from that port; returns its outcome.
    pub(crate) fn outcome(&self, port: u16) -> String {
        let record = self.proxy.record(|record| record["client.port"] == port);
        record["outcome"].as_str().unwrap().to_owned()
    }
}

/// A PKI with the certificate that [`config`] names.
pub(crate) fn certified() -> Pki {
    let pki = Pki::new();
    pki.write("certs", "main", &[NAME], Key::P256, &Extra::default());
    pki
}

pub(crate) fn config(servers: &[SocketAddr], lines: Lines<'_>) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("{:?}", server.to_string())).collect();
    listed(&servers.join(", "), lines)
}

fn listed(servers: &str, lines: Lines<'_>) -> String {
    let Lines { top, listener, backend } = lines;
    format!(
        r#"
{top}
[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "servers"
{listener}

[backend.servers]
servers = [{servers}]
{backend}
"#
    )
}

const ADMIN: &str = "[admin]\nlisten=\"unix:admin.sock\"\n";
