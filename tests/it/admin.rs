//! The admin API: what it shows, what it changes, and that whatever it refuses has changed nothing.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::http::{Door, Response};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

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
        let pki = Pki::new();
        pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
        write_private(&pki.folder().join("token"), &format!("{TOKEN}\n"));
        let backend = Backend::echo();
        let proxy = Proxy::start(pki.folder(), &config(&backend, admin, ""));
        let door = door(&proxy);
        Self { pki, backend, proxy, door }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.pki.folder().join(below)
    }

    fn write_config(&self, listener: &str) {
        fs::write(self.path("tlsgate.toml"), config(&self.backend, "listen=\"unix:admin.sock\"", listener)).unwrap();
    }

    /// A change with everything that it needs.
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

    /// Everything that a refused change must leave as it is: the files, and the state but for what counts attempts.
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
    format!(
        "[admin]\n{admin}\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"echo\"\n{listener}\n[backend.echo]\nservers = [\"{}\"]\n",
        backend.address
    )
}

/// Where the program says that its admin API listens.
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

fn reload(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM).arg("reload").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Asks the same from several threads.
fn at_once(count: usize, ask: impl Fn() -> Response + Sync) -> Vec<Response> {
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..count).map(|_| scope.spawn(&ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

#[test]
fn it_shows_what_there_is() {
    for scene in [Scene::tcp(), Scene::unix()] {
        for path in ["/livez", "/healthz", "/readyz"] {
            let answer = scene.door.get(path);
            assert_eq!((answer.status, &answer.json()), (200, &json!({ "status": "ok" })), "{path}");
        }
        let status = scene.door.get("/api/v1/status").json();
        assert_eq!(status["draining"], false);
        assert_eq!(status["pid"], scene.proxy.pid());
        assert_eq!(status["last_reload_successful"], true);
        let certificate = &scene.door.get("/api/v1/certificates").json()["certificates"][0];
        assert_eq!(certificate["listener"], "main");
        assert_eq!(certificate["names"], json!(["a.test"]));
        assert_eq!(certificate["serial_number"], scene.served("a.test"));
        let listeners = scene.door.get("/api/v1/listeners").json();
        assert_eq!(listeners["listeners"][0]["policy"], "TLS13-1-2-Res-PQ-2025-09");
        let policies = scene.door.get("/api/v1/policies").json();
        let used: Vec<_> = policies["policies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|policy| policy["listeners"] == json!(["main"]))
            .collect();
        assert_eq!(used.len(), 1);
        let backends = scene.door.get("/api/v1/backends").json();
        assert_eq!(backends["backends"][0]["servers"][0]["address"], scene.backend.address.to_string());
        assert_eq!(scene.door.get("/api/v1/config").json()["listener"][0]["idle_timeout"], "1h");
        assert_eq!(scene.door.get("/api/v1/openapi.json").json()["openapi"], "3.1.0");
        assert_eq!(scene.door.get("/metrics").status, 404);
        let head = scene.door.ask("HEAD", "/livez", &[], "");
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
}

#[test]
fn a_certificate_is_added_replaced_and_removed() {
    for scene in [Scene::tcp(), Scene::unix()] {
        let before = scene.state();
        let (first, second) = (scene.pair("b.test"), scene.pair("b.test"));
        let added = scene.add("b", &first);
        assert_eq!(added.status, 201, "{added:?}");
        assert_eq!(added.json()["certificate"]["names"], json!(["b.test"]));
        assert_eq!(added.json()["changes"].as_array().unwrap().len(), 1, "{added:?}");
        assert_eq!(scene.served("b.test"), serial(first.0.as_bytes()));
        let mode = fs::metadata(scene.path("certs/b.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let replaced = scene.add("b", &second);
        assert_eq!(replaced.status, 200, "{replaced:?}");
        assert_eq!(scene.served("b.test"), serial(second.0.as_bytes()));
        let removed = scene.change("DELETE", &format!("{ADD}/b"), "");
        assert_eq!(removed.status, 200, "{removed:?}");
        assert_ne!(scene.served("b.test"), serial(second.0.as_bytes()));
        assert_eq!(scene.state(), before);
        assert_eq!(scene.change("DELETE", &format!("{ADD}/b"), "").status, 404);
    }
}

#[test]
fn what_was_added_survives_a_restart() {
    let scene = Scene::unix();
    let pair = scene.pair("b.test");
    assert_eq!(scene.add("b", &pair).status, 201);
    let text = fs::read_to_string(scene.path("tlsgate.toml")).unwrap();
    let Scene { pki, mut proxy, backend: _backend, .. } = scene;
    proxy.signal("KILL");
    proxy.wait();
    // The socket of a process that was killed is in the way, and is replaced.
    let proxy = Proxy::start(pki.folder(), &text);
    assert_eq!(served(&proxy, "b.test"), serial(pair.0.as_bytes()));
    assert_eq!(door(&proxy).get("/readyz").status, 200);
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_and_touches_nothing() {
    let scene = Scene::tcp();
    let before = scene.state();
    let (one, other) = (scene.pair("b.test"), scene.pair("c.test"));
    let sent = |name: &str, certificate: &str, key: &str| {
        json!({ "name": name, "certificate": certificate, "key": key }).to_string()
    };
    let combined = format!("{}{}", one.0, one.1);
    let cut = &one.1[..one.1.len() / 2];
    let cases = [
        (sent("b", &one.0, &other.1), 422, "certificate and key: the private key does not belong to the certificate"),
        (sent("b", "garbage", "garbage"), 422, "certificate and key: no certificate found"),
        (sent("b", "", &one.1), 422, "certificate: is empty"),
        (sent("b", &one.0, cut), 422, "key: is cut short"),
        (sent("b", &combined, &one.1), 422, "certificate: holds a private key"),
        (sent("../b", &one.0, &one.1), 422, "name: found \"../b\", expected"),
        (sent(".b", &one.0, &one.1), 422, "name: found \".b\", expected"),
        (sent("", &one.0, &one.1), 422, "name: found \"\", expected"),
        ("garbage".to_owned(), 400, "the body is not JSON"),
        ("[]".to_owned(), 400, "the body is not what is expected"),
        (json!({ "name": "b", "certificate": one.0 }).to_string(), 400, "the body is not what is expected"),
        (
            json!({ "name": "b", "certificate": one.0, "key": one.1, "x": 1 }).to_string(),
            400,
            "the body is not what is",
        ),
        (json!({ "name": "b", "certificate": one.0, "key": [one.1] }).to_string(), 400, "the body is not what is"),
    ];
    for (body, status, said) in &cases {
        let answer = scene.change("POST", ADD, body);
        assert_eq!(answer.status, *status, "{body}: {answer:?}");
        assert!(answer.error().starts_with(said), "{said}: {answer:?}");
        assert!(!answer.body.contains(&one.1[40..80]), "{answer:?}");
    }
    let body = sent("b", &one.0, &one.1);
    assert_eq!(scene.change("POST", "/api/v1/listeners/none/certificates", &body).status, 404);
    assert_eq!(scene.change("POST", "/api/v1/listeners/..%2Fmain/certificates", &body).status, 404);
    assert_eq!(scene.door.ask("POST", ADD, &[BEARER], &body).status, 415);
    for name in ["..%2Fca", "%2e%2e", "a%00", "%ff"] {
        let answer = scene.change("DELETE", &format!("{ADD}/{name}"), "");
        assert!([404, 422].contains(&answer.status), "{name}: {answer:?}");
    }
    let last = scene.change("DELETE", &format!("{ADD}/a"), "");
    assert_eq!((last.status, last.error().as_str()), (409, "listener \"main\" would be left without a certificate"));
    assert_eq!(scene.state(), before);
    let tried = &scene.door.get("/api/v1/status").json()["reloads"];
    assert_eq!(tried["failure"], 0, "nothing was even tried");
}

#[test]
fn what_a_reload_refuses_is_taken_back() {
    let scene = Scene::unix();
    let pair = scene.pair("a.test");
    scene.write_config("idle_timeout = 3");
    let before = scene.state();
    for stem in ["a", "b"] {
        let answer = scene.add(stem, &pair);
        assert_eq!(answer.status, 409, "{answer:?}");
        let text = answer.json()["errors"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.contains("idle_timeout: found 3, expected"), "{text}");
        assert_eq!(scene.state(), before);
    }
    scene.write_config("");
    assert_eq!(scene.add("a", &pair).status, 200);
    assert_eq!(scene.served("a.test"), serial(pair.0.as_bytes()));
}

#[test]
fn files_that_others_made_are_left_to_them() {
    let scene = Scene::unix();
    std::os::unix::fs::symlink("../elsewhere.crt", scene.path("certs/link.crt")).unwrap();
    fs::write(scene.path("certs/single.pem"), "x").unwrap();
    let before = scene.state();
    for (stem, said) in [("link", "is no plain file"), ("single", "single.pem is there already")] {
        let answer = scene.add(stem, &scene.pair("b.test"));
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.error().contains(said), "{answer:?}");
    }
    assert_eq!(scene.change("DELETE", &format!("{ADD}/link"), "").status, 409);
    let same = (
        fs::read_to_string(scene.path("certs/a.crt")).unwrap(),
        fs::read_to_string(scene.path("certs/a.key")).unwrap(),
    );
    let answer = scene.add("twin", &same);
    assert!(answer.status == 409 && answer.error().contains("this certificate is there already"), "{answer:?}");
    assert_eq!(scene.state(), before);
}

#[test]
fn a_change_without_the_token_is_refused() {
    let scene = Scene::tcp();
    let before = scene.state();
    let body = json!({ "name": "b", "certificate": "", "key": "" }).to_string();
    let wrong = [
        "Bearer wrong",
        "Bearer ",
        "Basic Y29ycmVjdA==",
        "Bearer correct-horse-battery-stapl",
        "correct-horse-battery-staple",
    ];
    let changes = [
        ("POST", "/api/v1/reload".to_owned()),
        ("POST", "/api/v1/drain".to_owned()),
        ("POST", ADD.to_owned()),
        ("DELETE", format!("{ADD}/a")),
    ];
    for (method, path) in &changes {
        let none = scene.door.ask(method, path, &[JSON], &body);
        assert_eq!(none.status, 401, "{none:?}");
        assert!(none.head.contains("www-authenticate: bearer"), "{none:?}");
        for token in wrong {
            assert_eq!(scene.door.ask(method, path, &[JSON, ("Authorization", token)], &body).status, 401, "{token}");
        }
    }
    assert_eq!(scene.state(), before);
    let closed = Scene::new("listen=\"127.0.0.1:0\"");
    for (method, path) in &changes {
        let answer = closed.change(method, path, &body);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.error().contains("token_file in [admin]"), "{answer:?}");
    }
    // A token file that is lost closes the door, and does not open it.
    fs::remove_file(scene.path("token")).unwrap();
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 403);
    for status in [scene, closed].map(|scene| scene.door.get("/api/v1/status").json()) {
        assert_eq!(status["draining"], false);
    }
}

#[test]
fn what_is_not_meant_for_it_is_refused() {
    let scene = Scene::tcp();
    let before = scene.state();
    for host in ["evil.test", "evil.test:80", "127.0.0.1.evil.test", "10.0.0.1", ""] {
        assert_eq!(scene.door.ask("GET", "/api/v1/config", &[("Host", host)], "").status, 421, "{host}");
        assert_eq!(scene.door.ask("POST", "/api/v1/reload", &[("Host", host), BEARER], "").status, 421, "{host}");
    }
    assert_eq!(scene.door.ask("GET", "/livez", &[("Host", "localhost")], "").status, 200);
    for path in
        ["/", "/api", "/api/v1/", "/../etc/passwd", "/api/v1/../../livez", "/%2e%2e/livez", "//livez", "/livez/"]
    {
        assert_eq!(scene.door.get(path).status, 404, "{path}");
    }
    for path in ["/api/v1/reload", "/api/v1/drain", ADD] {
        let answer = scene.door.ask("GET", path, &[BEARER], "");
        assert_eq!(answer.status, 405, "{answer:?}");
        assert!(answer.head.contains("allow: post"), "{answer:?}");
    }
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = scene.door.ask(method, "/api/v1/config", &[BEARER], "");
        assert_eq!(answer.status, 405, "{method}: {answer:?}");
        assert!(answer.head.contains("allow: get, head"), "{answer:?}");
    }
    assert_eq!(scene.door.raw(b"GARBAGE\r\n\r\n").status, 400);
    assert_eq!(scene.state(), before);
}

#[test]
fn what_is_too_long_is_refused() {
    let scene = Scene::tcp();
    let before = scene.state();
    let long = "x".repeat(1 << 20);
    let head = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n");
    // It may be told, or cut off while it still sends.
    let mut stream = scene.door.connect();
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let huge = "x".repeat(100 << 20);
    for path in [ADD, "/api/v1/reload"] {
        assert_eq!(scene.change("POST", path, &huge).status, 413);
    }
    assert_eq!(scene.door.ask("POST", ADD, &[JSON], &huge).status, 401, "who may not is told so first");
    let chunks = format!("{:x}\r\n{huge}\r\n0\r\n\r\n", huge.len());
    let head = format!(
        "POST {ADD} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(scene.door.raw(format!("{head}{chunks}").as_bytes()).status, 413);
    let most = format!("{{\"x\": \"{}\"}}", "x".repeat((1 << 20) - 9));
    assert_eq!(scene.change("POST", ADD, &most).status, 400, "a body of exactly 1 MiB is read");
    assert_eq!(scene.state(), before);
}

#[test]
fn who_says_nothing_more_is_not_waited_for() {
    let scene = Scene::tcp();
    let before = scene.state();
    let slow = |sent: String| {
        let mut stream = scene.door.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        stream
    };
    let mut heads: Vec<_> = (0..10).map(|_| slow("GET /livez HTTP/1.1\r\nHost: ".to_owned())).collect();
    let bodies: Vec<_> = (0..10)
        .map(|_| slow(format!("POST {ADD} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{")))
        .collect();
    assert_eq!(scene.door.get("/readyz").status, 200, "others are served meanwhile");
    for body in bodies {
        assert_eq!(Response::read(body).status, 408);
    }
    for head in &mut heads {
        let mut answer = Vec::new();
        head.read_to_end(&mut answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(scene.state(), before);
}

#[test]
fn more_than_it_serves_at_once_wait_their_turn() {
    let scene = Scene::tcp();
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let mut stream = scene.door.connect();
            stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            stream
        })
        .collect();
    assert!(!scene.served("a.test").is_empty(), "clients are served meanwhile");
    for stream in asking {
        assert_eq!(Response::read(stream).status, 200);
    }
}

#[test]
fn reloads_at_once_are_all_answered() {
    let scene = Scene::unix();
    scene.write_config("idle_timeout = \"5m\"");
    let answers = at_once(8, || scene.change("POST", "/api/v1/reload", ""));
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(scene.door.get("/api/v1/config").json()["listener"][0]["idle_timeout"], "5m");
}

#[test]
fn a_reload_that_fails_says_why_and_heals() {
    let scene = Scene::unix();
    scene.write_config("idle_timeout = 3\nmax_connections = 0");
    let answer = scene.change("POST", "/api/v1/reload", "");
    assert_eq!(answer.status, 422);
    let errors = answer.json()["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 2, "{errors}");
    assert_eq!((&errors[0]["line"], &errors[0]["path"]), (&json!(8), &json!("listener \"main\": idle_timeout")));
    let status = scene.door.get("/api/v1/status").json();
    assert_eq!((&status["last_reload_successful"], &status["errors"]), (&json!(false), &errors));
    assert_eq!(scene.door.get("/readyz").status, 200, "the old state serves");
    scene.write_config("");
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 200);
    assert_eq!(scene.door.get("/api/v1/status").json()["last_reload_successful"], true);
}

#[test]
fn the_command_line_asks_for_a_reload() {
    let tcp = Scene::tcp();
    let Door::Tcp(address) = tcp.door else { unreachable!() };
    let token = tcp.path("token");
    let url = format!("http://{address}");
    let (fine, said) = reload(&["--admin", &url, "--token-file", token.to_str().unwrap()]);
    assert!(fine && said.contains("nothing has changed"), "{said}");
    let (fine, said) = reload(&["--admin", &url]);
    assert!(!fine && said.contains("needs the token"), "{said}");
    let unix = Scene::unix();
    let socket = format!("unix:{}", unix.path("admin.sock").display());
    unix.write_config("idle_timeout = \"5m\"");
    let (fine, said) = reload(&["--admin", &socket]);
    assert!(fine && (said.contains("idle_timeout is 300s") || said.contains("nothing has changed")), "{said}");
    let config = unix.path("tlsgate.toml");
    assert!(reload(&["-c", config.to_str().unwrap()]).0);
    unix.write_config("idle_timeout = 3");
    let (fine, said) = reload(&["--admin", &socket]);
    assert!(!fine && said.contains("idle_timeout: found 3, expected"), "{said}");
    drop(unix);
    let (fine, said) = reload(&["--admin", &socket]);
    assert!(!fine && said.contains("cannot be reached"), "{said}");
    assert_eq!(Command::new(PROGRAM).arg("reload").output().unwrap().status.code(), Some(2));
}

#[test]
fn a_drain_is_told_by_readiness_and_a_second_one_is_told_so() {
    let mut scene = Scene::unix();
    let address = scene.proxy.address("main").to_string();
    let mut live = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (live.stdin.take().unwrap(), live.stdout.take().unwrap());
    let mut answer = [0; 6];
    to.write_all(b"first\n").unwrap();
    std::io::Read::read_exact(&mut from, &mut answer).unwrap();
    let answers = at_once(2, || scene.change("POST", "/api/v1/drain", ""));
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
    assert_eq!(scene.door.get("/readyz").status, 503);
    assert_eq!(scene.door.get("/livez").status, 200);
    assert_eq!(scene.change("POST", "/api/v1/drain", "").status, 409);
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 503);
    let before = scene.state();
    assert_eq!(scene.add("b", &scene.pair("b.test")).status, 503);
    assert_eq!(scene.state(), before);
    drop(to);
    live.kill().unwrap();
    live.wait().unwrap();
    assert!(scene.proxy.wait().success());
    assert!(!scene.path("admin.sock").exists(), "the socket is tidied up");
}

#[test]
fn the_socket_is_its_owners_alone_unless_it_is_said_otherwise() {
    for (lines, mode) in [("", 0o600), ("\nsocket_mode=\"0660\"", 0o660)] {
        let scene = Scene::new(&format!("listen=\"unix:admin.sock\"{lines}"));
        let found = fs::metadata(scene.path("admin.sock")).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode);
    }
}

#[test]
fn where_it_listens_changes_at_the_next_start_and_the_token_at_once() {
    let scene = Scene::tcp();
    let other = "another-token-that-is-long-enough";
    write_private(&scene.path("other"), other);
    let admin = "listen=\"unix:elsewhere.sock\"\ntoken_file=\"other\"";
    fs::write(scene.path("tlsgate.toml"), config(&scene.backend, admin, "")).unwrap();
    scene.proxy.log_line("take effect at the next start");
    assert!(!scene.path("elsewhere.sock").exists());
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 401);
    let bearer = format!("Bearer {other}");
    assert_eq!(scene.door.ask("POST", "/api/v1/reload", &[("Authorization", &bearer)], "").status, 200);
    assert_eq!(scene.door.get("/api/v1/config").json()["admin"]["listen"], "127.0.0.1:0");
}

#[test]
fn check_tells_what_is_wrong_with_the_token() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let backend = Backend::echo();
    let checked = check(pki.folder(), &config(&backend, "listen=\"127.0.0.1:0\"\ntoken_file=\"none\"", ""));
    assert!(!checked.ok && checked.errors[0].contains("admin: token_file: "), "{:?}", checked.errors);
}

#[test]
fn an_admin_server_that_cannot_start_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    write_private(&pki.folder().join("short"), "abc\n");
    fs::write(pki.folder().join("open"), format!("{TOKEN}\n")).unwrap();
    let other = Scene::unix();
    let socket = other.path("admin.sock");
    let cases = [
        (format!("listen=\"{}\"", taken.local_addr().unwrap()), "admin: listen: cannot listen on 127.0.0.1:"),
        ("listen=\"unix:certs/a.crt\"".to_owned(), "a file that is no socket is in its place"),
        (format!("listen=\"unix:{}\"", socket.display()), "another process listens there"),
        ("listen=\"127.0.0.1:0\"\ntoken_file=\"none\"".to_owned(), "admin: token_file: "),
        (
            "listen=\"127.0.0.1:0\"\ntoken_file=\"short\"".to_owned(),
            "found a token of 3 characters, expected at least 16",
        ),
        ("listen=\"127.0.0.1:0\"\ntoken_file=\"open\"".to_owned(), "can be read by everyone"),
    ];
    for (admin, said) in cases {
        let Err(log) = Proxy::try_start(pki.folder(), &config(&other.backend, &admin, "")) else {
            panic!("{admin} started");
        };
        assert!(log.contains(said), "{said}: {log}");
    }
    assert_eq!(other.door.get("/livez").status, 200);
    assert!(pki.folder().join("certs/a.crt").exists());
}

#[test]
fn no_secret_is_in_any_answer_or_log() {
    let scene = Scene::tcp();
    let tickets = Command::new(PROGRAM).args(["ticket-key", "new"]).output().unwrap().stdout;
    let tickets = String::from_utf8(tickets).unwrap();
    write_private(&scene.path("tickets"), &tickets);
    let admin = "listen=\"127.0.0.1:0\"\ntoken_file=\"token\"";
    fs::write(scene.path("tlsgate.toml"), config(&scene.backend, admin, "ticket_keys = \"tickets\"")).unwrap();
    let pair = scene.pair("b.test");
    let mut answers = vec![
        scene.change("POST", "/api/v1/reload", ""),
        scene.add("b", &pair),
        scene.add("b", &(pair.1.clone(), pair.1.clone())),
        scene.add("b", &(pair.0.clone(), pair.1[..60].to_owned())),
        scene.change("POST", ADD, &json!(pair.1).to_string()),
        scene.change("POST", ADD, &pair.1),
        scene.door.ask("POST", "/api/v1/reload", &[("Authorization", &format!("Basic {TOKEN}"))], ""),
    ];
    write_private(&scene.path("tickets"), &tickets[..tickets.len() / 2]);
    fs::write(scene.path("certs/c.crt"), &pair.1).unwrap();
    answers.push(scene.change("POST", "/api/v1/reload", ""));
    assert_eq!(answers[0].status, 200);
    for view in ["status", "config", "listeners", "certificates", "policies", "backends", "openapi.json"] {
        answers.push(scene.door.get(&format!("/api/v1/{view}")));
    }
    let all =
        answers.iter().map(|answer| format!("{}{}", answer.head, answer.body)).collect::<String>() + &scene.proxy.log();
    let own = fs::read_to_string(scene.path("certs/a.key")).unwrap();
    let keys = [&own, &pair.1].map(|pem| pem.lines().nth(1).unwrap()[40..].to_owned());
    let secrets = [TOKEN, &keys[0], &keys[1], &tickets.trim()[..20], "PRIVATE KEY-----\\n"];
    for secret in secrets {
        assert!(secret.len() > 10 && !all.contains(secret), "{secret} is in\n{all}");
    }
}
