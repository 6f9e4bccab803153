//! `tlsgate run --fleet`: nodes with a real etcd, and without.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::etcd::{Etcd, Version};
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool::shown;

mod away;
mod begins;
mod canary;
mod changed;
mod follows;
mod meddled;
mod proof;
mod revoked;
mod roles;
mod tickets;
mod users;

/// An etcd, a folder with a configuration, and folders of machines.
struct Scene {
    store: Etcd,
    folder: TempDir,
    pki: Pki,
    backend: Backend,
    /// More keys of [fleet].
    keys: String,
    trusting: Arc<ClientConfig>,
}

/// A machine that runs.
struct Node {
    proxy: Proxy,
    folder: PathBuf,
}

impl Scene {
    fn new() -> Self {
        Self::on(Etcd::one(Version::Debian))
    }

    fn on(store: Etcd) -> Self {
        let pki = Pki::new();
        let trusting = Arc::new(trusting(&pki.ca(), Tls::V13));
        let scene = Self {
            store,
            folder: TempDir::new().unwrap(),
            pki,
            backend: Backend::echo(),
            keys: String::new(),
            trusting,
        };
        scene.write("fleet.key", &format!("{}\n", "0123456789abcdef".repeat(4)));
        scene.certificate("a.test");
        scene.configure("");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_private(&path, text);
    }

    /// A certificate for this name, in the configuration's folder.
    fn certificate(&self, name: &str) {
        let (certificate, key) = self.pki.pair(&[name], Key::P256, &Extra::default());
        self.write(&format!("gate/certs/{name}.crt"), &certificate);
        self.write(&format!("gate/certs/{name}.key"), &key);
    }

    /// The configuration, with more tables after that of its listener.
    fn configure(&self, more: &str) {
        let text = format!(
            "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = \"certs\"\nbackend = \"echo\"\n\
             {more}\n[backend.echo]\nservers = [\"{}\"]\n",
            self.backend.address
        );
        self.write("gate/tlsgate.toml", &text);
    }

    /// Writes `fleet.toml` of a machine, with more tables.
    fn machine(&self, name: &str, more: &str) -> PathBuf {
        let urls = self.store.urls();
        let text = format!(
            "[fleet]\nnode = \"{name}\"\netcd = {urls:?}\nprefix = \"/tlsgate/test\"\nsecret_file = \"../fleet.key\"\n\
             timeout = \"2s\"\n{}[state]\ndirectory = \"state\"\n[admin]\nlisten = \"unix:admin.sock\"\n{more}",
            self.keys
        );
        self.write(&format!("{name}/fleet.toml"), &text);
        self.path(&format!("{name}/fleet.toml"))
    }

    /// Starts a machine, and waits until it serves.
    fn node(&self, name: &str) -> Node {
        self.node_with(name, "")
    }

    fn node_with(&self, name: &str, more: &str) -> Node {
        self.machine(name, more);
        self.start(name)
    }

    /// Starts a machine with the file that it has.
    fn start(&self, name: &str) -> Node {
        let file = self.path(&format!("{name}/fleet.toml"));
        let proxy = Proxy::spawn(run(&file), 1).unwrap_or_else(|log| panic!("{name} did not start:\n{log}"));
        Node { proxy, folder: self.path(name) }
    }

    fn publish(&self, more: &[&str]) -> Output {
        self.publisher(more).output().unwrap()
    }

    /// The command that publishes.
    fn publisher(&self, more: &[&str]) -> Command {
        let config = self.path("gate/tlsgate.toml");
        let mut command = self.verb("publish");
        command.arg("-c").arg(config).args(more);
        command
    }

    /// `tlsgate fleet` with that verb, on a machine that is no node.
    fn verb(&self, verb: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["fleet", verb, "--fleet"]).arg(self.machine("publisher", "")).stdin(Stdio::null());
        command
    }

    /// It must succeed.
    fn publishes(&self) {
        let output = self.publish(&[]);
        assert!(output.status.success(), "{}", shown(&output));
    }

    /// It must be refused. Returns the reason.
    fn is_refused(&self) -> String {
        let output = self.publish(&[]);
        assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Whether a certificate for this name is served there.
    fn serves(&self, address: SocketAddr, name: &str) -> bool {
        Client::silent(address, &self.trusting, name).handshake().is_ok()
    }
}

impl Node {
    fn door(&self) -> Door {
        Door::Unix(self.folder.join("admin.sock"))
    }

    /// What the API says of it.
    fn shown(&self) -> Value {
        self.door().get("/api/v1/fleet").json()["fleet"].clone()
    }

    /// Waits until it serves the release of that number.
    fn serves(&self, number: u64) {
        let found = || (self.shown()["release"]["number"] == number).then_some(());
        eventually(&format!("release {number} is served"), found);
    }

    /// Waits until it is registered.
    fn is_connected(&self) {
        eventually("it is connected", || (self.shown()["connected"] == true).then_some(()));
    }

    fn metric(&self, line: &str) {
        let metrics = || self.door().get("/metrics").body;
        eventually(line, || metrics().lines().any(|found| found == line).then_some(()));
    }

    /// The file of the release that it serves.
    fn release(&self, file: &str) -> PathBuf {
        let root = self.shown()["release"]["root"].as_str().unwrap().to_owned();
        self.folder.join("state/fleet/releases").join(root).join(file)
    }
}

/// The command that starts a machine.
fn run(file: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--fleet"]).arg(file).stdin(Stdio::null());
    command
}

/// The metrics of a node.
pub(crate) fn metrics() -> String {
    let scene = Scene::new();
    scene.publishes();
    scene.node("a").door().get("/metrics").body
}
