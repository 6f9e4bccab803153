//! What a fleet must show: five nodes with an etcd of three members, and clients on all of them, while releases are published,
//! refused, and while something fails. Every publish brings another certificate for one of several names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Node, Scene};
use crate::support::PATIENCE;
use crate::support::etcd::{Etcd, Version};
use crate::support::pki::{Extra, Key};
use crate::support::procfs::eventually;
use crate::support::tool::shown;

mod away;
mod clear;
mod costs;
mod deaths;
mod load;
mod maintenance;
mod partitions;
mod publishes;
mod refused;
mod restored;
mod tampered;

use load::{Load, NAMES, name_of};

/// A fleet under load.
struct Proof {
    /// Dropped first: it does not go on without nodes.
    load: Load,
    nodes: BTreeMap<&'static str, Node>,
    scene: Scene,
    /// The certificate that was made last.
    newest: u64,
    /// The group of who publishes in the background.
    group: Option<u32>,
    /// The files of the certificates that are published, by their names.
    published: BTreeMap<String, (String, String)>,
}

impl Proof {
    /// Five nodes, and etcd of three members.
    fn of_five() -> Self {
        Self::new(Etcd::three(Version::Debian), &NODES)
    }

    fn new(store: Etcd, names: &[&'static str]) -> Self {
        let scene = Scene::on(store);
        let (load, nodes) = (Load::new(), BTreeMap::new());
        let mut proof = Self { load, nodes, scene, newest: 0, group: None, published: BTreeMap::new() };
        for _ in NAMES {
            proof.renew();
        }
        proof.scene.publishes();
        proof.published = proof.files();
        for name in names {
            proof.start(name);
        }
        proof
    }

    /// Starts a node, or starts it again, and sends clients to it.
    fn start(&mut self, name: &'static str) {
        let node = self.scene.node(name);
        node.is_connected();
        self.load.at(name, &self.scene.trusting, node.proxy.address("main"));
        self.nodes.insert(name, node);
    }

    /// Ends a node with SIGKILL, after its clients were called off.
    fn kill(&mut self, name: &str) {
        self.load.leave(name);
        drop(self.nodes.remove(name));
    }

    /// Waits until a node that was killed, or cut off, does not count as alive any more.
    fn is_gone(&self, name: &str) {
        eventually(&format!("{name} is not registered any more"), || {
            let status = self.status()?;
            status["nodes"].as_array()?.iter().all(|node| node["name"] != name).then_some(())
        });
    }

    /// Makes another certificate for one of the names, in the configuration's folder. It is marked with its number.
    fn renew(&mut self) {
        self.newest += 1;
        let name = name_of(self.newest);
        let extra = Extra { common_name: Some(self.newest.to_string()), ..Extra::default() };
        let (certificate, key) = self.scene.pki.pair(&[name], Key::P256, &extra);
        self.scene.write(&format!("gate/certs/{name}.crt"), &certificate);
        self.scene.write(&format!("gate/certs/{name}.key"), &key);
        self.load.expects(self.newest);
    }

    /// Publishes another certificate, and waits until the command has ended.
    fn publish(&mut self) -> Output {
        self.renew();
        self.scene.publish(&["--note", &self.newest.to_string()])
    }

    /// It must succeed, and be served by all nodes.
    fn publishes(&mut self) {
        let output = self.publish();
        assert!(is_published(&output), "{}\n{}", shown(&output), self.told());
        self.is_served();
    }

    /// The same while etcd may have no leader, or nodes do not know yet that their member of etcd tells them nothing.
    fn publishes_in_the_end(&mut self) {
        let begun = Instant::now();
        loop {
            self.renew();
            let output = self.scene.publish(&["--note", &self.newest.to_string(), "--wait", "20s"]);
            if is_published(&output) {
                return self.is_served();
            }
            self.takes_back();
            println!("not published yet: {}", String::from_utf8_lossy(&output.stderr).trim());
            assert!(begun.elapsed() < PATIENCE, "{}\n{}", shown(&output), self.told());
        }
    }

    /// What nodes say, for a failure's message.
    fn told(&self) -> String {
        let one = |(name, node): (&&str, &Node)| {
            let log = node.proxy.log();
            let last: Vec<&str> = log.lines().rev().take(6).collect();
            format!("{name}: {}\n{}\n", node.shown(), last.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        self.nodes.iter().map(one).collect()
    }

    /// It must be refused. Returns the reason.
    fn is_refused(&mut self) -> String {
        let output = self.publish();
        assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
        self.takes_back();
        String::from_utf8(output.stderr).unwrap()
    }

    /// Holds a fault that has begun then for as many seconds as this variable of the environment says, if it says so, during which
    /// clients are served.
    fn holds(&self, variable: &str, begun: Instant) {
        let Ok(seconds) = std::env::var(variable) else { return };
        let least = Duration::from_secs(seconds.parse().unwrap());
        while begun.elapsed() < least {
            self.load.goes_on();
        }
    }

    /// The newest certificate is published: clients must see it on every node.
    fn is_served(&mut self) {
        self.published = self.files();
        self.load.sees(self.newest);
    }

    /// The newest certificate was not published: the folder is as it was before, and no client may ever see it.
    fn takes_back(&mut self) {
        self.load.never(self.newest);
        for (name, (certificate, key)) in &self.published {
            self.scene.write(&format!("gate/certs/{name}.crt"), certificate);
            self.scene.write(&format!("gate/certs/{name}.key"), key);
        }
    }

    fn files(&self) -> BTreeMap<String, (String, String)> {
        let read =
            |name: &str, end: &str| fs::read_to_string(self.scene.path(&format!("gate/certs/{name}.{end}"))).unwrap();
        NAMES.iter().map(|name| ((*name).to_owned(), (read(name, "crt"), read(name, "key")))).collect()
    }

    /// What `tlsgate fleet status` says, and with which code it ended; `None` while etcd does not answer.
    fn status(&self) -> Option<Value> {
        let output = self.scene.verb("status").args(["--format", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Finds out whether the newest certificate was published after all, once nothing is proposed any more.
    fn settles(&mut self) -> bool {
        let status = eventually("nothing is proposed", || self.status().filter(|status| status["proposal"].is_null()));
        let is_published = status["release"]["note"].as_str() == Some(&*self.newest.to_string());
        if is_published {
            self.is_served();
        } else {
            self.takes_back();
        }
        is_published
    }

    /// All nodes serve the same release, and etcd has it, too. Clients are called off. Returns what they have seen.
    fn ends(&mut self) -> Vec<BTreeMap<u64, Instant>> {
        self.load.goes_on();
        let seen = self.load.ends();
        let names: BTreeSet<&str> = self.nodes.keys().copied().collect();
        eventually("all nodes serve the current release, and etcd says so", || {
            let status = self.status()?;
            let nodes = status["nodes"].as_array()?;
            let current = &status["release"]["number"];
            let there: BTreeSet<&str> = nodes.iter().filter_map(|node| node["name"].as_str()).collect();
            let same = self.nodes.values().all(|node| node.shown()["release"]["number"] == *current);
            (there == names && same && status["faults"].as_array()?.is_empty()).then_some(())
        });
        seen
    }
}

/// Also where a node does not serve it yet.
fn is_published(output: &Output) -> bool {
    matches!(output.status.code(), Some(0 | 3))
}

const NODES: [&str; 5] = ["a", "b", "c", "d", "e"];
