//! Two directory servers under a load of LDAPS clients, while one of them is killed, restarted, frozen and set to
//! refuse binds. The failures that clients see are counted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{becomes, server, stage};
use crate::support::client::{Tls, patient};
use crate::support::pki::write_private;
use crate::support::procfs::eventually;
use crate::support::slapd::{ADMIN, PASSWORD, Slapd};
use crate::support::stage::{NAME, Stage};

/// One client's connection, from beginning to end.
struct Visit {
    began: Instant,
    result: Result<(), String>,
}

/// Clients that connect again and again until this is dropped.
struct Load {
    visits: Arc<Mutex<Vec<Visit>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(stage: &Stage) -> Self {
        let (visits, stop) = (Arc::<Mutex<Vec<Visit>>>::default(), Arc::<AtomicBool>::default());
        let threads = (0..CLIENTS)
            .map(|number| {
                let (visits, stop) = (Arc::clone(&visits), Arc::clone(&stop));
                let (address, config) = (stage.address(), Arc::clone(stage.config(Tls::BOTH[number % 2])));
                thread::spawn(move || {
                    for _ in 0..MOST_VISITS {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let began = Instant::now();
                        let result = visit(address, &config);
                        visits.lock().unwrap().push(Visit { began, result });
                    }
                })
            })
            .collect();
        Self { visits, stop, threads }
    }

    /// Waits until that many clients that began after a time have been served; none of those that began after it has
    /// failed. Earlier ones that failed are taken out and returned.
    fn served_since(&self, since: Instant, count: usize) -> Vec<String> {
        eventually("clients are served", || {
            let visits = self.visits.lock().unwrap();
            let later = || visits.iter().filter(|visit| visit.began > since);
            let failed: Vec<_> = later().filter_map(|visit| visit.result.as_ref().err()).collect();
            assert!(failed.is_empty(), "{failed:?}");
            (later().count() >= count).then_some(())
        });
        let mut visits = self.visits.lock().unwrap();
        let failed = visits.iter().filter_map(|visit| visit.result.clone().err()).collect();
        visits.retain(|visit| visit.result.is_ok());
        failed
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Binds, and unbinds.
fn visit(address: std::net::SocketAddr, config: &Arc<ClientConfig>) -> Result<(), String> {
    let failure = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let tcp = TcpStream::connect(address).map_err(|error| failure("connect", error))?;
    patient(&tcp);
    let name = ServerName::try_from(NAME).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), tcp);
    let request = [&[0x02, 1, 3, 0x04, 26][..], ADMIN.as_bytes(), &[0x80, 8], PASSWORD.as_bytes()].concat();
    let bind = [&[0x30, 46, 0x02, 1, 1, 0x60, 41][..], &request].concat();
    stream.write_all(&bind).map_err(|error| failure("send", error))?;
    let mut answer = [0; 14];
    stream.read_exact(&mut answer).map_err(|error| failure("receive", error))?;
    if answer != [0x30, 12, 2, 1, 1, 0x61, 7, 0x0a, 1, 0, 4, 0, 4, 0] {
        return Err(format!("refused: {answer:02x?}"));
    }
    stream.conn.send_close_notify();
    stream.flush().map_err(|error| failure("leave", error))
}

#[test]
fn clients_are_led_past_a_directory_server_that_is_killed_frozen_or_refuses_them() {
    let (steady, mut tried) = (Slapd::start(""), Slapd::start(""));
    let folder = tempfile::TempDir::new().unwrap();
    let password = folder.path().join("password");
    write_private(&password, PASSWORD);
    let health = format!(
        "type = \"ldap\", bind_dn = \"{ADMIN}\", password_file = \"{}\", timeout = \"2s\", rise = 1, fall = 2",
        password.display()
    );
    let stage = stage(&[steady.address, tried.address], &health, "balance = \"round_robin\"");
    becomes(&stage, 0, "up");
    becomes(&stage, 1, "up");
    let start = Instant::now();
    let load = Load::start(&stage);
    assert_eq!(load.served_since(start, 50), [""; 0]);

    tried.kill();
    let killed = Instant::now();
    // From now on that server refuses new connections, and clients use the other one before a check has noticed.
    let failed = load.served_since(killed, 50);
    println!("killed: {} of {CLIENTS} clients failed, which it was serving", failed.len());
    assert!(failed.len() <= CLIENTS, "{failed:?}");
    becomes(&stage, 1, "down");
    assert_eq!(load.served_since(Instant::now(), 50), [""; 0]);

    tried.restart(PASSWORD);
    becomes(&stage, 1, "up");
    eventually("it has connections again", || (server(&stage, 1)["connections_active"] != 0).then_some(()));
    assert_eq!(load.served_since(Instant::now(), 50), [""; 0]);

    tried.freeze();
    becomes(&stage, 1, "down");
    // Each earlier client may have reached it, and waits; others have come since.
    let noticed = Instant::now();
    let others = Load::start(&stage);
    assert_eq!(others.served_since(noticed, 50), [""; 0]);
    drop(others);
    let waiting = server(&stage, 1)["connections_active"].clone();
    println!("frozen: {waiting} clients wait for it; none came to it after it was noticed");
    tried.thaw();
    becomes(&stage, 1, "up");
    assert_eq!(load.served_since(Instant::now(), 50), [""; 0]);

    // With another password, it refuses the bind of every client.
    tried.kill();
    tried.restart("another");
    becomes(&stage, 1, "down");
    let failed = load.served_since(Instant::now(), 50);
    println!("refusing: {} were killed or refused until it was noticed", failed.len());
    tried.kill();
    tried.restart(PASSWORD);
    becomes(&stage, 1, "up");
    assert_eq!(load.served_since(Instant::now(), 50), [""; 0]);
    let visits = load.visits.lock().unwrap().len();
    println!("{visits} clients were served");
}

const CLIENTS: usize = 6;
/// Ends the load even if the test does not.
const MOST_VISITS: usize = 100_000;
