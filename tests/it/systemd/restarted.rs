//! Upgrades in place and restarts under load: while systemd holds the sockets, no connection fails.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustls::ClientConfig;

use super::script;
use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, trusting};
use crate::support::http::Door;
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;
use crate::support::stage::{NAME, certified};

/// A program that holds sockets as systemd does, and starts the proxy with them again and again.
struct Holder {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
    /// Of the proxy's processes.
    log: PathBuf,
}

impl Holder {
    fn new(folder: &std::path::Path, config: &str) -> Self {
        let (path, log) = (folder.join("tlsgate.toml"), folder.join("log"));
        std::fs::write(&path, config).unwrap();
        let admin = format!("admin=unix:{}", folder.join("admin.sock").display());
        let mut command = Command::new("python3");
        command.arg(script()).args(["--hold", "main=tcp:127.0.0.1:0", &admin, "--", PROGRAM, "run", "-c"]).arg(&path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let addresses: Vec<serde_json::Value> = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        let port = u16::try_from(addresses[0][1].as_u64().unwrap()).unwrap();
        Self { child, orders, answers, address: ([127, 0, 0, 1], port).into(), log }
    }

    fn start(&mut self) {
        self.orders.write_all(b"start\n").unwrap();
        assert!(self.answer().starts_with("started "));
    }

    /// The first process has ended in an orderly way.
    fn ended(&mut self) {
        let answer = self.answer();
        assert_eq!(answer, "ended 0", "{}", std::fs::read_to_string(&self.log).unwrap());
    }

    fn answer(&mut self) -> String {
        self.answers.next().unwrap().unwrap()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connects again and again, as long as `done` is false, and each time sends data and waits for it so many times. The first
/// failure ends the test.
pub(crate) fn load(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    times: usize,
    done: &AtomicBool,
    served: &AtomicU64,
) {
    let payload = vec![b'.'; 20_000];
    while !done.load(Ordering::Acquire) {
        let mut client = Client::silent(address, config, NAME);
        client.handshake().unwrap_or_else(|error| panic!("a handshake failed: {error}"));
        for _ in 0..times {
            client.send(&payload).unwrap();
            assert_eq!(client.read_exact(payload.len()), payload);
        }
        client.close_notify().unwrap();
        assert_eq!(client.read_to_end().1, Ending::CloseNotify);
        served.fetch_add(1, Ordering::Relaxed);
    }
}

fn signal(pid: &str, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), pid]).status().unwrap().success());
}

/// Whether a process is there and has not ended.
fn is_alive(pid: &str) -> bool {
    // The third field is the state (proc_pid_stat(5)); Z is one that has ended, and that nobody has waited for yet.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn no_connection_fails_in_upgrades_and_restarts_under_load() {
    let rounds: u64 = std::env::var("TLSGATE_TEST_RESTARTS").map_or(5, |rounds| rounds.parse().unwrap());
    let (pki, backend) = (certified(), Backend::echo());
    let config = format!(
        "[admin]\nlisten = \"systemd:admin\"\n[[listener]]\nname = \"main\"\nlisten = \"systemd:main\"\n\
         certificates = [\"certs\"]\nbackend = \"b\"\n[backend.b]\nservers = [\"{}\"]\n",
        backend.address
    );
    let mut holder = Holder::new(pki.folder(), &config);
    let (address, door) = (holder.address, Door::Unix(pki.folder().join("admin.sock")));
    let pid = || {
        // While nobody accepts, the question waits in the kernel's queue.
        let ready =
            || (door.get("/readyz").status == 200).then(|| door.get("/api/v1/status").json()["pid"].to_string());
        eventually("it is ready", ready)
    };
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        // A failure of this thread must end the others as well.
        let _over = Over(&done);
        // Some of the connections are longer than an upgrade or a restart takes.
        for (tls, times) in Tls::BOTH.into_iter().flat_map(|tls| [(tls, 1), (tls, 200)]) {
            let (config, done, served) = (Arc::new(trusting(&pki.ca(), tls)), &done, &served);
            scope.spawn(move || load(address, &config, times, done, served));
        }
        for round in 0..rounds {
            holder.start();
            let first = pid();
            let seen = served.load(Ordering::Relaxed);
            signal(&first, "USR2");
            holder.ended();
            let second = pid();
            assert_ne!(first, second, "round {round}");
            eventually("the new one serves", || (served.load(Ordering::Relaxed) > seen + 4).then_some(()));
            signal(&second, "TERM");
            // From here on clients wait until the next one starts.
            eventually("it has ended", || (!is_alive(&second)).then_some(()));
        }
        holder.start();
        let last = pid();
        let seen = served.load(Ordering::Relaxed);
        eventually("the last one serves", || (served.load(Ordering::Relaxed) > seen + 4).then_some(()));
        done.store(true, Ordering::Release);
        signal(&last, "TERM");
    });
    holder.ended();
    println!("{rounds} upgrades and {rounds} restarts: {} connections, none failed", served.load(Ordering::Relaxed));
}

/// Sets the flag when it is dropped, also by a panic.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
