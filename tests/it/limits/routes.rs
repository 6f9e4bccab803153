//! Limits and lists of a route: who may use it, how many at a time and how often, after the listener's, and without any effect
//! on other routes.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::ja4::apart::ja4;
use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, connect_from, drain, port, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 5, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 5, 2);
/// A list in which is [`ONE`].
const LISTED: &str = "# a feed\n127.0.5.1 ; listed\n";
/// RFC 8446 section 6.2.
const ACCESS_DENIED: u8 = 49;
const INTERNAL_ERROR: u8 = 80;

/// A listener that serves `open.test` itself, and has a route for `main.test` with these lines.
struct Scene {
    proxy: Proxy,
    pki: Pki,
}

impl Scene {
    fn open(listener: &str, route: &str) -> Self {
        let (pki, backend) = (Pki::new(), Backend::echo());
        pki.write("certs", "main", &["main.test", "open.test"], Key::P256, &Extra::default());
        fs::write(pki.folder().join("drop.txt"), LISTED).unwrap();
        let proxy = Proxy::start(pki.folder(), &text(listener, route, &backend.address.to_string()));
        Self { proxy, pki }
    }

    fn client(&self, from: Ipv4Addr, name: &str) -> Client {
        let config = Arc::new(trusting(&self.pki.ca(), Tls::V13));
        Client::on(connect_from(from, self.proxy.address("main")), &config, name)
    }

    /// A client that is served.
    fn served(&self, from: Ipv4Addr, name: &str) -> Client {
        let mut client = self.client(from, name);
        client.handshake().unwrap();
        client.send(b"hello").unwrap();
        assert_eq!(client.read_exact(5), b"hello");
        client
    }

    /// The alert and the outcome with which a client is refused.
    fn refused(&self, from: Ipv4Addr, name: &str) -> (Option<u8>, String) {
        let mut client = self.client(from, name);
        let hello = client.flight();
        self.refused_with(&mut client.tcp, &hello)
    }

    fn refused_with(&self, tcp: &mut TcpStream, hello: &[u8]) -> (Option<u8>, String) {
        tcp.write_all(hello).unwrap();
        let (answer, ending) = drain(tcp);
        assert_eq!(ending, Ending::Fin);
        let alert = match answer[..] {
            [21, 3, _, 0, 2, 2, alert] => Some(alert),
            _ => None,
        };
        let (client, mine) = (port(tcp), |record: &Value, client: u16| record["client.port"] == client);
        let record = self.proxy.record(|record| mine(record, client));
        assert_eq!(record["route"], "app", "{record:#}");
        assert_eq!(record.get("backend"), None, "{record:#}");
        (alert, record["outcome"].as_str().unwrap().to_owned())
    }

    fn door(&self) -> Door {
        Door::unix(self.pki.folder())
    }

    fn metric(&self, reason: &str) -> u64 {
        let series = format!("tlsgate_connections_rejected_total{{listener=\"main\",reason=\"{reason}\"}} ");
        let text = self.door().get("/metrics").body;
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or_default()
    }

    fn limits(&self) -> Value {
        self.door().get("/api/v1/listeners").json()["listeners"][0]["routes"][0]["limits"].clone()
    }
}

fn text(listener: &str, route: &str, server: &str) -> String {
    format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\n\
         backend = \"plain\"\n{listener}\n[[listener.route]]\nname = \"app\"\nserver_names = [\"main.test\", \"pass.test\"]\n{route}\n\
         [backend.plain]\nservers = [\"{server}\"]\n"
    )
}

#[test]
fn a_route_denies_by_address_and_the_listener_and_other_routes_do_not() {
    let scene = Scene::open("", "allow = [\"127.0.5.0/24\"]\ndeny = \"127.0.5.1\"");
    let refused = (Some(ACCESS_DENIED), "route_client_denied".to_owned());
    assert_eq!(scene.refused(ONE, "main.test"), refused);
    assert_eq!(scene.refused(Ipv4Addr::LOCALHOST, "main.test"), refused);
    scene.served(OTHER, "main.test");
    scene.served(ONE, "open.test");
    assert_eq!(scene.metric("route_client_denied"), 2);
}

#[test]
fn a_route_that_passes_through_denies_before_a_byte_reaches_its_backend() {
    let backend = ByHand::new();
    let pki = Pki::new();
    pki.write("certs", "main", &["open.test"], Key::P256, &Extra::default());
    fs::write(pki.folder().join("drop.txt"), LISTED).unwrap();
    let hello = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hellos/openssl.bin")).unwrap();
    let route = format!("mode = \"passthrough\"\ndeny_file = \"drop.txt\"\ndeny_ja4 = {:?}", ja4(&hello));
    let proxy = Proxy::start(pki.folder(), &text("", &route, &backend.address.to_string()));
    let scene = Scene { proxy, pki };
    let address = scene.proxy.address("main");
    let mut denied = connect_from(ONE, address);
    assert_eq!(scene.refused_with(&mut denied, &hello), (Some(ACCESS_DENIED), "route_ja4_denied".to_owned()));
    let mut client = scene.client(ONE, "pass.test");
    let other = client.flight();
    assert_eq!(scene.refused_with(&mut client.tcp, &other), (Some(ACCESS_DENIED), "route_client_denied".to_owned()));
    assert!(backend.is_untouched());
    let mut fine = connect_from(OTHER, address);
    fine.write_all(&other).unwrap();
    drop(backend.accept());
}

#[test]
fn behind_a_proxy_the_client_in_the_header_is_the_one_that_counts() {
    let listener = "proxy_protocol = \"require\"\ntrusted_proxies = \"127.0.0.0/8\"";
    let scene = Scene::open(listener, "deny = \"192.0.2.1\"");
    let with_header = |header: &[u8]| {
        let mut client = scene.client(ONE, "main.test");
        let hello = client.flight();
        client.tcp.write_all(&[header, &hello].concat()).unwrap();
        client
    };
    let mut denied = with_header(b"PROXY TCP4 192.0.2.1 192.0.2.9 50000 443\r\n");
    drain(&mut denied.tcp);
    let record = scene.proxy.record(|record| record["client.address"] == "192.0.2.1");
    assert_eq!((&record["outcome"], &record["route"]), (&json!("route_client_denied"), &json!("app")), "{record:#}");
    with_header(b"PROXY TCP4 192.0.2.2 192.0.2.9 50000 443\r\n").handshake().unwrap();
}

#[test]
fn a_route_has_places_of_its_own_and_gives_them_back() {
    let scene = Scene::open("", "max_connections = 2\nmax_connections_per_client = 1");
    let first = scene.served(ONE, "main.test");
    assert_eq!(scene.refused(ONE, "main.test"), (Some(INTERNAL_ERROR), "route_client_connection_limit".to_owned()));
    let second = scene.served(OTHER, "main.test");
    let third = Ipv4Addr::new(127, 0, 5, 3);
    assert_eq!(scene.refused(third, "main.test"), (Some(INTERNAL_ERROR), "route_connection_limit".to_owned()));
    scene.served(third, "open.test");
    assert_eq!(scene.limits(), json!({ "max_connections": 2, "connections_active": 2, "clients_blocked": 0 }));
    // A reload keeps the count.
    let path = scene.pki.folder().join("tlsgate.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("max_connections = 2", "max_connections = 3")).unwrap();
    assert_eq!(scene.door().ask("POST", "/api/v1/reload", &[], "").status, 200);
    assert_eq!(scene.limits()["connections_active"], 2);
    let fourth = scene.served(third, "main.test");
    drop((first, second, fourth));
    eventually("all places are free", || (scene.limits()["connections_active"] == 0).then_some(()));
    scene.served(ONE, "main.test");
    assert_eq!((scene.metric("route_connection_limit"), scene.metric("route_client_connection_limit")), (1, 1));
}

#[test]
fn a_route_has_rates_of_its_own() {
    let route =
        "connection_rate = { rate = \"3/h\", burst = 3 }\nconnection_rate_per_client = { rate = \"1/h\", burst = 2 }";
    let scene = Scene::open("", route);
    (0..2).for_each(|_| drop(scene.served(ONE, "main.test")));
    assert_eq!(scene.refused(ONE, "main.test"), (Some(INTERNAL_ERROR), "route_client_connection_rate".to_owned()));
    scene.served(OTHER, "main.test");
    assert_eq!(scene.refused(OTHER, "main.test"), (Some(INTERNAL_ERROR), "route_connection_rate".to_owned()));
    scene.served(ONE, "open.test");
}

#[test]
fn handshakes_that_fail_on_a_route_block_a_client_there_and_nowhere_else() {
    let route = "handshake_failures = { limit = 2, window = \"1h\", block = \"1h\" }\npolicy = \"TLS13-1-3-2021-06\"";
    let scene = Scene::open("", route);
    for _ in 0..3 {
        let config = Arc::new(trusting(&scene.pki.ca(), Tls::V12));
        let mut client = Client::on(connect_from(ONE, scene.proxy.address("main")), &config, "main.test");
        let hello = client.flight();
        assert_eq!(scene.refused_with(&mut client.tcp, &hello).1, "no_common_version");
    }
    assert_eq!(scene.refused(ONE, "main.test"), (Some(ACCESS_DENIED), "route_client_blocked".to_owned()));
    assert_eq!(scene.limits()["clients_blocked"], 1);
    scene.served(OTHER, "main.test");
    scene.served(ONE, "open.test");
}

#[test]
fn explain_names_the_rule_that_refuses_a_client() {
    let scene = Scene::open("deny = \"127.0.9.0/24\"", "deny_file = \"drop.txt\"");
    let ask = |from: &str, name: &str| {
        let answer = scene.door().get(&format!("/api/v1/explain?sni={name}&from={from}")).json();
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        (text("result"), text("reason"), text("alert"))
    };
    let refused = |reason: &str, alert: &str| ("refused".to_owned(), reason.to_owned(), alert.to_owned());
    assert_eq!(ask("127.0.9.7", "open.test"), refused("its address is denied by the listener (allow, deny)", ""));
    let by_route = refused("its address is denied by the route (allow, deny)", "access_denied");
    assert_eq!(ask("127.0.5.1", "main.test"), by_route);
    assert_eq!(ask("127.0.5.1", "open.test").0, "served");
    assert_eq!(ask("127.0.5.2", "main.test").0, "served");
    assert_eq!(scene.door().get("/api/v1/explain?from=here").status, 422);
    let config = scene.pki.folder().join("tlsgate.toml");
    let arguments = ["explain", "--sni", "main.test", "--from", "127.0.5.1", "-c"];
    let output = Command::new(PROGRAM).args(arguments).arg(config).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.code() == Some(1) && printed.contains("REFUSED      its address is denied by the route"),
        "{printed}"
    );
}
