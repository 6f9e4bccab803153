//! Debian's pebble, an authority for tests, and pebble-challtestsrv, the name server that it asks.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};

use rustls::ClientConfig;
use serde_json::{Value, json};

use super::{free_port, own_address};
use crate::support::client::{Client, Tls, trusting};
use crate::support::http::{Door, Response};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::tool;

/// The authority, with its name server.
pub(crate) struct Pebble {
    /// Its ACME server, over HTTPS.
    pub(crate) address: SocketAddr,
    /// The name server, over UDP and TCP.
    pub(crate) resolver: SocketAddr,
    /// The port at which it asks for tls-alpn-01.
    pub(crate) tls_port: u16,
    /// The port at which it asks for http-01.
    pub(crate) http_port: u16,
    pub(crate) client: Arc<ClientConfig>,
    management: SocketAddr,
    records: SocketAddr,
    pki: Pki,
    _processes: [Tied; 2],
}

impl Pebble {
    /// One for all tests that need nothing special: names and addresses keep them apart.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<Pebble> = LazyLock::new(|| Pebble::start(&json!({}), &[]));
        &SHARED
    }

    /// The same that believes everything; for challenges that it does not know.
    pub(crate) fn credulous() -> &'static Self {
        static SHARED: LazyLock<Pebble> =
            LazyLock::new(|| Pebble::start(&json!({}), &[("PEBBLE_VA_ALWAYS_VALID", "1")]));
        &SHARED
    }

    /// One with more settings (keys of pebble's configuration) and environment. It rejects one nonce in twenty, never
    /// reuses an authorization, and validates without delay.
    pub(crate) fn start(more: &Value, environment: &[(&str, &str)]) -> Self {
        let (pki, ip) = (Pki::new(), own_address());
        let (certificate, key) = pki.write("", "pebble", &[&ip.to_string()], Key::P256, &Extra::default());
        let [tls_port, http_port] = [(); 2].map(|()| free_port());
        let [address, management, resolver, records] = [(); 4].map(|()| SocketAddr::from((ip, free_port())));
        let mut settings = json!({
            "listenAddress": address.to_string(), "managementListenAddress": management.to_string(),
            "certificate": certificate, "privateKey": key, "tlsPort": tls_port, "httpPort": http_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
            "profiles": {
                "default": { "description": "the usual one", "validityPeriod": 7_776_000 },
                "short": { "description": "short-lived", "validityPeriod": 518_400 },
            },
            // Later versions make clients wait for up to five seconds.
            "retryAfter": { "authz": 1, "order": 1 },
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = pki.folder().join("pebble.json");
        fs::write(&config, json!({ "pebble": settings }).to_string()).unwrap();
        let names = name_server(pki.folder(), resolver, records);
        let mut command = Tied::command("pebble");
        command.args(["-strict", "-dnsserver", &resolver.to_string(), "-config"]).arg(config);
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "5").env("PEBBLE_AUTHZREUSE", "0");
        let authority = Tied::start(command.envs(environment.iter().copied()), pki.folder(), "pebble");
        let client = Arc::new(trusting(&pki.ca(), Tls::V13));
        let pebble = Self {
            address,
            resolver,
            tls_port,
            http_port,
            client,
            management,
            records,
            pki,
            _processes: [names, authority],
        };
        for address in [records, address, management] {
            eventually("pebble listens", || TcpStream::connect(address).ok());
        }
        fs::write(pebble.root(), pebble.management("/roots/0").body).unwrap();
        pebble
    }

    /// The CA's certificate at the end of each chain, as a file.
    pub(crate) fn root(&self) -> PathBuf {
        self.pki.folder().join("root.pem")
    }

    /// A page of its management interface.
    pub(crate) fn management(&self, path: &str) -> Response {
        let ip = self.management.ip().to_string();
        let mut client = Client::silent(self.management, &self.client, &ip);
        client.handshake().unwrap();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {ip}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        Response::read(&client.read_to_end().0[..])
    }

    /// `Valid` or `Revoked`, with the reason's number.
    pub(crate) fn certificate_status(&self, serial: &str) -> (String, Option<u64>) {
        let status = self.management(&format!("/cert-status-by-serial/{serial}")).json();
        (status["Status"].as_str().unwrap().to_owned(), status["Reason"].as_u64())
    }

    /// Changes what the name server answers: `add-a`, `set-txt`, `set-servfail` …
    pub(crate) fn record(&self, change: &str, what: &Value) {
        let answer = Door::Tcp(self.records).ask("POST", &format!("/{change}"), &[], &what.to_string());
        assert_eq!(answer.status, 200, "{change} {what}: {answer:?}");
    }

    /// Has a name lead to that address.
    pub(crate) fn name(&self, name: &str, address: Ipv4Addr) {
        self.record("add-a", &json!({ "host": format!("{name}."), "addresses": [address] }));
    }

    /// A program that publishes records for dns-01, and writes down in `calls` how it was called.
    pub(crate) fn publisher(&self, folder: &Path) -> PathBuf {
        let path = folder.join("publish");
        let script = format!(
            r#"#!/bin/sh
set -e
echo "$*" >> {folder}/calls
host=${{2%.}}.
case $1 in
present) curl -sSf -d "{{\"host\":\"$host\",\"value\":\"$3\"}}" http://{records}/set-txt ;;
cleanup) curl -sSf -d "{{\"host\":\"$host\"}}" http://{records}/clear-txt ;;
esac
"#,
            folder = folder.display(),
            records = self.records,
        );
        fs::write(&path, script).unwrap();
        assert!(Command::new("chmod").arg("+x").arg(&path).status().unwrap().success());
        path
    }
}

/// Names have the addresses that the tests give them, and no others.
fn name_server(folder: &Path, resolver: SocketAddr, records: SocketAddr) -> Tied {
    let usage = tool::run("pebble-challtestsrv", &["-help"], b"");
    let usage = String::from_utf8_lossy(&usage.stderr).into_owned();
    // Its options have changed their names over time; the servers that are not needed would listen on fixed ports.
    let dns = if usage.contains("-dnsserver") { "-dnsserver" } else { "-dns01" };
    let mut command = Tied::command("pebble-challtestsrv");
    command.args(["-management", &records.to_string(), dns, &resolver.to_string()]);
    command.args(["-defaultIPv4", "", "-defaultIPv6", ""]);
    for unused in ["-http01", "-https01", "-tlsalpn01", "-doh"] {
        if usage.contains(&format!("{unused} ")) {
            command.args([unused, ""]);
        }
    }
    Tied::start(&mut command, folder, "names")
}

/// A process that ends when this is dropped, and also when the test's process ends without doing so.
pub(super) struct Tied(Child);

impl Tied {
    /// The shell waits for the end of its standard input.
    pub(super) fn command(program: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "\"$0\" \"$@\" & read -r _; kill $!", program]).stdin(Stdio::piped());
        command
    }

    pub(super) fn start(command: &mut Command, folder: &Path, log: &str) -> Self {
        let log = File::create(folder.join(format!("{log}.log"))).unwrap();
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
