//! Several backends share the connections of a route: by weights, which an operator changes while clients connect.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{config, pki};
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, connect_from, trusting};
use crate::support::http::Door;
use crate::support::pki::Pki;
use crate::support::proxy::{PROGRAM, Proxy};

mod handed;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const SPLIT: &str = "backends = [{ backend = \"blue\", weight = 95 }, { backend = \"green\", weight = 5 }]";
const ROUTE: &str = "/api/v1/listeners/main/routes/app/weights";

/// Sends one letter to who connects, and reads to the end.
fn letter(letter: u8) -> Backend {
    Backend::start(move |mut stream| {
        stream.write_all(&[letter])?;
        std::io::copy(&mut stream, &mut std::io::sink())
    })
}

/// A proxy with an admin socket and one route, `app`, for all names.
struct Scene {
    proxy: Proxy,
    pki: Pki,
    door: Door,
}

impl Scene {
    fn open(route: &str, more: &str, servers: [SocketAddr; 2]) -> Self {
        let pki = pki();
        let proxy = Proxy::start(pki.folder(), &text(route, more, servers));
        let door = Door::unix(pki.folder());
        Self { proxy, pki, door }
    }

    fn set(&self, blue: u32, green: u32) -> Value {
        let body = json!({ "weights": { "blue": blue, "green": green } }).to_string();
        let answer = self.door.ask("PUT", ROUTE, &[JSON], &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn reload(&self, route: &str, more: &str, servers: [SocketAddr; 2]) {
        fs::write(self.pki.folder().join("tlsgate.toml"), text(route, more, servers)).unwrap();
        let answer = self.door.ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn weights(&self) -> Vec<u64> {
        let shown = self.door.get("/api/v1/listeners").json();
        let backends = shown["listeners"][0]["routes"][0]["backends"].as_array().unwrap().clone();
        backends.iter().map(|one| one["weight"].as_u64().unwrap()).collect()
    }

    /// The backend's letter, of a client whose TLS ends here.
    fn asks(&self, from: Ipv4Addr) -> Vec<u8> {
        let config = Arc::new(trusting(&self.pki.ca(), Tls::V13));
        let mut client = Client::on(connect_from(from, self.proxy.address("main")), &config, "main.test");
        client.handshake().unwrap();
        let got = client.read_exact(1);
        client.close_notify().unwrap();
        client.read_to_end();
        got
    }
}

fn text(route: &str, more: &str, [blue, green]: [SocketAddr; 2]) -> String {
    // Where TLS is passed through, nothing would use certificates.
    let own = if route.contains("passthrough") { "" } else { "certificates = [\"certs\"]" };
    let route = format!("name = \"app\"\nserver_names = [\"main.test\", \"pass.test\"]\n{own}\n{route}");
    let text = config("mode = \"reject\"", &[&route], &[("blue", blue), ("green", green)]);
    format!("[admin]\nlisten=\"unix:admin.sock\"\n{more}{text}")
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_split_of_95_to_5_is_that_within_its_confidence_and_shifts_without_a_failed_connection() {
    const CONNECTIONS: usize = 20_000;
    const THREADS: usize = 4;
    let (blue, green) = (letter(b'b'), letter(b'g'));
    // Passed through, so that signatures are no part of the time.
    let route = format!("mode = \"passthrough\"\n{SPLIT}");
    let scene = Scene::open(&route, "[log]\naccess = \"off\"\n", [blue.address, green.address]);
    let hello = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hellos/openssl.bin")).unwrap();
    let next = AtomicUsize::new(0);
    // Counts the answers of that many clients; one without an answer ends the test.
    let connect = |count: usize, greens: &AtomicUsize| {
        for _ in 0..count {
            // From many addresses: the ports of one are too few.
            let source = 2 + next.fetch_add(1, Ordering::Relaxed) % 200;
            let source = Ipv4Addr::new(127, 0, 3, u8::try_from(source).unwrap());
            let mut client = connect_from(source, scene.proxy.address("main"));
            client.write_all(&hello).unwrap();
            let mut got = [0];
            client.read_exact(&mut got).unwrap();
            assert!(matches!(got, [b'b' | b'g']), "{got:?}");
            greens.fetch_add(usize::from(got == [b'g']), Ordering::Relaxed);
        }
    };
    let greens_of = |count: usize| {
        let greens = AtomicUsize::new(0);
        thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(|| connect(count / THREADS, &greens)))));
        greens.into_inner()
    };
    let greens = greens_of(CONNECTIONS);
    println!("{greens} of {CONNECTIONS} for 5 of 100");
    // Five times the standard deviation of a binomial distribution: sqrt(20000 * 0.05 * 0.95) = 30.8.
    assert!(greens.abs_diff(1000) <= 154, "{greens} of {CONNECTIONS}");
    // It shifts while clients connect.
    let greens = AtomicUsize::new(0);
    thread::scope(|scope| {
        (0..THREADS).for_each(|_| drop(scope.spawn(|| connect(500, &greens))));
        for weight in [10, 25, 50, 75, 100] {
            scene.set(100 - weight, weight);
        }
    });
    assert_eq!(greens_of(400), 400, "after the last change nothing reaches the first backend");
    assert_eq!(scene.set(1, 1)["was"], json!({ "blue": 0, "green": 100 }));
    let greens = greens_of(2000);
    assert!(greens.abs_diff(1000) <= 112, "{greens} of 2000");
    scene.proxy.log_line("weights={\"blue\":1,\"green\":1} was={\"blue\":0,\"green\":100}");
}

#[test]
fn the_log_and_explain_name_the_backend_with_its_labels() {
    let (blue, green) = (letter(b'b'), letter(b'g'));
    let scene = Scene::open(
        &format!("labels = {{ team = \"app\", lane = \"none\" }}\n{SPLIT}"),
        "",
        [blue.address, green.address],
    );
    let labelled =
        |text: String| text.replace("[backend.green]\n", "[backend.green]\nlabels = { lane = \"canary\" }\n");
    let path = scene.pki.folder().join("tlsgate.toml");
    fs::write(&path, labelled(fs::read_to_string(&path).unwrap())).unwrap();
    assert_eq!(scene.door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    for (weights, letter, backend, lane) in [((1, 0), b"b", "blue", "none"), ((0, 1), b"g", "green", "canary")] {
        scene.set(weights.0, weights.1);
        assert_eq!(scene.asks(Ipv4Addr::LOCALHOST), letter);
        let record = scene.proxy.record(|record| record["backend"] == backend);
        assert_eq!((&record["route"], &record["outcome"]), (&json!("app"), &json!("completed")), "{record:#}");
        assert_eq!(record["labels"], json!({ "team": "app", "lane": lane }), "{record:#}");
    }
    let explained = scene.door.get("/api/v1/explain?sni=main.test").json();
    let backends = json!([{ "backend": "blue", "weight": 0 }, { "backend": "green", "weight": 1 }]);
    assert_eq!((&explained["route"]["backend"], &explained["route"]["backends"]), (&Value::Null, &backends));
    let output = Command::new(PROGRAM).args(["explain", "--sni", "main.test", "-c"]).arg(&path).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("app: terminate, backends blue 95%, green 5%\n"), "{printed}");
}

#[test]
fn a_backend_that_cannot_be_reached_or_is_taken_out_loses_no_connection() {
    let blue = letter(b'b');
    let scene = Scene::open(SPLIT, "", [blue.address, nobody()]);
    scene.set(1, 1000);
    for _ in 0..20 {
        assert_eq!(scene.asks(Ipv4Addr::LOCALHOST), b"b");
    }
    let records = scene.proxy.records(20);
    assert!(records.iter().all(|record| record["backend"] == "blue" && record["outcome"] == "completed"));
    let metrics = scene.door.get("/metrics").body;
    assert!(metrics.contains("tlsgate_backend_connect_failures_total{backend=\"green\""), "{metrics}");
    // With no weight it is not a way out.
    scene.set(0, 1);
    let config = Arc::new(trusting(&scene.pki.ca(), Tls::V13));
    let mut client = Client::silent(scene.proxy.address("main"), &config, "main.test");
    client.handshake().unwrap();
    assert_eq!(client.read_to_end().0, b"");
    let record = scene.proxy.record(|record| record["outcome"] == "backend_unreachable");
    assert_eq!(record["backend"], "green");
}

#[test]
fn where_all_backends_go_by_the_clients_address_so_does_the_choice_among_them() {
    let (blue, green) = (letter(b'b'), letter(b'g'));
    let route = "backends = [\"blue\", \"green\"]";
    let scene = Scene::open(route, "", [blue.address, green.address]);
    let path = scene.pki.folder().join("tlsgate.toml");
    let text =
        fs::read_to_string(&path).unwrap().replace("connect_attempts", "balance = \"source_ip\"\nconnect_attempts");
    fs::write(&path, text).unwrap();
    assert_eq!(scene.door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    for client in 1..=24 {
        let from = Ipv4Addr::new(127, 0, 4, client);
        let first = scene.asks(from);
        assert!((0..3).all(|_| scene.asks(from) == first), "{from}");
        *places.entry(first).or_default() += 1;
    }
    assert_eq!(places.len(), 2, "{places:?}");
}

#[test]
fn weights_outlive_a_reload_until_the_file_has_others() {
    let (blue, green) = (letter(b'b'), letter(b'g'));
    let servers = [blue.address, green.address];
    let scene = Scene::open(SPLIT, "", servers);
    assert_eq!(scene.weights(), [95, 5]);
    scene.set(10, 90);
    scene.reload(&format!("max_connection_age = \"1h\"\n{SPLIT}"), "", servers);
    assert_eq!(scene.weights(), [10, 90]);
    scene.reload(&SPLIT.replace("95", "94"), "", servers);
    assert_eq!(scene.weights(), [94, 5]);
    scene.proxy.log_line("backends = [{ backend = \"blue\", weight = 94 }, { backend = \"green\", weight = 5 }] (was ");
}

#[test]
fn weights_that_cannot_be_set_are_refused_with_the_reason() {
    let (blue, green) = (letter(b'b'), letter(b'g'));
    let scene = Scene::open(SPLIT, "", [blue.address, green.address]);
    let right = "{\"weights\":{\"blue\":1,\"green\":1}}";
    let cases: &[(&str, &[(&str, &str)], &str, u16, &str)] = &[
        (ROUTE, &[JSON], "", 400, "unexpected body"),
        (ROUTE, &[JSON], "{\"weights\":{\"blue\":1}}", 400, "no weight for \"green\""),
        (ROUTE, &[JSON], "{\"weights\":{\"blue\":1,\"green\":1,\"red\":1}}", 400, "no backend \"red\""),
        (ROUTE, &[JSON], "{\"weights\":{\"blue\":0,\"green\":0}}", 400, "every weight is 0"),
        (ROUTE, &[JSON], "{\"weights\":{\"blue\":1001,\"green\":0}}", 400, "found 1001"),
        (ROUTE, &[JSON], "{\"weights\":{\"blue\":0.5,\"green\":0}}", 400, "found 0.5"),
        (ROUTE, &[JSON], "{\"weights\":[1,1]}", 400, "unexpected body"),
        (ROUTE, &[], right, 415, "expected Content-Type"),
        ("/api/v1/listeners/main/routes/none/weights", &[JSON], right, 404, "no route"),
        ("/api/v1/listeners/none/routes/app/weights", &[JSON], right, 404, "no listener"),
        ("/api/v1/listeners/main/routes/default/weights", &[JSON], right, 404, "refuses"),
    ];
    for (path, headers, body, status, reason) in cases {
        let answer = scene.door.ask("PUT", path, headers, body);
        assert_eq!(answer.status, *status, "{path} {body}: {answer:?}");
        assert!(answer.error().contains(reason), "{body}: {}", answer.error());
    }
    assert_eq!(scene.weights(), [95, 5]);
}

#[test]
fn the_command_line_shows_and_sets_weights() {
    let (blue, green) = (letter(b'b'), letter(b'g'));
    let scene = Scene::open(SPLIT, "", [blue.address, green.address]);
    let run = |arguments: &[&str]| {
        let config = scene.pki.folder().join("tlsgate.toml");
        let output = Command::new(PROGRAM).arg("weights").args(arguments).arg("-c").arg(config).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    assert_eq!(run(&["list"]), (Some(0), "main app: blue=95 green=5\n".to_owned()));
    let set = ["set", "--listener", "main", "--route", "app"];
    let changed = "blue=90 (95 in the configuration) green=10 (5 in the configuration)\n";
    assert_eq!(run(&[&set[..], &["blue=90", "green=10"]].concat()), (Some(0), changed.to_owned()));
    assert_eq!(scene.weights(), [90, 10]);
    let (code, printed) = run(&[&set[..], &["blue=90"]].concat());
    assert!(code == Some(1) && printed.contains("no weight for \"green\""), "{printed}");
    assert_eq!(run(&[&set[..], &["blue"]].concat()).0, Some(2));
}
