//! The door for health checks and metrics: what it serves, that nothing can be changed there, and that it and the API do not
//! hold up each other.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use super::crowds::Slowest;
use super::{BEARER, JSON, Scene, configured};
use crate::process::upgrade::Successor;
use crate::support::http::{Door, Response};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

const BOTH: &str = "listen=\"127.0.0.1:0\"\ntoken_file=\"token\"\nprobes=\"127.0.0.1:0\"";
const PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

fn door(proxy: &Proxy) -> Door {
    let line = proxy.log_line("probes listening address=");
    let address = line.split_once("address=").unwrap().1.trim();
    match address.strip_prefix("unix:") {
        Some(path) => Door::Unix(path.into()),
        None => Door::Tcp(address.parse().unwrap()),
    }
}

/// The number of connections at a door, in the metrics of the other one.
fn connections(metrics: &Door, name: &str) -> u64 {
    let text = metrics.get("/metrics").body;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().parse().unwrap()
}

#[test]
fn it_serves_health_and_metrics_and_nothing_else() {
    let scene = Scene::new(BOTH);
    let probes = door(&scene.proxy);
    for path in PATHS {
        assert_eq!(probes.get(path).status, 200, "{path}");
        let head = probes.ask("HEAD", path, &[], "");
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            let answer = probes.ask(method, path, &[BEARER, JSON], "{}");
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.head.contains("allow: get, head"), "{answer:?}");
        }
    }
    assert!(probes.get("/metrics").body.contains("tlsgate_admin_probes_connections 1"));
    let before = scene.state();
    for path in ["/", "/healthz", "/livez/", "//livez", "/api/v1/status", "/api/v1/config", "/api/v1/openapi.json"] {
        let answer = probes.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.error().contains("/livez, /readyz or /metrics"), "{answer:?}");
    }
    for (method, path) in
        [("POST", "/api/v1/reload"), ("POST", "/api/v1/drain"), ("DELETE", "/api/v1/listeners/main/certificates/a")]
    {
        assert_eq!(probes.ask(method, path, &[BEARER, JSON], "").status, 404, "{path}");
    }
    assert_eq!(scene.state(), before);
    assert_eq!(scene.door.get("/api/v1/status").json()["draining"], false);
}

#[test]
fn only_its_metrics_are_for_who_knows_its_name() {
    let scene = Scene::new(&format!("{BOTH}\nhosts=\"tlsgate\""));
    let probes = door(&scene.proxy);
    let ask = |path: &str, host: &str| probes.ask("GET", path, &[("Host", host)], "").status;
    for host in ["evil.test", "10.0.0.1", ""] {
        assert_eq!((ask("/livez", host), ask("/readyz", host), ask("/metrics", host)), (200, 200, 421), "{host}");
    }
    for host in ["tlsgate:9901", "localhost", "127.0.0.1:1"] {
        assert_eq!(ask("/metrics", host), 200, "{host}");
    }
    let line = scene.proxy.log_line("the admin API refused a request");
    assert!(line.contains("reason=\"host\"") && line.contains("/metrics"), "{line}");
}

#[test]
fn what_is_too_long_is_refused_there_and_requests_may_follow_each_other() {
    let scene = Scene::new(BOTH);
    let probes = door(&scene.proxy);
    let mut stream = probes.connect();
    // The answer may arrive, or the connection may be cut while the client still sends.
    let _ = stream
        .write_all(format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(probes.ask("GET", "/livez", &[], &"x".repeat(2 << 20)).status, 413);
    assert_eq!(probes.raw(b"GARBAGE\r\n\r\n").status, 400);
    let mut stream = probes.connect();
    let requests = PATHS.map(|path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"));
    stream
        .write_all(format!("{}\r\n{}\r\n{}Connection: close\r\n\r\n", requests[0], requests[1], requests[2]).as_bytes())
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
}

#[test]
fn it_may_be_a_unix_socket_and_the_only_door() {
    let scene = Scene::new("listen=\"unix:admin.sock\"\nprobes=\"unix:probes.sock\"\nsocket_mode=\"0660\"");
    let probes = door(&scene.proxy);
    assert_eq!(probes.get("/readyz").status, 200);
    let mode = fs::metadata(scene.path("probes.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    // Whoever may open this socket may not change anything for that.
    assert_eq!(probes.ask("POST", "/api/v1/drain", &[], "").status, 404);
    let alone = configured(&scene.backend, "probes=\"127.0.0.1:0\"", "certificates = [\"certs\"]", "");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("certs")).unwrap();
    for file in ["a.crt", "a.key"] {
        fs::copy(scene.path("certs").join(file), folder.path().join("certs").join(file)).unwrap();
    }
    let proxy = Proxy::start(folder.path(), &alone);
    let probes = door(&proxy);
    eventually("it is ready", || (probes.get("/readyz").status == 200).then_some(()));
    assert!(!proxy.log().contains("admin API listening"));
}

#[test]
fn neither_door_is_held_up_by_the_clients_of_the_other() {
    let scene = Scene::new(BOTH);
    let probes = door(&scene.proxy);
    let held = |door: &Door, count: usize, sent: &str| -> Vec<_> {
        let held = (0..count).map(|_| {
            let mut stream = door.connect();
            stream.write_all(sent.as_bytes()).unwrap();
            stream
        });
        held.collect()
    };
    let deaf = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(40);
    for sent in ["", "GET /livez HT", &deaf] {
        for (crowded, other, paths, name) in [
            (&scene.door, &probes, &PATHS[..], "tlsgate_admin_connections"),
            (
                &probes,
                &scene.door,
                &["/livez", "/readyz", "/metrics", "/api/v1/status"],
                "tlsgate_admin_probes_connections",
            ),
        ] {
            let clients = held(crowded, 300, sent);
            for path in paths {
                assert_eq!(other.get(path).status, 200, "{path} beside {sent:?}");
            }
            // And the door itself still answers those who ask.
            assert_eq!(crowded.get("/livez").status, 200, "beside {sent:?}");
            drop(clients);
            eventually("the places are free", || (connections(other, name) == 0).then_some(()));
        }
    }
}

#[test]
fn a_thousand_silent_or_deaf_connections_keep_no_probe_out() {
    let scene = Scene::new(BOTH);
    let probes = door(&scene.proxy);
    let deaf = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(40);
    let mut slowest = Slowest::default();
    for (count, sent) in [(64, ""), (1000, ""), (64, &*deaf), (1000, &*deaf)] {
        let mut clients = Vec::new();
        for at in 0..count {
            let mut stream = probes.connect();
            // One that has to leave may be gone already.
            let _ = stream.write_all(sent.as_bytes());
            clients.push(stream);
            if at % 50 == 0 {
                assert_eq!(slowest.of(|| probes.get("/livez").status), 200, "among {at}");
            }
        }
        for path in PATHS {
            assert_eq!(slowest.of(|| probes.get(path).status), 200, "{path} beside {count}");
        }
    }
    println!("{slowest}");
}

#[test]
fn it_is_handed_over_with_the_others() {
    let mut scene = Scene::new(BOTH);
    let probes = door(&scene.proxy);
    assert_eq!(probes.get("/readyz").status, 200);
    let _successor = Successor::of(&scene.proxy);
    assert_eq!(scene.proxy.ended().code(), Some(0));
    for path in PATHS {
        assert_eq!(probes.get(path).status, 200, "{path}");
    }
    assert_eq!(scene.door.get("/livez").status, 200);
}

#[test]
fn where_it_listens_changes_at_the_next_start() {
    let scene = Scene::new(BOTH);
    let probes = door(&scene.proxy);
    let admin = "listen=\"127.0.0.1:0\"\ntoken_file=\"token\"\nprobes=\"unix:elsewhere.sock\"";
    fs::write(scene.path("tlsgate.toml"), super::config(&scene.backend, admin, "")).unwrap();
    scene.proxy.log_line("take effect at the next start");
    assert!(!scene.path("elsewhere.sock").exists());
    assert_eq!(probes.get("/livez").status, 200);
    assert_eq!(scene.door.get("/api/v1/config").json()["admin"]["probes"], "127.0.0.1:0");
    let mut stream = probes.connect();
    stream.write_all(b"GET /livez HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(Response::read(stream).status, 200, "a client that names no host is served");
}
