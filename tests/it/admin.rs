//! The admin API: what it shows, what it changes, and that a refused request changes nothing. This file: a proxy with
//! an admin API, and requests to it.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::http::{Door, Response};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::Proxy;
use crate::support::tool;

mod acme;
mod bounds;
mod certificates;
mod crowds;
mod described;
mod drain;
mod generated;
mod health;
mod hosts;
mod killed;
mod probes;
mod refused;
mod reload;
mod running;
mod secure;
mod shown;
mod start;
mod tls;
mod tls_crowds;
mod traces;

const TOKEN: &str = "correct-horse-battery-staple";
const BEARER: (&str, &str) = ("Authorization", "Bearer correct-horse-battery-staple");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const ADD: &str = "/api/v1/listeners/main/certificates";

/// A proxy with the folder `certs`, one certificate in it, and an admin server.
struct Scene {
    pki: Pki,
    backend: Backend,
    proxy: Proxy,
    door: Door,
}

impl Scene {
    fn tcp() -> Self {
        Self::new("listen=\"127.0.0.1:0\"\ntoken_file=\"token\"")
    }

    fn unix() -> Self {
        Self::new("listen=\"unix:admin.sock\"")
    }

    fn new(admin: &str) -> Self {
        Self::with(admin, "certificates = [\"certs\"]", "")
    }

    /// With these lines of the listener, and with these tables.
    fn with(admin: &str, listener: &str, tables: &str) -> Self {
        let pki = Pki::new();
        pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
        write_private(&pki.folder().join("token"), &format!("{TOKEN}\n"));
        let backend = Backend::echo();
        let proxy = Proxy::start(pki.folder(), &configured(&backend, admin, listener, tables));
        let door = door(&proxy);
        Self { pki, backend, proxy, door }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.pki.folder().join(below)
    }

    fn write_config(&self, listener: &str) {
        fs::write(self.path("tlsgate.toml"), config(&self.backend, "listen=\"unix:admin.sock\"", listener)).unwrap();
    }

    /// A change with all the headers that it needs.
    fn change(&self, method: &str, path: &str, body: &str) -> Response {
        self.door.ask(method, path, &[BEARER, JSON], body)
    }

    fn pair(&self, name: &str) -> (String, String) {
        self.pki.pair(&[name], Key::P256, &Extra::default())
    }

    fn add(&self, stem: &str, (certificate, key): &(String, String)) -> Response {
        self.change("POST", ADD, &json!({ "name": stem, "certificate": certificate, "key": key }).to_string())
    }

    /// The serial of the certificate that a new client gets for that name.
    fn served(&self, name: &str) -> String {
        served(&self.proxy, name)
    }

    /// Everything that a refused change must leave as it is: the files, and the state except for the counters of
    /// attempts.
    fn state(&self) -> (Vec<(String, String)>, Value) {
        let entries = fs::read_dir(self.path("certs")).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<_> = entries
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap_or_default())
            })
            .collect();
        files.sort();
        let views = ["config", "certificates"];
        (files, views.map(|view| self.door.get(&format!("/api/v1/{view}")).json()).into())
    }
}

fn config(backend: &Backend, admin: &str, listener: &str) -> String {
    configured(backend, admin, &format!("certificates = [\"certs\"]\n{listener}"), "")
}

fn configured(backend: &Backend, admin: &str, listener: &str, tables: &str) -> String {
    format!(
        "[admin]\n{admin}\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\nbackend = \"echo\"\n{listener}\n[backend.echo]\nservers = [\"{}\"]\n{tables}",
        backend.address
    )
}

/// The address that the program reports for its admin API.
fn door(proxy: &Proxy) -> Door {
    let line = proxy.log_line("admin API listening address=");
    let address = line.split_once("address=").unwrap().1.trim();
    let door = match address.strip_prefix("unix:") {
        Some(path) => Door::Unix(path.into()),
        None => Door::Tcp(address.parse().unwrap()),
    };
    let deadline = Instant::now() + PATIENCE;
    while door.get("/readyz").status != 200 {
        assert!(Instant::now() < deadline, "it does not become ready");
    }
    door
}

fn served(proxy: &Proxy, name: &str) -> String {
    let address = proxy.address("main").to_string();
    let output = tool::run("openssl", &["s_client", "-connect", &address, "-servername", name], b"");
    serial(&output.stdout)
}

fn serial(pem: &[u8]) -> String {
    let output = tool::run("openssl", &["x509", "-noout", "-serial"], pem);
    assert!(output.status.success(), "no certificate: {}", tool::shown(&output));
    String::from_utf8(output.stdout).unwrap().trim().trim_start_matches("serial=").to_owned()
}

/// Makes the same request from several threads.
fn at_once(count: usize, ask: impl Fn() -> Response + Sync) -> Vec<Response> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..count).map(|_| scope.spawn(&ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}
