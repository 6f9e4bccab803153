//! Sockets that systemd passes: all that have the name are used, whatever their kind; they outlive reloads and upgrades.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use super::activated;
use crate::process::upgrade::Successor;
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{NAME, certified};
use crate::support::tool;

/// A configuration with a listener for each text of `listeners`, and the admin server on sockets that are passed.
fn config(backend: &Backend, listeners: &[&str]) -> String {
    let mut text = "[admin]\nlisten = \"systemd:admin\"\n".to_owned();
    for (number, lines) in listeners.iter().enumerate() {
        text += &format!("[[listener]]\nname = \"l{number}\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n{lines}\n");
    }
    text + &format!("[backend.b]\nservers = [\"{}\"]\n", backend.address)
}

fn trust(pki: &Pki) -> Arc<ClientConfig> {
    trusting(&pki.ca(), Tls::V13).into()
}

fn echoes(pki: &Pki, address: SocketAddr) {
    let mut client = Client::silent(address, &trust(pki), NAME);
    client.handshake().unwrap();
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping");
}

fn echoes_at(pki: &Pki, path: &Path) {
    let connection = ClientConnection::new(trust(pki), ServerName::try_from(NAME).unwrap()).unwrap();
    let mut client = StreamOwned::new(connection, UnixStream::connect(path).unwrap());
    client.write_all(b"ping").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
}

fn door(pki: &Pki) -> Door {
    Door::unix(pki.folder())
}

/// Where each listener listens, as the API shows it.
fn addresses(door: &Door) -> Vec<Vec<String>> {
    let listeners = door.get("/api/v1/listeners").json();
    let of = |listener: &Value| serde_json::from_value(listener["addresses"].clone()).unwrap();
    listeners["listeners"].as_array().unwrap().iter().map(of).collect()
}

fn port(door: &Door, listener: usize, prefix: &str) -> u16 {
    let all = addresses(door);
    let found = all[listener].iter().find_map(|address| address.strip_prefix(prefix)?.parse().ok());
    found.unwrap_or_else(|| panic!("no {prefix} in {all:?}"))
}

#[test]
fn every_socket_of_a_name_is_used_and_shown_where_it_really_listens() {
    let (pki, backend) = (certified(), Backend::echo());
    let path = |name: &str| pki.folder().join(name).to_str().unwrap().to_owned();
    let limited = "listen = \"systemd:web\"\nallow = [\"127.0.0.1\"]";
    let proxied = "listen = \"systemd:proxied\"\nproxy_protocol = \"require\"\ntrusted_proxies = [\"127.0.0.1\"]";
    let text = config(&backend, &["listen = [\"systemd:ldaps\", \"127.0.0.1:0\"]", limited, proxied]);
    let sockets = [
        "proxied=tcp:127.0.0.1:0".to_owned(),
        "ldaps=tcp:127.0.0.1:0".to_owned(),
        "web=both:0".to_owned(),
        "ldaps=tcp:[::1]:0".to_owned(),
        format!("ldaps=unix:{}", path("ldaps.sock")),
        format!("admin=unix:{}", path("admin.sock")),
        "admin=tcp:127.0.0.1:0".to_owned(),
    ];
    let mut proxy = activated(&pki, &text, &sockets.each_ref().map(String::as_str), 5).unwrap();
    let ours = pki.folder().join("ldaps.sock");
    fs::set_permissions(&ours, PermissionsExt::from_mode(0o622)).unwrap();
    let state = || fs::metadata(&ours).map(|found| (found.ino(), found.mode() & 0o777)).unwrap();
    let before = state();
    let door = door(&pki);
    let shown = addresses(&door);
    assert_eq!(shown.iter().map(Vec::len).collect::<Vec<_>>(), [4, 1, 1], "{shown:?}");
    assert!(shown[0].contains(&format!("unix:{}", ours.display())), "{shown:?}");
    // All that begin with 127.0.0.1: one is passed, one is bound here.
    for address in shown[0].iter().filter_map(|address| address.parse().ok()) {
        echoes(&pki, address);
    }
    echoes_at(&pki, &ours);
    let record = proxy.record(|record| record["client.address"].as_str().is_some_and(|at| at.starts_with("unix:")));
    assert_eq!(record["client.address"], format!("unix:{}", ours.display()));
    // A client of a socket for both families counts as what it is.
    let both = port(&door, 1, "[::]:");
    echoes(&pki, (Ipv4Addr::LOCALHOST, both).into());
    let record = proxy.record(|record| record["listener"] == "l1");
    assert_eq!(record["client.address"], "127.0.0.1");
    let mut refused = Client::silent((Ipv6Addr::LOCALHOST, both).into(), &trust(&pki), NAME);
    assert!(refused.handshake().is_err(), "only 127.0.0.1 is allowed");
    let mut proxied = Client::silent(shown[2][0].parse().unwrap(), &trust(&pki), NAME);
    proxied.tcp.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 636\r\n").unwrap();
    proxied.handshake().unwrap();
    drop(proxied);
    assert_eq!(proxy.record(|record| record["client.port"] == 4711)["client.address"], "192.0.2.7");
    let admin = proxy.log_line("admin API listening address=127.0.0.1:");
    let admin: SocketAddr = admin.rsplit_once("address=").unwrap().1.trim().parse().unwrap();
    assert_eq!(Door::Tcp(admin).get("/readyz").status, 200);
    assert_eq!(Door::Tcp(admin).ask("POST", "/api/v1/reload", &[], "").status, 403, "TCP needs a token");
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(state(), before, "the file is systemd's: neither removed nor changed");
}

#[test]
fn tls_and_probes_of_the_admin_server_work_on_sockets_that_are_passed() {
    let (pki, backend) = (certified(), Backend::echo());
    pki.write("own", "o", &["127.0.0.1"], Key::P256, &Extra::default());
    let text = config(&backend, &["listen = \"127.0.0.1:0\""]).replacen(
        "listen = \"systemd:admin\"\n",
        "listen = \"systemd:admin\"\nprobes = \"systemd:probes\"\ntls = { certificates = [\"own\"] }\n",
        1,
    );
    let path = |name: &str| format!("unix:{}", pki.folder().join(name).display());
    let (admin, probes) = (format!("admin={}", path("admin.sock")), format!("probes={}", path("probes.sock")));
    let sockets = ["admin=tcp:127.0.0.1:0", &admin, "probes=tcp:127.0.0.1:0", &probes];
    let proxy = activated(&pki, &text, &sockets, 1).unwrap();
    let at = |what: &str| -> SocketAddr {
        let line = proxy.log_line(&format!("{what} listening address=127.0.0.1:"));
        line.rsplit_once("address=").unwrap().1.trim().parse().unwrap()
    };
    let (admin, probes) = (at("admin API"), at("probes"));
    let ca = pki.ca();
    let asked = |url: &str| {
        let arguments = ["-sS", "--cacert", ca.to_str().unwrap(), "-o", "/dev/null", "-w", "%{http_code}", url];
        String::from_utf8(tool::run("curl", &arguments, b"").stdout).unwrap()
    };
    assert_eq!(asked(&format!("https://{admin}/api/v1/listeners")), "200");
    assert_eq!(asked(&format!("http://{admin}/livez")), "400", "without TLS");
    // The permissions of a Unix socket decide, so it has no TLS.
    assert_eq!(door(&pki).ask("POST", "/api/v1/reload", &[], "").status, 200);
    for probes in [Door::Tcp(probes), Door::Unix(pki.folder().join("probes.sock"))] {
        assert_eq!(probes.get("/livez").status, 200);
        assert_eq!(probes.get("/metrics").status, 200);
        assert_eq!(probes.get("/api/v1/listeners").status, 404);
    }
}

#[test]
fn challenges_are_answered_on_sockets_that_are_passed() {
    let (pki, backend) = (certified(), Backend::echo());
    let acme = "[state]\ndirectory = \"state\"\n[acme.inside]\ndirectory = \"https://127.0.0.1:1/directory\"\n\
                http = \"systemd:http\"\n";
    let text = format!("{acme}{}", config(&backend, &["listen = \"127.0.0.1:0\""]));
    let admin = format!("admin=unix:{}", pki.folder().join("admin.sock").display());
    let proxy = activated(&pki, &text, &["http=tcp:127.0.0.1:0", &admin, "http=both:0"], 1).unwrap();
    let lines = || proxy.log().lines().filter(|line| line.contains("answering http-01")).count();
    eventually("both answer", || (lines() == 2).then_some(()));
    for line in proxy.log().lines().filter(|line| line.contains("answering http-01")) {
        let mut address: SocketAddr = line.rsplit_once("address=").unwrap().1.trim().parse().unwrap();
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let answer = Door::Tcp(address).ask("GET", "/x", &[("Host", "a.test")], "");
        assert_eq!(answer.status, 308, "{answer:?}");
    }
}

#[test]
fn what_was_not_passed_or_cannot_be_used_is_named() {
    let (pki, backend) = (certified(), Backend::echo());
    let listener =
        config(&backend, &["listen = \"systemd:ldaps\""]).replace("[admin]\nlisten = \"systemd:admin\"\n", "");
    let refused = |sockets: &[&str]| activated(&pki, &listener, sockets, 1).err().unwrap();
    let log = refused(&["web=tcp:127.0.0.1:0", "metrics=tcp:127.0.0.1:0"]);
    let key = "listener \"l0\": listen: cannot listen on systemd:ldaps:";
    assert!(log.contains(key), "{log}");
    assert!(log.contains("\"metrics\", \"web\"") && log.contains("FileDescriptorName=ldaps"), "{log}");
    for (socket, found) in [
        ("ldaps=udp:127.0.0.1:0", "datagram"),
        ("ldaps=connected:", "does not listen"),
        ("ldaps=file:", "descriptor 3"),
    ] {
        let log = refused(&[socket]);
        assert!(log.contains("\"ldaps\"") && log.contains(found), "{socket}: {log}");
    }
    // Passed to another process, from which this one has only inherited the environment.
    let path = pki.folder().join("tlsgate.toml");
    let mut command = super::activator(&["ldaps=tcp:127.0.0.1:0"]);
    command.env("TEST_LISTEN_PID", "1").args([PROGRAM, "run", "-c"]).arg(&path);
    let log = Proxy::spawn(command, 1).err().unwrap();
    assert!(log.contains("has passed no socket"), "{log}");
    // A check is about the file: it does not need systemd.
    let checked = tool::run(PROGRAM, &["check", "--strict", "-c", path.to_str().unwrap()], b"");
    assert!(checked.status.success(), "{}", tool::shown(&checked));
    // For the admin server the same.
    let admin = config(&backend, &["listen = \"systemd:ldaps\""]);
    let log = activated(&pki, &admin, &["ldaps=tcp:127.0.0.1:0"], 2).err().unwrap();
    let expected = "admin: listen: cannot listen on systemd:admin: systemd has passed \"ldaps\"";
    assert!(log.contains(expected), "{log}");
    // A verb that has to reach it cannot know where it is.
    let asked = tool::run(PROGRAM, &["reload", "-c", path.to_str().unwrap()], b"");
    assert!(!asked.status.success() && tool::shown(&asked).contains("--admin"), "{}", tool::shown(&asked));
}

#[test]
fn a_reload_gives_a_socket_up_and_takes_it_again_and_clients_wait_meanwhile() {
    let (pki, backend) = (certified(), Backend::echo());
    let first = config(&backend, &["listen = \"127.0.0.1:0\"", "listen = \"systemd:ldaps\""]);
    let second = config(&backend, &["listen = \"127.0.0.1:0\""]);
    let admin = format!("admin=unix:{}", pki.folder().join("admin.sock").display());
    let proxy = activated(&pki, &first, &["ldaps=tcp:127.0.0.1:0", &admin, "other=tcp:127.0.0.1:0"], 2).unwrap();
    assert!(proxy.log_line("no key names").contains("\"other\" (127.0.0.1:"));
    let door = door(&pki);
    let address = (Ipv4Addr::LOCALHOST, port(&door, 1, "127.0.0.1:")).into();
    echoes(&pki, address);
    let reload = |text: &str| {
        fs::write(pki.folder().join("tlsgate.toml"), text).unwrap();
        assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    };
    reload(&second);
    assert!(proxy.log_line("\"ldaps\" (127.0.0.1:").contains("\"other\""));
    // It is in the queue of the kernel, which nobody empties.
    let mut waits = Client::silent(address, &trust(&pki), NAME);
    reload(&first);
    waits.handshake().unwrap();
    waits.send(b"ping").unwrap();
    assert_eq!(waits.read_exact(4), b"ping");
    echoes(&pki, address);
}

#[test]
fn an_upgrade_hands_over_every_socket_and_no_variable() {
    let (pki, backend) = (certified(), Backend::echo());
    let first = config(&backend, &["listen = [\"systemd:ldaps\", \"127.0.0.1:0\"]"]);
    let unix = format!("ldaps=unix:{}", pki.folder().join("ldaps.sock").display());
    let admin = format!("admin=unix:{}", pki.folder().join("admin.sock").display());
    let sockets = ["ldaps=tcp:127.0.0.1:0", &admin, "other=tcp:127.0.0.1:0", &unix];
    let mut proxy = activated(&pki, &first, &sockets, 2).unwrap();
    let shown = addresses(&door(&pki));
    let successor = Successor::of(&proxy);
    assert_eq!(proxy.ended().code(), Some(0));
    let door = door(&pki);
    assert_eq!(door.get("/api/v1/status").json()["pid"].to_string(), successor.pid());
    assert_eq!(addresses(&door), shown);
    for address in shown[0].iter().filter_map(|address| address.parse().ok()) {
        echoes(&pki, address);
    }
    echoes_at(&pki, &pki.folder().join("ldaps.sock"));
    // Also what no key has named until now.
    let second = config(&backend, &["listen = [\"systemd:ldaps\", \"127.0.0.1:0\"]", "listen = \"systemd:other\""]);
    fs::write(pki.folder().join("tlsgate.toml"), second).unwrap();
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    echoes(&pki, (Ipv4Addr::LOCALHOST, port(&door, 1, "127.0.0.1:")).into());
    let environment = fs::read(format!("/proc/{}/environ", successor.pid())).unwrap();
    let names: Vec<_> = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    assert!(names.iter().any(|one| one.starts_with("PATH=")), "{names:?}");
    assert!(!names.iter().any(|one| one.starts_with("LISTEN_")), "{names:?}");
}
