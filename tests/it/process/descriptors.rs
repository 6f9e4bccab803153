//! Few descriptors: established connections are served, a reserve remains for the admin server and for reloads,
//! newcomers are refused or wait, and accepting resumes by itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::backend::Backend;
use crate::support::bare::Bare;
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Tls, connect, drain, trusting};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::{eventually, open_files, processor};
use crate::support::proxy::PROGRAM;
use crate::support::stage::{Lines, NAME, certified, config};
use crate::support::stream::Stream;
use crate::support::tool;

/// The process with two connections under way: one is terminated, the other is passed through and has sent more than
/// its client has read.
struct Scene {
    pki: Pki,
    backend: ByHand,
    bare: Bare,
    trust: std::sync::Arc<rustls::ClientConfig>,
    terminated: (Client, TcpStream),
    passed: TcpStream,
}

impl Scene {
    fn new(before: &str) -> Self {
        let (pki, backend) = (certified(), ByHand::new().narrow());
        let lines = Lines {
            top: "[admin]\nlisten = \"unix:admin.sock\"\n[log]\naccess = \"off\"\n[runtime]\nworkers = 2\n",
            listener: "handshake_timeout = \"1h\"\n\
                       route = [{ server_names = [\"through.test\"], mode = \"passthrough\" }]",
            backend: "",
        };
        let bare = Bare::start(pki.folder(), &config(&[backend.address], lines), before);
        let trust = trusting(&pki.ca(), Tls::V13).into();
        let mut client = Client::silent(bare.address, &trust, NAME);
        client.handshake().unwrap();
        let server = backend.accept();
        let mut through = Client::silent(bare.address, &trust, "through.test");
        let hello = through.flight();
        through.tcp.write_all(&hello).unwrap();
        let mut sender = backend.accept();
        sender.read_exact(&mut vec![0; hello.len()]).unwrap();
        thread::spawn(move || {
            let (mut stream, mut sent) = (Stream::new(7), 0);
            while sent < SIZE {
                let piece = stream.next(SIZE - sent);
                sender.write_all(piece).unwrap();
                sent += piece.len();
            }
        });
        let mut scene = Self { pki, backend, bare, trust, terminated: (client, server), passed: through.tcp };
        scene.go_on(SIZE / 8, &mut Stream::new(7));
        scene
    }

    /// Both connections go on: that many more bytes of the one that is passed through, compared with `stream`.
    fn go_on(&mut self, count: usize, stream: &mut Stream) {
        let (client, server) = &mut self.terminated;
        for _ in 0..20 {
            client.send(b"ping").unwrap();
            server.read_exact(&mut [0; 4]).unwrap();
            server.write_all(b"pong").unwrap();
            assert_eq!(client.read_exact(4), b"pong");
        }
        let mut came = vec![0; count];
        self.passed.read_exact(&mut came).unwrap();
        stream.check(&came);
    }

    /// The stream, at the position up to which it was read.
    fn stream() -> Stream {
        let (mut stream, mut skipped) = (Stream::new(7), 0);
        while skipped < SIZE / 8 {
            skipped += stream.next(SIZE / 8 - skipped).len();
        }
        stream
    }

    fn door(&self) -> Door {
        Door::Unix(self.pki.folder().join("admin.sock"))
    }

    fn metric(&self, name: &str) -> u64 {
        let body = self.door().get("/metrics").body;
        let value = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
        body.lines().find_map(value).unwrap_or(0)
    }

    /// Whether a newcomer is served, and with which certificate.
    fn newcomer(&self) -> Option<(Client, TcpStream, Vec<u8>)> {
        let mut client = Client::silent(self.bare.address, &self.trust, NAME);
        client.handshake().ok()?;
        let leaf = client.tls.peer_certificates().unwrap()[0].to_vec();
        let server = self.backend.accept();
        Some((client, server, leaf))
    }

    /// Replaces the certificate, and reloads.
    fn reload(&self) {
        self.pki.write("certs", "main", &[NAME], Key::P256, &Extra::default());
        let answer = self.door().ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn silent_clients_and_busy_ones_leave_a_reserve_and_established_connections_continue() {
    let mut scene = Scene::new(&format!("ulimit -n {LIMIT}"));
    let mut stream = Scene::stream();
    let warned = |line: &&str| line.contains("WARN") && line.contains("max_connections=10000");
    let warnings: Vec<&str> = scene.bare.first_lines.lines().filter(warned).collect();
    assert!(matches!(warnings[..], [line] if line.contains(&format!("open_file_limit={LIMIT}"))), "{warnings:?}");

    let mut silent = Vec::new();
    let mut most = 0;
    for _ in 0..2 * LIMIT {
        silent.push(connect(scene.bare.address));
        most = most.max(open_files(scene.bare.pid()));
    }
    eventually("silent ones give way", || {
        (scene.metric("tlsgate_connections_closed_total{listener=\"main\",outcome=\"hello_preempted\"}") > 0)
            .then_some(())
    });
    assert!(most < LIMIT - LIMIT / 8, "{most} of {LIMIT}");
    scene.go_on(SIZE / 8, &mut stream);
    let (first, _, before) = scene.newcomer().expect("silent connections keep newcomers out");
    scene.reload();
    let (second, _, after) = scene.newcomer().unwrap();
    assert_ne!(before, after, "the new certificate is served");
    drop((silent, first, second));

    // Served connections are not closed to make room: the next one is refused.
    let mut busy = Vec::new();
    while let Some((client, server, _)) = scene.newcomer() {
        busy.push((client, server));
        assert!(busy.len() < LIMIT / 2, "no newcomer is ever refused");
    }
    let refused = "tlsgate_connections_rejected_total{listener=\"main\",reason=\"descriptor_limit\"}";
    eventually("the refusal is counted", || (scene.metric(refused) > 0).then_some(()));
    let files = open_files(scene.bare.pid());
    assert!(files < LIMIT - LIMIT / 8, "{files} of {LIMIT}");
    assert_eq!(scene.door().get("/readyz").status, 200);
    assert_eq!(scene.door().get("/livez").status, 200);
    let held: Vec<_> = (0..40).map(|_| UnixStream::connect(scene.pki.folder().join("admin.sock")).unwrap()).collect();
    assert_eq!(scene.door().get("/livez").status, 200, "a probe after them is answered");
    let shown = scene.door().get("/api/v1/limits").json();
    assert_eq!(shown["descriptors"]["limit"], LIMIT);
    assert!(shown["connections"]["active"].as_u64().unwrap() <= shown["connections"]["limit"].as_u64().unwrap());
    assert!(scene.metric("tlsgate_limits_shed_total{reason=\"descriptor_limit\"}") > 0);
    assert!(scene.metric("tlsgate_limits_shed_total{reason=\"hello_preempted\"}") > 0);
    let more = open_files(scene.bare.pid()).saturating_sub(files);
    assert!(more <= LIMIT / 10, "connections to the admin server took {more} of {LIMIT}");
    drop(held);
    scene.reload();
    scene.go_on(SIZE / 8, &mut stream);
    for (client, server) in &mut busy {
        client.send(b"ping").unwrap();
        server.read_exact(&mut [0; 4]).unwrap();
    }
    busy.pop();
    eventually("there is room again", || scene.newcomer());
    scene.go_on(SIZE / 2, &mut stream);
}

#[test]
fn with_no_descriptor_left_established_connections_are_served_in_full_and_it_recovers() {
    let mut scene = Scene::new(":");
    let mut stream = Scene::stream();
    let pid = Pid::from_raw(scene.bare.pid().cast_signed());
    // From now on the kernel gives out none: the limit is below the number of open ones.
    let before = prlimit(pid, Resource::Nofile, Rlimit { current: Some(10), ..nofile(pid) }).unwrap();
    let mut waiting: Vec<_> = (0..50).map(|_| connect(scene.bare.address)).collect();
    scene.go_on(SIZE - SIZE / 8, &mut stream);
    let (client, server) = &mut scene.terminated;
    client.close_notify().unwrap();
    assert_eq!(drain(server).0, b"");
    // Those who wait are not asked for again and again: that would take all of a processor.
    let before_it = processor(scene.bare.pid());
    thread::sleep(WINDOW);
    let taken = processor(scene.bare.pid()) - before_it;
    assert!(taken < WINDOW / 5, "{taken:?} of {WINDOW:?} with nothing to do");
    prlimit(pid, Resource::Nofile, before).unwrap();
    waiting.truncate(1);
    assert!(scene.newcomer().is_some());
    scene.reload();
    scene.bare.stop();
    let lines = scene.bare.last_lines();
    let count = lines.lines().filter(|line| line.contains("no file descriptors left")).count();
    assert_eq!(count, 1, "a line a minute: {lines}");
}

/// Every worker needs a descriptor for every socket that it accepts on.
#[test]
fn where_not_every_worker_can_accept_a_start_and_a_reload_are_refused() {
    let (pki, backend) = (certified(), Backend::echo());
    let with = |addresses: u8| {
        let listen: Vec<String> = (1..=addresses).map(|host| format!("\"127.0.0.{host}:0\"")).collect();
        let top = "[admin]\nlisten = \"unix:admin.sock\"\n[log]\naccess = \"off\"\n[runtime]\nworkers = 16\n";
        config(&[backend.address], Lines { top, ..Lines::default() })
            .replace("listen = \"127.0.0.1:0\"", &format!("listen = [{}]", listen.join(", ")))
    };
    let path = pki.folder().join("tlsgate.toml");
    std::fs::write(&path, with(30)).unwrap();
    let start = format!("{FEW}; exec \"$0\" run -c \"$1\"");
    let started = tool::run("sh", &["-c", &start, PROGRAM, path.to_str().unwrap()], b"");
    let shown = tool::shown(&started);
    assert_eq!(started.status.code(), Some(1), "{shown}");
    assert!(shown.contains("cannot listen on 127.0.0.") && shown.contains("LimitNOFILE"), "{shown}");

    let bare = Bare::start(pki.folder(), &with(1), FEW);
    let door = Door::unix(pki.folder());
    let reload = || {
        eventually("a reload is answered", || {
            let answer = door.ask("POST", "/api/v1/reload", &[], "");
            (answer.status != 503).then_some(answer)
        })
    };
    for _ in 0..2 {
        std::fs::write(&path, with(30)).unwrap();
        let answer = reload();
        assert_ne!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("cannot listen on 127.0.0."), "{answer:?}");
        std::fs::write(&path, with(1)).unwrap();
        assert_eq!(reload().status, 200);
        let mut client = Client::silent(bare.address, &trusting(&pki.ca(), Tls::V13).into(), NAME);
        client.handshake().unwrap();
    }
}

fn nofile(pid: Option<Pid>) -> Rlimit {
    let unchanged = rustix::process::getrlimit(Resource::Nofile);
    assert!(pid.is_some());
    unchanged
}

const LIMIT: usize = 200;
/// Enough for one socket, and not for thirty.
const FEW: &str = "ulimit -n 256";
/// In which processor time is measured.
const WINDOW: Duration = Duration::from_millis(500);
const SIZE: usize = 16 << 20;
