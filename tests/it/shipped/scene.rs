//! A tlsgate of which every metric has a series: what appears only with an event has happened.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::backend::Backend;
use crate::support::clients_pki::ClientCa;
use crate::support::http::Door;
use crate::support::list_server::ListServer;
use crate::support::nginx::Nginx;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::tool;

/// The labels of each family of metrics, with the values that each label has.
pub(super) type Families = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

pub(super) struct Scene {
    pub(super) door: Door,
    _pki: Pki,
    proxy: Proxy,
    _checked: Nginx,
    _lists: ListServer,
}

impl Scene {
    pub(super) fn new() -> Self {
        let (pki, backend) = (Pki::new(), Backend::echo());
        // It ends soon, for an alert that fires.
        let soon = Extra { validity: Some((-80, 5)), ..Extra::default() };
        pki.write("certs", "a", &["a.test"], Key::P256, &soon);
        pki.write("certs", "c", &["c.test"], Key::P256, &Extra { validity: Some((-20, -10)), ..Extra::default() });
        let (certificate, key) = pki.write("server", "b", &["b.test"], Key::P256, &Extra::default());
        let checked = Nginx::start_tls(&certificate, &key);
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (ca, lists) = (ClientCa::new(pki.folder(), "client-ca"), ListServer::start());
        lists.list("ca.crl", &ca.list(&[1], 30));
        let config = CONFIG
            .replace("LISTS", &lists.url("ca.crl"))
            .replace("NOBODY", &nobody.local_addr().unwrap().to_string())
            .replace("ECHO", &backend.address.to_string())
            .replace("CHECKED", &checked.address.to_string());
        drop(nobody);
        let proxy = Proxy::start(pki.folder(), &config);
        let line = proxy.log_line("probes listening address=");
        let door = Door::Tcp(line.split_once("address=").unwrap().1.trim().parse().unwrap());
        let scene = Self { door, _pki: pki, proxy, _checked: checked, _lists: lists };
        scene.happen();
        scene
    }

    /// Handshakes, whole and resumed; one that fails; an expired certificate; a client that is refused; a server that refuses.
    fn happen(&self) {
        let connect = |listener: &str, arguments: &[&str]| {
            let address = self.proxy.address(listener).to_string();
            tool::run("openssl", &[&["s_client", "-connect", &address], arguments].concat(), b"");
        };
        connect("main", &["-servername", "a.test"]);
        connect("main", &["-servername", "c.test"]);
        connect("main", &["-servername", "a.test", "-tls1_2", "-reconnect"]);
        connect("main", &["-servername", "a.test", "-sigalgs", "RSA-PSS+SHA256"]);
        connect("closed", &[]);
        for family in EVENTS {
            eventually(family, || self.families().contains_key(*family).then_some(()));
        }
    }

    pub(super) fn families(&self) -> Families {
        families(&self.door.get("/metrics").body)
    }
}

/// The families of a text in the format of Prometheus. A histogram is also each of its three series.
pub(super) fn families(text: &str) -> Families {
    let mut families = Families::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let labels = families.entry(name.to_owned()).or_default();
        let Some((_, within)) = line.split_once('{') else { continue };
        let (within, _) = within.rsplit_once('}').unwrap();
        // No value of this scene has a comma and a quotation mark in it.
        for pair in within.split_inclusive("\",").map(|pair| pair.trim_end_matches(',')) {
            let (label, value) = pair.split_once('=').unwrap();
            labels.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
    families
}

/// What appears with an event, some of them a moment after the start.
const EVENTS: &[&str] = &[
    "tlsgate_acme_next_attempt_timestamp_seconds",
    "tlsgate_backend_certificate_not_after_timestamp_seconds",
    "tlsgate_backend_connect_duration_seconds_count",
    "tlsgate_backend_connect_failures_total",
    "tlsgate_certificate_selections_total",
    "tlsgate_connection_duration_seconds_count",
    "tlsgate_connections_closed_total",
    "tlsgate_connections_rejected_total",
    "tlsgate_crl_fetched_timestamp_seconds",
    "tlsgate_tls_handshake_failures_total",
    "tlsgate_tls_handshakes_total",
];

const CONFIG: &str = r#"
[admin]
probes="127.0.0.1:0"

[limits]
memory="1GiB"

[state]
directory="state"

[acme.inside]
directory="https://127.0.0.1:1/directory"
challenges=["dns-01"]
dns={ program = "/bin/true" }

[[listener]]
name="main"
listen = "127.0.0.1:0"
certificates=["certs", { acme = "inside", names = ["b.test"], keys = ["ecdsa-p256"] }]
backend="mixed"
labels={ team = "directory", env = "prod" }

[[listener.route]]
server_names="route.test"
labels={ team = "apps" }
max_connections=100

[[listener]]
name="closed"
listen = "127.0.0.1:0"
certificates=["certs"]
backend="checked"
deny=["0.0.0.0/0"]
client_auth={ mode = "optional", ca = "client-ca.pem", crl = "LISTS" }

[backend.mixed]
servers=["NOBODY", "ECHO"]
balance="round_robin"
labels={ site = "berlin" }

[backend.checked]
servers=["CHECKED"]
health={ type = "tls", ca = "ca.pem", server_name = "b.test", interval = "100ms" }
"#;
