//! More clients that do not read, and more newcomers, than there is memory for: the process stays below its bound,
//! established transfers go on, and when the crowd is gone, the memory comes back.

use std::fs;
use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;

use super::crowd::{Good, asks, backend, backend_behind_tls, many, narrow, raise_limit, silent};
use crate::support::backend::Backend;
use crate::support::bare::Bare;
use crate::support::cgroup::Group;
use crate::support::client::{Client, Tls, connect, trusting};
use crate::support::http::Door;
use crate::support::pki::Pki;
use crate::support::procfs::eventually;
use crate::support::stage::{Lines, NAME, certified, config};
use crate::support::stream::Stream;

/// The program with as much memory as a group allows; or, where no group can be made, with a bound in its configuration.
struct Scene {
    bare: Bare,
    _pki: Pki,
    door: Door,
    clients: [Arc<ClientConfig>; 2],
    /// The most anonymous memory that was seen.
    peak: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    // Last: it is removed when the program has ended.
    group: Option<Group>,
}

impl Scene {
    fn new(bytes: usize, backend: &Backend, top: &str, listener: &str) -> Self {
        raise_limit();
        let (pki, group) = (certified(), Group::new(bytes));
        let limits = match &group {
            Some(_) => String::new(),
            None => format!("[limits]\nmemory = \"{}KiB\"\n", bytes / 5 * 4 / 1024),
        };
        println!(
            "{}",
            if group.is_some() { "in a control group" } else { "with [limits] memory: no group can be made" }
        );
        let top = format!("[admin]\nlisten = \"unix:admin.sock\"\n[log]\naccess = \"off\"\n{limits}{top}");
        let text = config(&[backend.address], Lines { top: &top, listener, backend: "" });
        let before = group.as_ref().map_or(":".into(), Group::enter);
        let bare = Bare::start(pki.folder(), &text, &before);
        let clients = Tls::BOTH.map(|tls| Arc::new(trusting(&pki.ca(), tls)));
        let door = Door::unix(pki.folder());
        let (peak, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (pid, seen, over) = (bare.pid(), Arc::clone(&peak), Arc::clone(&stop));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                seen.fetch_max(anonymous(pid), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self { bare, _pki: pki, door, clients, peak, stop, group }
    }

    fn address(&self) -> SocketAddr {
        self.bare.address
    }

    /// An established client for each version.
    fn established(&self, name: &str) -> Vec<Client> {
        let client = |config| {
            let mut client = Client::silent(self.address(), config, name);
            client.handshake().unwrap();
            client
        };
        self.clients.iter().map(client).collect()
    }

    fn memory(&self) -> Value {
        self.door.get("/api/v1/limits").json()["memory"].clone()
    }

    fn shed(&self, reason: &str) -> u64 {
        let series = format!("tlsgate_limits_shed_total{{reason=\"{reason}\"}} ");
        let text = self.door.get("/metrics").body;
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
    }

    /// Opens more and more connections until those who stall have to leave. A few at a time, since newcomers that all come at
    /// once are refused, and then there is memory enough for those who are there.
    fn press(&self, open: impl Fn(usize) -> Result<TcpStream> + Sync) -> Vec<TcpStream> {
        let mut crowd = Vec::new();
        eventually("those who stall have to leave", || {
            crowd.extend(many(ROUND, &open));
            (self.shed("memory_stalled") > 0).then_some(())
        });
        println!("{} clients were admitted; {}", crowd.len(), self.memory());
        crowd
    }

    /// Whether a newcomer is served.
    fn serves(&self) -> bool {
        let mut client = Client::silent(self.address(), &self.clients[1], NAME);
        if client.handshake().is_err() || client.send(b"Ehello").is_err() {
            return false;
        }
        let mut came = [0; 5];
        client.read(&mut came).is_ok_and(|count| count > 0)
    }

    /// It was never over its bound so far that the kernel would have ended it.
    fn is_alive(&self, bytes: usize) {
        let peak = self.peak.load(Ordering::Relaxed);
        println!("anonymous memory: at most {} KiB; {}", peak / 1024, self.memory());
        match &self.group {
            Some(group) => {
                println!("the group: at most {} KiB", group.peak() / 1024);
                assert_eq!(group.killed(), 0);
            }
            None => assert!(peak < bytes, "{peak} of {bytes}"),
        }
        assert_eq!(self.door.get("/livez").status, 200);
    }

    /// The crowd is gone: memory is free again, and newcomers are served.
    fn recovers(&self) {
        let bound = self.memory()["bound_bytes"].as_u64().unwrap();
        let is_back = || self.memory()["used_bytes"].as_u64().unwrap() < bound * 3 / 5;
        eventually("memory comes back", || is_back().then_some(()));
        eventually("newcomers are served", || self.serves().then_some(()));
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.bare.stop();
        println!("{}", self.bare.last_lines());
    }
}

/// The anonymous memory of a process.
fn anonymous(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0) * 1024
}

#[test]
fn two_thousand_clients_that_do_not_read_and_a_flood_of_newcomers_end_nothing_that_flows() {
    let backend = backend();
    let scene = Scene::new(SIXTY_FOUR, &backend, "", "idle_timeout = \"1h\"\nhandshake_timeout = \"1h\"");
    let good = Good::start([scene.established(NAME), scene.established(NAME)].into_iter().flatten().collect(), b"E");
    let crowd = many(CLIENTS, |number| asks(scene.address(), &scene.clients[number % 2], NAME));
    println!("{} of {CLIENTS} clients were admitted; {}", crowd.len(), scene.memory());
    assert!(crowd.len() > 200, "only {}", crowd.len());
    let more = scene.press(|number| asks(scene.address(), &scene.clients[number % 2], NAME));
    let refused = scene.shed("memory_limit");
    let newcomers = silent(scene.address(), CLIENTS);
    eventually("newcomers are refused", || (scene.shed("memory_limit") > refused).then_some(()));
    // Established transfers go on all the while.
    let before = good.pieces.load(Ordering::Relaxed);
    eventually("they go on", || (good.pieces.load(Ordering::Relaxed) > before + 20).then_some(()));
    scene.is_alive(SIXTY_FOUR);
    drop((crowd, more, newcomers));
    scene.recovers();
    let before = good.pieces.load(Ordering::Relaxed);
    eventually("they go on", || (good.pieces.load(Ordering::Relaxed) > before + 20).then_some(()));
    good.finish();
    scene.is_alive(SIXTY_FOUR);
}

#[test]
fn connections_that_are_passed_through_give_way_as_well() {
    let backend = backend_behind_tls();
    let echo = Backend::echo();
    let lines = format!(
        "idle_timeout = \"1h\"\nroute = [{{ server_names = [\"through.test\"], mode = \"passthrough\" }}, \
         {{ server_names = [\"alive.test\"], mode = \"passthrough\", backend = \"echo\" }}]\n\
         [backend.echo]\nservers = [\"{}\"]\n",
        echo.address
    );
    let scene = Scene::new(FORTY, &backend, "", &lines);
    let mut alive = passed(&scene);
    let through = |number: usize| {
        let mut client = Client::on(narrow(scene.address())?, &scene.clients[number % 2], "through.test");
        let hello = client.flight();
        client.tcp.write_all(&hello)?;
        Ok(client.tcp)
    };
    let over = AtomicBool::new(false);
    let crowd = thread::scope(|scope| {
        let transfer = scope.spawn(|| {
            let mut stream = Stream::new(7);
            while !over.load(Ordering::Relaxed) {
                exchange(&mut alive, stream.next(8 * 1024));
                thread::sleep(Duration::from_millis(1));
            }
        });
        let crowd = scene.press(through);
        over.store(true, Ordering::Relaxed);
        transfer.join().unwrap();
        crowd
    });
    scene.is_alive(FORTY);
    exchange(&mut alive, b"it goes on");
    drop(crowd);
    eventually("memory comes back", || (scene.memory()["level"] == "easy").then_some(()));
}

/// A connection that is passed through to an echo, which has sent back its hello.
fn passed(scene: &Scene) -> TcpStream {
    let hello = Client::silent(scene.address(), &scene.clients[1], "alive.test").flight();
    let mut tcp = connect(scene.address());
    exchange(&mut tcp, &hello);
    tcp
}

/// Sends it, and gets back the same.
fn exchange(tcp: &mut TcpStream, piece: &[u8]) {
    tcp.write_all(piece).unwrap();
    let mut came = vec![0; piece.len()];
    tcp.read_exact(&mut came).unwrap();
    assert_eq!(came, piece);
}

#[test]
fn the_same_with_the_librarys_record_layer() {
    let backend = backend();
    let scene = Scene::new(FORTY, &backend, "[runtime]\nrecord_layer = \"rustls\"\n", "idle_timeout = \"1h\"");
    let good = Good::start(scene.established(NAME), b"E");
    let crowd = scene.press(|number| asks(scene.address(), &scene.clients[number % 2], NAME));
    scene.is_alive(FORTY);
    drop(crowd);
    scene.recovers();
    good.finish();
}

const CLIENTS: usize = 2000;
/// Opened before it is looked whether any had to leave.
const ROUND: usize = 50;
const SIXTY_FOUR: usize = 64 << 20;
const FORTY: usize = 40 << 20;
