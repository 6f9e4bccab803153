//! Whoever dies: a member of etcd, its leader, a node while it prepares, the node that leads, the publisher.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::Proof;
use crate::fleet::node::{Node, run};
use crate::support::procfs::eventually;

impl Proof {
    /// Begins to publish another certificate, and does not wait.
    pub(super) fn begins(&mut self) -> Child {
        self.renew();
        let mut command = self.scene.publisher(&["--note", &self.newest.to_string()]);
        if let Some(group) = self.group {
            command.gid(group);
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Begins to publish while this node is frozen, and returns when all others are ready.
    pub(super) fn begins_without_answer_of(&mut self, name: &str) -> Child {
        self.load.leave(name);
        let others: Vec<&Node> = self.nodes.iter().filter(|(node, _)| **node != name).map(|(_, node)| node).collect();
        let prepared: Vec<u64> = others.iter().map(|node| node.prepared()).collect();
        self.nodes[name].proxy.signal("STOP");
        let child = self.begins();
        for (before, name) in prepared.iter().zip(self.nodes.keys().filter(|node| **node != name)) {
            let more = || (self.nodes[name].prepared() > *before).then_some(());
            eventually(&format!("{name} is ready"), more);
        }
        child
    }

    /// It goes on, and so do its clients.
    pub(super) fn thaws(&mut self, name: &'static str) {
        self.nodes[name].proxy.signal("CONT");
        let address = self.nodes[name].proxy.address("main");
        self.load.at(name, &self.scene.trusting, address);
    }

    /// The node that leads.
    pub(super) fn leader(&self) -> &'static str {
        eventually("a node leads", || {
            let known: Vec<Value> = self.nodes.values().map(|node| node.shown()["leader"].clone()).collect();
            self.nodes.keys().find(|name| known.iter().all(|leader| leader == *name)).copied()
        })
    }
}

impl Node {
    /// How many releases it has prepared.
    fn prepared(&self) -> u64 {
        let metrics = self.door().get("/metrics").body;
        let count =
            metrics.lines().find_map(|line| line.strip_prefix("tlsgate_fleet_prepare_total{result=\"ready\"} "));
        count.map_or(0, |count| count.parse().unwrap())
    }
}

#[test]
fn a_member_of_etcd_that_dies_stops_nothing() {
    let mut proof = Proof::of_five();
    for what in ["a follower", "the leader"] {
        let leader = proof.scene.store.leader();
        let member = if what == "the leader" { leader } else { (leader + 1) % 3 };
        // In the middle of a publish, whose outcome is one or the other.
        let mut child = proof.begins();
        proof.scene.store.kill(member);
        child.wait().unwrap();
        let published = proof.settles();
        println!("{what} killed while a release is published: it was{} published", if published { "" } else { " not" });
        proof.publishes();
        proof.load.goes_on();
        proof.scene.store.restart(member);
        proof.scene.store.is_healthy();
        proof.publishes();
    }
    proof.ends();
}

#[test]
fn a_node_that_dies_while_it_prepares_takes_its_release_back() {
    let mut proof = Proof::of_five();
    let child = proof.begins_without_answer_of("c");
    proof.kill("c");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let reason = String::from_utf8(output.stderr).unwrap();
    assert!(reason.contains("\"c\"") && reason.contains("nothing has changed"), "{reason}");
    proof.takes_back();
    proof.load.goes_on();
    proof.publishes();
    proof.start("c");
    proof.load.sees(proof.newest);
    proof.publishes();
    proof.ends();
}

impl Proof {
    /// Begins to publish another certificate, and returns when a node serves it.
    fn begins_and_is_committed(&mut self) -> Child {
        let number = |node: &Node| node.shown()["release"]["number"].as_u64();
        let before = number(&self.nodes["d"]);
        let child = self.begins();
        let is_served = || self.nodes.values().any(|node| number(node) > before).then_some(());
        eventually("a node serves it", is_served);
        child
    }
}

#[test]
fn a_node_that_dies_in_any_phase_leaves_no_mixed_state() {
    let mut proof = Proof::of_five();
    // It has answered that it is ready, and not all have.
    let mut child = proof.begins_without_answer_of("b");
    proof.kill("c");
    proof.thaws("b");
    child.wait().unwrap();
    let published = proof.settles();
    println!("killed when it was ready: it was{} published", if published { "" } else { " not" });
    // While it starts, and then while all swap.
    let mut starting = run(&proof.scene.path("c/fleet.toml")).stderr(Stdio::null()).spawn().unwrap();
    starting.kill().unwrap();
    starting.wait().unwrap();
    proof.start("c");
    proof.publishes();
    let mut child = proof.begins_and_is_committed();
    proof.kill("c");
    child.wait().unwrap();
    assert!(proof.settles(), "a node has served what was not published");
    proof.start("c");
    proof.load.sees(proof.newest);
    proof.publishes();
    proof.ends();
}

#[test]
fn a_publisher_that_dies_after_the_commit_has_published() {
    let mut proof = Proof::of_five();
    let mut child = proof.begins_and_is_committed();
    let _ = child.kill();
    child.wait().unwrap();
    assert!(proof.settles(), "a node has served what was not published");
    proof.publishes();
    proof.ends();
}

#[test]
fn the_node_that_leads_dies_and_another_one_leads() {
    let mut proof = Proof::of_five();
    let first = proof.leader();
    proof.kill(first);
    let second = proof.leader();
    assert_ne!(first, second);
    proof.is_gone(first);
    proof.publishes();
    proof.start(first);
    proof.publishes();
    assert_eq!(proof.leader(), second);
    proof.ends();
}

#[test]
fn a_publisher_that_dies_before_the_commit_has_changed_nothing() {
    let mut proof = Proof::of_five();
    let mut child = proof.begins_without_answer_of("b");
    child.kill().unwrap();
    child.wait().unwrap();
    proof.thaws("b");
    // Its proposal goes with its lease.
    assert!(!proof.settles(), "what was not committed was published");
    proof.load.goes_on();
    proof.publishes();
    proof.ends();
}
