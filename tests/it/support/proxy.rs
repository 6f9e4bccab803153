//! The real program, started for one test and stopped with it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PATIENCE;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tlsgate");

/// A running `tlsgate run`. Dropping it kills it.
pub(crate) struct Proxy {
    child: Child,
    addresses: HashMap<String, SocketAddr>,
    access: Arc<Lines>,
    log: Arc<Lines>,
}

impl Proxy {
    /// Writes `config` to `folder/tlsgate.toml` and starts the program with it. Listen on `127.0.0.1:0`, with one
    /// address for each listener, and leave `[log] access` at its default (standard output, JSON).
    pub(crate) fn start(folder: &Path, config: &str) -> Self {
        Self::try_start(folder, config).unwrap_or_else(|log| panic!("tlsgate did not start:\n{log}"))
    }

    /// The same, but returns its standard error if it ends instead of listening.
    pub(crate) fn try_start(folder: &Path, config: &str) -> Result<Self, String> {
        let path = folder.join("tlsgate.toml");
        std::fs::write(&path, with_record_layer(config)).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["run", "-c"]).arg(&path).stdin(Stdio::null());
        let wanted = config.lines().filter(|line| line.trim_start().starts_with("listen ")).count();
        Self::spawn(command, wanted)
    }

    /// Runs a command that becomes `tlsgate run`, with that many addresses to listen on.
    pub(crate) fn spawn(mut command: Command, wanted: usize) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let access = Lines::follow(child.stdout.take().unwrap());
        let log = Lines::follow(child.stderr.take().unwrap());
        let mut proxy = Self { child, addresses: HashMap::new(), access, log };
        let found = proxy.log.wait(|lines| {
            let is_ready = lines.iter().any(|line| line.contains(" ready pid="));
            let lines: Vec<_> = lines.iter().filter_map(|line| listening(line)).collect();
            (lines.len() >= wanted && wanted > 0 && is_ready).then_some(lines)
        });
        match found {
            Some(addresses) => {
                proxy.addresses = addresses.into_iter().collect();
                Ok(proxy)
            }
            None => Err(proxy.log()),
        }
    }

    /// The address of the listener of that name.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.addresses[listener]
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for an access-log record that `is_it` accepts.
    pub(crate) fn record(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let find = |lines: &[String]| lines.iter().map(|line| parse(line)).find(|record| is_it(record));
        let missing = || panic!("no such record in:\n{}\nlog:\n{}", self.access.text(), self.log());
        self.access.wait(find).unwrap_or_else(missing)
    }

    /// Waits until `count` records are there, and returns them all.
    pub(crate) fn records(&self, count: usize) -> Vec<Value> {
        let all = |lines: &[String]| (lines.len() >= count).then(|| lines.iter().map(|line| parse(line)).collect());
        self.access.wait(all).unwrap_or_else(|| panic!("not {count} records in:\n{}", self.access.text()))
    }

    /// Waits for a line of the diagnostic log that contains `text`.
    pub(crate) fn log_line(&self, text: &str) -> String {
        let find = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        self.log.wait(find).unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", self.log()))
    }

    /// The diagnostic log so far.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// Sends a signal (`"TERM"`, `"QUIT"` …).
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the program to end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        // Its output closes when it ends, so the wait after this one is short.
        self.log.wait::<()>(|_| None);
        self.ended()
    }

    /// The same if another process has its output too.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "tlsgate does not end");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they arrive.
#[derive(Default)]
struct Lines {
    seen: Mutex<Seen>,
    news: Condvar,
}

#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    closed: bool,
}

impl Lines {
    fn follow(source: impl Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let shared = Arc::clone(&lines);
        // The program blocks on a full pipe, so a thread reads all the time.
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                shared.seen.lock().unwrap().lines.push(line);
                shared.news.notify_all();
            }
            shared.seen.lock().unwrap().closed = true;
            shared.news.notify_all();
        });
        lines
    }

    /// Waits until `look` finds something, the source ends, or the time is up.
    fn wait<T>(&self, look: impl Fn(&[String]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen.lock().unwrap();
        loop {
            if let Some(found) = look(&seen.lines) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if seen.closed || left.is_zero() {
                return None;
            }
            seen = self.news.wait_timeout(seen, left).unwrap().0;
        }
    }

    fn text(&self) -> String {
        self.seen.lock().unwrap().lines.join("\n")
    }
}

/// Every test can be run with either record layer: `TLSGATE_TEST_RECORD_LAYER=rustls`.
fn with_record_layer(config: &str) -> String {
    match std::env::var("TLSGATE_TEST_RECORD_LAYER") {
        // TOML allows a table only once.
        Ok(layer) if config.contains("[runtime]\n") => {
            config.replacen("[runtime]\n", &format!("[runtime]\nrecord_layer = {layer:?}\n"), 1)
        }
        Ok(layer) => format!("{config}\n[runtime]\nrecord_layer = {layer:?}\n"),
        Err(_) => config.to_owned(),
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
}

/// `… listening listener=main address=127.0.0.1:40123`
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let (name, address) = line.split_once("listening listener=")?.1.split_once(" address=")?;
    Some((name.trim_matches('"').to_owned(), address.trim().parse().ok()?))
}
