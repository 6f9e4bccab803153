//! However many connections clients hold, probes are answered, others get through again, and memory is bounded.

use std::fmt::{self, Write as _};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Scene;
use crate::support::http::{Door, Response};
use crate::support::procfs::{eventually, resident_kib};

/// A scene with a listing of more than a MiB, and its path.
fn large() -> (Scene, &'static str) {
    let admin = "listen=\"127.0.0.1:0\"\ntoken_file=\"token\"";
    let scene = Scene::with(admin, "certificates = [\"certs\"]", &many_backends());
    let path = "/api/v1/backends";
    let size = scene.door.get(path).body.len();
    assert!(size >= 1 << 20, "{size}");
    (scene, path)
}

/// Tables of so many backends and servers that the listing of them has more than a MiB.
pub(super) fn many_backends() -> String {
    let mut tables = String::new();
    for backend in 0..6 {
        let servers: Vec<_> =
            (0..1000).map(|server| format!("\"127.{backend}.{}.{}:1\"", server / 250, server % 250)).collect();
        writeln!(tables, "[backend.b{backend}]\nservers = [{}]", servers.join(", ")).unwrap();
    }
    tables
}

/// How long the slowest of some answers took. No test judges it: docs/reliability.md says what was measured.
#[derive(Default)]
pub(super) struct Slowest {
    time: Duration,
    answers: usize,
}

impl Slowest {
    /// Asks once.
    pub(super) fn of<T>(&mut self, ask: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let answer = ask();
        self.time = self.time.max(begun.elapsed());
        self.answers += 1;
        answer
    }
}

impl fmt::Display for Slowest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the slowest of {} answers took {:?}", self.answers, self.time)
    }
}

fn connect(scene: &Scene) -> TcpStream {
    let Door::Tcp(address) = scene.door else { panic!("not over TCP") };
    TcpStream::connect(address).unwrap()
}

fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
}

fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// The number of open connections, without the one that asks.
fn connections(scene: &Scene) -> u64 {
    let text = scene.door.get("/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix("tlsgate_admin_connections ")).unwrap();
    line.parse::<u64>().unwrap() - 1
}

#[test]
fn silent_connections_keep_no_probe_out() {
    let scene = Scene::tcp();
    for (count, sent) in [(200, ""), (400, "GET /livez HT")] {
        let mut silent: Vec<_> = (0..count).map(|_| connect(&scene)).collect();
        for stream in &mut silent {
            stream.write_all(sent.as_bytes()).unwrap();
        }
        for path in ["/livez", "/readyz", "/api/v1/status"] {
            assert_eq!(scene.door.get(path).status, 200, "{path} beside {count}");
        }
        // Probes closed none of them; only the connections beyond the limit were closed.
        let open = silent.iter_mut().map(is_open).filter(|open| *open).count();
        assert!(open > 100, "{open} of {count}");
        drop(silent);
        eventually("the places are free", || (connections(&scene) == 0).then_some(()));
    }
}

#[test]
fn a_flood_of_silent_connections_keeps_no_probe_out() {
    let scene = Scene::tcp();
    let mut slowest = Slowest::default();
    for sent in ["", "GET /livez HT"] {
        let mut silent = Vec::new();
        for at in 0..2000 {
            let mut stream = connect(&scene);
            // One that has to leave may be gone already.
            let _ = stream.write_all(sent.as_bytes());
            silent.push(stream);
            if at % 100 == 0 {
                assert_eq!(slowest.of(|| scene.door.get("/livez").status), 200, "after {at}");
            }
        }
        assert_eq!(scene.door.get("/api/v1/status").status, 200);
    }
    println!("{slowest}");
}

#[test]
fn a_client_that_does_not_read_holds_little_and_not_for_long() {
    let (scene, path) = large();
    let before = resident_kib(scene.proxy.pid());
    let mut deaf: Vec<_> = (0..200).map(|_| connect(&scene)).collect();
    for stream in &mut deaf {
        ask(stream, path);
    }
    assert_eq!(scene.door.get("/livez").status, 200);
    assert_eq!(scene.door.get(path).status, 200, "others get the same listing meanwhile");
    let metrics = scene.door.get("/metrics").body;
    let held =
        metrics.lines().find_map(|line| line.strip_prefix("tlsgate_admin_answers_bytes ")?.parse::<usize>().ok());
    assert!(held.is_some_and(|held| held >= 1 << 20), "{held:?} bytes are held");
    let grown = resident_kib(scene.proxy.pid()).saturating_sub(before);
    assert!(grown < MOST_GROWN, "{grown} KiB");
    eventually("they are given up", || {
        assert_eq!(scene.door.get("/readyz").status, 200);
        (connections(&scene) == 0).then_some(())
    });
    drop(deaf);
}

#[test]
fn a_thousand_scrapes_at_once_are_all_answered_and_probes_with_them() {
    let (scene, _) = large();
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let mut stream = scene.door.connect();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            stream
        })
        .collect();
    assert_eq!(scene.door.get("/livez").status, 200);
    for stream in asking {
        assert_eq!(Response::read(stream).status, 200);
    }
    eventually("the places are free", || (connections(&scene) == 0).then_some(()));
}

#[test]
fn a_client_that_reads_slowly_gets_everything() {
    let (scene, path) = large();
    let whole = scene.door.get(path).body.len();
    let mut stream = connect(&scene);
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let (mut length, mut piece) = (0, [0; 700]);
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            count => length += count,
        }
        std::thread::yield_now();
    }
    assert!(length > whole);
}

#[test]
fn over_a_unix_socket_it_is_the_same() {
    let scene = Scene::unix();
    let silent: Vec<_> = (0..200).map(|_| scene.door.connect()).collect();
    assert_eq!(scene.door.get("/livez").status, 200);
    drop(silent);
}

/// KiB. Separate answers to 64 clients that do not read would take twice as much.
const MOST_GROWN: u64 = 40 << 10;
