//! Certificates of an authority in a fleet: real nodes, etcd and pebble.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::acme::between::Between;
use crate::support::acme::own_address;
use crate::support::acme::pebble::Pebble;
use crate::support::acme::visitor::{Served, Visitor};
use crate::support::backend::Backend;
use crate::support::etcd::{Etcd, Version};
use crate::support::http::Door;
use crate::support::pki::write_private;
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

mod dies;
mod once;
mod secret;
mod stored;

/// An etcd, an authority, and folders of machines.
struct Scene {
    pebble: &'static Pebble,
    between: Between,
    store: Etcd,
    folder: TempDir,
    /// The name that is ordered.
    name: String,
    _backend: Backend,
}

/// A machine that runs.
struct Node {
    name: &'static str,
    ip: Ipv4Addr,
    folder: PathBuf,
    proxy: Proxy,
}

impl Scene {
    /// A release with one certificate of the authority is published; no node runs.
    fn new() -> Self {
        let (pebble, folder, store, backend) =
            (Pebble::shared(), TempDir::new().unwrap(), Etcd::one(Version::Debian), Backend::echo());
        let ip = own_address();
        fs::create_dir(folder.path().join("gate")).unwrap();
        let between = Between::start(pebble, ip, &folder.path().join("gate"));
        let name = format!("a.f{}.test", ip.octets()[3]);
        let scene = Self { pebble, between, store, folder, name, _backend: backend };
        write_private(&scene.path("fleet.key"), &format!("{}\n", "0123456789abcdef".repeat(4)));
        let config = format!(
            r#"
[resolver]
nameservers = ["{resolver}"]

[acme.test]
directory = "{directory}"
ca = "between.pem"
accept_terms = true
tls_port = {port}
challenges = ["tls-alpn-01"]

[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = [{{ acme = "test", names = ["{name}"], keys = ["ecdsa-p256"] }}]
backend = "echo"

[backend.echo]
servers = ["{backend}"]
"#,
            resolver = pebble.resolver,
            directory = scene.between.directory(),
            port = pebble.tls_port,
            name = scene.name,
            backend = scene._backend.address,
        );
        fs::write(scene.path("gate/tlsgate.toml"), config).unwrap();
        let output = scene.publish();
        assert!(output.status.success(), "{}", tool::shown(&output));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn publish(&self) -> Output {
        let config = self.path("gate/tlsgate.toml").display().to_string();
        self.verb(&["publish", "-c", &config])
    }

    /// `tlsgate fleet` as a publisher.
    fn verb(&self, arguments: &[&str]) -> Output {
        let file = self.machine("publisher", Ipv4Addr::LOCALHOST);
        let mut command = Command::new(PROGRAM);
        command.arg("fleet").args(arguments).arg("--fleet").arg(file);
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn machine(&self, name: &str, ip: Ipv4Addr) -> PathBuf {
        let (urls, port) = (self.store.urls(), self.pebble.tls_port);
        let text = format!(
            "[fleet]\nnode = \"{name}\"\netcd = {urls:?}\nprefix = \"/tlsgate/test\"\nsecret_file = \"../fleet.key\"\n\
             timeout = \"2s\"\n[state]\ndirectory = \"state\"\n[admin]\nlisten = \"unix:admin.sock\"\n\
             [listen]\nmain = [\"{ip}:{port}\"]\n"
        );
        let file = self.path(&format!("{name}/fleet.toml"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    fn node(&self, name: &'static str) -> Node {
        self.start(name, own_address())
    }

    fn start(&self, name: &'static str, ip: Ipv4Addr) -> Node {
        let file = self.machine(name, ip);
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--fleet"]).arg(file).stdin(Stdio::null());
        let proxy = Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("{name} did not start:\n{log}"));
        Node { name, ip, folder: self.path(name), proxy }
    }

    /// Has the name lead to a node.
    fn leads(&self, node: &Node) {
        self.pebble.record("clear-a", &json!({ "host": format!("{}.", self.name) }));
        self.pebble.name(&self.name, node.ip);
    }

    /// Waits until all of them serve one certificate for the name, which is not `old`.
    fn all_serve(&self, nodes: &[&Node], old: Option<&Served>) -> Served {
        let visitor = Visitor::new();
        let look = || {
            let served = |node: &&Node| visitor.served(self.address(node), &self.name).ok();
            let all: Option<Vec<Served>> = nodes.iter().map(served).collect();
            let found = all.and_then(|all| all.iter().all(|one| *one == all[0]).then(|| all[0].clone()));
            let found = found.filter(|served| old.is_none_or(|old| old.serial != served.serial));
            if found.is_none() {
                thread::sleep(Duration::from_millis(50));
            }
            found
        };
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually("a certificate", look)));
        found.unwrap_or_else(|_| {
            let logs: Vec<_> = nodes.iter().map(|node| format!("{}:\n{}", node.name, node.proxy.log())).collect();
            panic!("{}\n{:?}", logs.join("\n\n"), self.store.all().keys())
        })
    }

    fn address(&self, node: &Node) -> SocketAddr {
        (node.ip, self.pebble.tls_port).into()
    }

    /// The keys of the store, without the prefix.
    fn keys(&self, below: &str) -> Vec<String> {
        let all = self.store.all().into_keys();
        let all = all.map(|key| key.strip_prefix("/tlsgate/test/").unwrap().to_owned());
        all.filter(|key| key.starts_with(below)).collect()
    }
}

impl Node {
    fn door(&self) -> Door {
        Door::Unix(self.folder.join("admin.sock"))
    }

    fn acme(&self) -> Value {
        self.door().get("/api/v1/acme").json()
    }

    /// Whether it orders.
    fn orders(&self) -> bool {
        self.acme()["ordered_here"] == true
    }

    /// `tlsgate acme` against it.
    fn run(&self, arguments: &[&str]) -> Output {
        let admin = format!("unix:{}", self.folder.join("admin.sock").display());
        tool::run(PROGRAM, &[&["acme"], arguments, &["--admin", &admin]].concat(), b"")
    }

    fn kill(&mut self) {
        self.proxy.signal("KILL");
        self.proxy.wait();
    }
}

/// The node that orders, and the others.
fn leader<'n>(nodes: &[&'n Node]) -> (&'n Node, Vec<&'n Node>) {
    let at = eventually("one node orders", || {
        let orders: Vec<usize> = (0..nodes.len()).filter(|at| nodes[*at].orders()).collect();
        (orders.len() == 1).then(|| orders[0])
    });
    let others = nodes.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, node)| *node);
    (nodes[at], others.collect())
}
