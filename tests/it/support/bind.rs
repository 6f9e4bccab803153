//! Real name servers that take updates: BIND and Knot, with one zone in a folder of their own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tlsgate::acme::lookup::Lookup;
use tlsgate::acme::settings::{Publisher, Tsig, TsigAlgorithm, Update};
use tlsgate::backend::discover::settings::Settings;

use super::{PATIENCE, dns};

pub(crate) const ZONE: &str = "example.test";

/// May change TXT records at `_acme-challenge` names of the zone.
pub(crate) const KEY: &str = "acme";
/// Is known, and may change nothing.
pub(crate) const POWERLESS: &str = "powerless";

pub(crate) const SECRET: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bind,
    Knot,
}

/// A running name server. Dropping it kills it.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    kind: Kind,
    child: Child,
    folder: TempDir,
}

impl NameServer {
    /// A primary server of the zone, with these records beside those that every zone has.
    pub(crate) fn start(kind: Kind, records: &str) -> Self {
        let folder = TempDir::new().unwrap();
        // The path as it is for the server, which might otherwise be confined to other folders.
        let program = folder.path().join(kind.program());
        // Another process copies it, so that it is never open for writing here while others are started (ETXTBSY).
        let copied = Command::new("cp").arg(format!("/usr/sbin/{}", kind.program())).arg(&program).status().unwrap();
        assert!(copied.success(), "{} is not installed; tests/run installs it", kind.program());
        fs::write(folder.path().join("zone"), zone(records)).unwrap();
        for _ in 0..TRIES {
            let address = free_address();
            fs::write(folder.path().join("conf"), kind.configuration(folder.path(), address)).unwrap();
            let log = File::create(folder.path().join("log")).unwrap();
            let mut child = Command::new(&program)
                .args(kind.arguments())
                .arg(folder.path().join("conf"))
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap();
            if is_up(&mut child, address) {
                return Self { address, kind, child, folder };
            }
        }
        panic!("{kind:?} did not start:\n{}", fs::read_to_string(folder.path().join("log")).unwrap());
    }

    pub(crate) fn lookup(&self) -> Lookup {
        lookup(self.address)
    }

    /// Updates with this key, whose file is as `tsig-keygen` writes it for BIND, and the plain secret for Knot.
    pub(crate) fn publisher(&self, key: &str, secret: &str) -> Publisher {
        let (_, key_file) = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap().keep().unwrap();
        let (text, algorithm) = match self.kind {
            Kind::Bind => (bind_key(key, secret), TsigAlgorithm::HmacSha512),
            Kind::Knot => (format!("{secret}\n"), TsigAlgorithm::HmacSha384),
        };
        fs::write(&key_file, text).unwrap();
        let tsig = Tsig { name: key.to_owned(), key_file, algorithm };
        Publisher::Update(Update { server: self.address, zone: ZONE.to_owned(), tsig: Some(tsig) })
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Look-ups that ask this name server, as resolver and as the zone's own server.
pub(crate) fn lookup(server: SocketAddr) -> Lookup {
    let seconds = Duration::from_secs;
    let settings =
        Settings { name_servers: vec![server], timeout: seconds(10), min_ttl: seconds(1), max_ttl: seconds(1) };
    Lookup::new(&settings).with_port(server.port())
}

/// Waits for the result on a runtime of its own.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Bind => "named",
            Self::Knot => "knotd",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            // In the foreground, with its log on standard error.
            Self::Bind => &["-g", "-c"],
            Self::Knot => &["-c"],
        }
    }

    fn configuration(self, folder: &Path, address: SocketAddr) -> String {
        let (folder, port) = (folder.display(), address.port());
        match self {
            Self::Bind => format!(
                "options {{ directory \"{folder}\"; pid-file none; session-keyfile \"{folder}/session.key\";\n\
                 listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
                 recursion no; notify no; dnssec-validation no; allow-query {{ any; }}; }};\n\
                 controls {{ }};\n{}{}\
                 zone \"{ZONE}\" {{ type primary; file \"{folder}/zone\";\n\
                 update-policy {{ grant {KEY}. zonesub TXT; }}; }};\n",
                bind_key(KEY, SECRET),
                bind_key(POWERLESS, SECRET),
            ),
            Self::Knot => format!(
                "server:\n  rundir: {folder}\n  listen: 127.0.0.1@{port}\ndatabase:\n  storage: {folder}\n\
                 log:\n  - target: stderr\n    any: info\n\
                 key:\n  - id: {KEY}\n    algorithm: hmac-sha384\n    secret: {SECRET}\n\
                 \x20 - id: {POWERLESS}\n    algorithm: hmac-sha384\n    secret: {SECRET}\n\
                 acl:\n  - id: acme\n    key: {KEY}\n    action: update\n\
                 zone:\n  - domain: {ZONE}\n    storage: {folder}\n    file: zone\n    acl: acme\n",
            ),
        }
    }
}

fn bind_key(name: &str, secret: &str) -> String {
    format!("key \"{name}\" {{\n\talgorithm hmac-sha512;\n\tsecret \"{secret}\";\n}};\n")
}

fn zone(records: &str) -> String {
    format!(
        "$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\nready TXT \"yes\"\n{records}"
    )
}

fn free_address() -> SocketAddr {
    let (udp, _tcp) = dns::sockets();
    udp.local_addr().unwrap()
}

/// Whether the server answers from the zone. `false` if it has ended, for example because the port was taken meanwhile.
fn is_up(child: &mut Child, address: SocketAddr) -> bool {
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if wait(lookup(address).txt(&format!("ready.{ZONE}"))).is_ok_and(|found| found == ["yes"]) {
            return true;
        }
        assert!(Instant::now() < until, "the name server does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    false
}

const TRIES: usize = 5;
