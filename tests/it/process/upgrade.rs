//! USR2: another process takes over, and no client that connects meanwhile notices.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, trusting};
use crate::support::http::Door;
use crate::support::proxy::Proxy;
use crate::support::stage::{Lines, NAME, Stage, certified, config};
use crate::support::tool;

/// A process that is not the test's own child; dropping this ends it.
pub(crate) struct Successor(pub(crate) String);

impl Successor {
    /// Asks the proxy for a successor, and waits for it to accept.
    pub(crate) fn of(proxy: &Proxy) -> Self {
        proxy.signal("USR2");
        let line = proxy.log_line("another process has taken over");
        let pid = line.rsplit_once("pid=").unwrap().1;
        Self(pid.trim().to_owned())
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> &str {
        &self.0
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0]).status();
    }
}

#[test]
fn a_new_process_takes_over_under_load_and_no_connection_fails() {
    let backend = Backend::echo();
    let lines = Lines { top: "[admin]\nlisten=\"unix:admin.sock\"\n", ..Lines::default() };
    let mut stage = Stage::new(&[backend.address], lines);
    let (address, before) = (stage.address(), stage.proxy.pid());
    let mut old = stage.client(Tls::V13);
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    let successor = thread::scope(|scope| {
        for tls in Tls::BOTH {
            let (config, done, served) = (stage.config(tls), &done, &served);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let mut client = Client::silent(address, config, NAME);
                    client.handshake().unwrap_or_else(|error| panic!("a handshake failed: {error}"));
                    exchange(&mut client);
                    client.close_notify().unwrap();
                    assert_eq!(client.read_to_end().1, Ending::CloseNotify);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let successor = Successor::of(&stage.proxy);
        // Some more, which the new one serves alone.
        let seen = served.load(Ordering::Relaxed);
        while served.load(Ordering::Relaxed) < seen + 50 {
            thread::yield_now();
        }
        done.store(true, Ordering::Release);
        successor
    });
    // Connected clients stay with the old process, and it waits for them.
    exchange(&mut old);
    let door = Door::Unix(stage.pki.folder().join("admin.sock"));
    let status = door.ask("GET", "/api/v1/status", &[], "").json();
    assert_eq!(status["pid"].to_string(), successor.0);
    assert_ne!(successor.0, before.to_string());
    old.close_notify().unwrap();
    assert_eq!(old.read_to_end().1, Ending::CloseNotify);
    assert_eq!(stage.proxy.ended().code(), Some(0));
    // The old one has left the admin socket to the new one.
    assert_eq!(door.ask("GET", "/readyz", &[], "").status, 200);
    exchange(&mut stage.client(Tls::V12));
}

#[test]
fn where_nobody_can_take_over_everything_stays_as_it_is() {
    let backend = Backend::echo();
    let stage = Stage::plain(backend.address);
    let path = stage.pki.folder().join("tlsgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "[[listener]]\n").unwrap();
    stage.proxy.signal("USR2");
    let line = stage.proxy.log_line("no other process has taken over, everything stays as it is");
    assert!(line.contains("exit status: 1"), "{line}");
    exchange(&mut stage.client(Tls::V13));
    // With the file mended, a successor can take over.
    std::fs::write(&path, text).unwrap();
    let _successor = Successor::of(&stage.proxy);
    exchange(&mut stage.client(Tls::V13));
}

/// The data for the successor does not fit into the channel, and nothing reads it.
#[test]
fn a_successor_that_takes_no_sockets_holds_up_nothing() {
    let (pki, backend) = (certified(), Backend::echo());
    let many: Vec<_> = (1..=SOCKETS).map(|host| format!("\"127.1.{}.{}:0\"", host / 250, host % 250 + 1)).collect();
    let listen = format!("listen = [\"127.0.0.1:0\", {}]", many.join(", "));
    let text = config(&[backend.address], Lines::default()).replace("listen = \"127.0.0.1:0\"", &listen);
    let mut proxy = Proxy::start(pki.folder(), &text);
    let path = pki.folder().join("tlsgate.toml");
    std::fs::remove_file(&path).unwrap();
    // The successor waits for ever in a pipe that has no writer, so it never takes the sockets.
    assert!(tool::run("mkfifo", &[path.to_str().unwrap()], b"").status.success());
    proxy.signal("USR2");
    let line = proxy.log_line("starting another process to take over");
    let _successor = Successor(line.rsplit_once("pid=").unwrap().1.trim().to_owned());
    proxy.signal("TERM");
    assert_eq!(proxy.ended().code(), Some(0));
}

/// A Unix socket never disappears, and clients that wait in it are served by the new process.
#[test]
fn a_unix_socket_goes_over_too() {
    let (pki, backend) = (certified(), Backend::echo());
    let text = config(&[backend.address], Lines::default())
        .replace("listen = \"127.0.0.1:0\"", "listen = [\"127.0.0.1:0\", \"unix:main.sock\"]");
    let mut proxy = Proxy::start(pki.folder(), &text);
    let path = pki.folder().join("main.sock");
    let trust: Arc<ClientConfig> = trusting(&pki.ca(), Tls::V13).into();
    let served = || {
        let connection = ClientConnection::new(Arc::clone(&trust), ServerName::try_from(NAME).unwrap()).unwrap();
        let mut client = StreamOwned::new(connection, UnixStream::connect(&path).unwrap());
        client.write_all(b"ping").unwrap();
        client.read_exact(&mut [0; 4]).unwrap();
        client.conn.send_close_notify();
        client.flush().unwrap();
    };
    let inode = || std::fs::metadata(&path).unwrap().ino();
    served();
    let before = inode();
    let _successor = Successor::of(&proxy);
    served();
    assert_eq!(proxy.ended().code(), Some(0));
    assert_eq!(inode(), before);
    served();
}

/// Another program has put its own socket in place of ours: the successor does not take it for ours, and no process
/// removes it.
#[test]
fn somebody_elses_socket_in_the_place_of_ours_is_neither_taken_over_nor_removed() {
    for is_alive in [true, false] {
        let (pki, backend) = (certified(), Backend::echo());
        let text = config(&[backend.address], Lines::default()).replace(
            "listen = \"127.0.0.1:0\"",
            "listen = [\"127.0.0.1:0\", \"unix:main.sock\"]\nsocket_mode = \"0600\"",
        );
        let mut proxy = Proxy::start(pki.folder(), &text);
        let path = pki.folder().join("main.sock");
        let state = || std::fs::symlink_metadata(&path).map(|found| (found.ino(), found.mode()));
        let ours = state().unwrap();
        std::fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        let theirs = state().unwrap();
        assert_ne!(ours, theirs);
        if is_alive {
            proxy.signal("USR2");
            proxy.log_line("no other process has taken over, everything stays as it is");
            assert_eq!(state().unwrap(), theirs);
            UnixStream::connect(&path).unwrap();
            assert!(other.accept().is_ok());
            proxy.signal("TERM");
        } else {
            // The socket was left behind, as by a killed process: it is replaced, as at any start.
            drop(other);
            let successor = Successor::of(&proxy);
            let fresh = state().unwrap();
            assert!(fresh != theirs && UnixStream::connect(&path).is_ok());
            assert_eq!(proxy.ended().code(), Some(0));
            assert_eq!(state().unwrap(), fresh, "the first process does not remove it");
            drop(successor);
            continue;
        }
        assert_eq!(proxy.wait().code(), Some(0));
        assert_eq!(state().unwrap(), theirs, "it is not removed");
    }
}

#[test]
fn a_successor_that_fails_late_leaves_the_unix_sockets_alone() {
    let backend = Backend::echo();
    let lines = Lines { top: "[admin]\nlisten=\"unix:admin.sock\"\n", ..Lines::default() };
    let stage = Stage::new(&[backend.address], lines);
    let door = Door::Unix(stage.pki.folder().join("admin.sock"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = stage.pki.folder().join("tlsgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let more = text.replace(
        "listen = \"127.0.0.1:0\"",
        &format!("listen = [\"127.0.0.1:0\", \"{}\"]", taken.local_addr().unwrap()),
    );
    assert_ne!(more, text);
    std::fs::write(&path, more).unwrap();
    stage.proxy.signal("USR2");
    stage.proxy.log_line("no other process has taken over, everything stays as it is");
    assert_eq!(door.get("/readyz").status, 200);
    exchange(&mut stage.client(Tls::V13));
}

/// A request to the process that is being replaced may wait for a reload that this process no longer makes.
#[test]
fn a_reload_that_is_asked_for_meanwhile_is_answered_by_one_of_the_two() {
    let backend = Backend::echo();
    let lines = Lines { top: "[admin]\nlisten=\"unix:admin.sock\"\n", ..Lines::default() };
    let mut stage = Stage::new(&[backend.address], lines);
    let door = Door::unix(stage.pki.folder());
    let done = AtomicBool::new(false);
    let _successor = thread::scope(|scope| {
        for _ in 0..REQUESTERS {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    // Without an answer, this panics.
                    let answer = door.ask("POST", "/api/v1/reload", &[], "");
                    assert!([200, 503].contains(&answer.status), "{answer:?}");
                }
            });
        }
        let successor = Successor::of(&stage.proxy);
        assert_eq!(stage.proxy.ended().code(), Some(0));
        done.store(true, Ordering::Release);
        successor
    });
    assert!(!stage.proxy.log().contains("a connection to the admin server is cut"), "{}", stage.proxy.log());
}

/// Enough that one of them waits at any time.
const REQUESTERS: usize = 4;

/// The kernel keeps about 280 packets for a receiver that does not read them.
const SOCKETS: usize = 600;

fn exchange(client: &mut Client) {
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping");
}
