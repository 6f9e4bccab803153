//! Partitions: each test has a network of its own (network_namespaces(7)) in which packets of some connections are dropped.
//!
//! All processes share its loopback interface. A process that is to be cut off has a group of its own; the kernel marks the
//! connections that it opens with that number, and drops packets with that mark in both directions.
//!
//! A partition lasts until those who are to notice have noticed; `TLSGATE_TEST_CUT=60` makes each last that many seconds at least.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;
use std::time::Instant;

use nix::sched::{CloneFlags, unshare};

use super::Proof;
use crate::fleet::node::{Node, run};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

/// Runs `test` on a thread with a network of its own: what it starts, and the threads and programs of these, are in it.
fn alone(test: impl FnOnce() + Send + 'static) {
    let own = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own needs root's rights");
        tool("ip link set lo up");
        tool("nft add table ip cut");
        // Marked before it is looked at.
        tool("nft add chain ip cut marks { type filter hook output priority -150 ; }");
        tool("nft add chain ip cut drops { type filter hook output priority 0 ; }");
        tool(&format!("nft add rule ip cut marks meta skgid {GROUP} ip daddr {ETCD} ct mark set {GROUP}"));
        test();
    };
    let ended = thread::Builder::new().name("network".into()).spawn(own).unwrap().join();
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn tool(command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The connections between etcd and the processes of the group are cut. Returns since when.
fn cut() -> Instant {
    tool(&format!("nft add rule ip cut drops ct mark {GROUP} drop"));
    Instant::now()
}

/// Nothing is cut any more.
fn heal() {
    tool("nft flush chain ip cut drops");
}

impl Proof {
    /// Starts a node again, in the group.
    fn in_group(&mut self, name: &'static str) {
        self.kill(name);
        let mut command = run(&self.scene.path(&format!("{name}/fleet.toml")));
        command.gid(GROUP);
        let proxy = Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("{name} did not start:\n{log}"));
        let node = Node { proxy, folder: self.scene.path(name) };
        node.is_connected();
        self.load.at(name, &self.scene.trusting, node.proxy.address("main"));
        self.nodes.insert(name, node);
    }
}

#[test]
fn a_node_that_is_cut_off_from_etcd_serves_on_and_catches_up() {
    alone(|| {
        let mut proof = Proof::of_five();
        proof.in_group("d");
        proof.publishes();
        let begun = cut();
        // While it still counts as alive it is waited for, and then it is gone: nothing is published without everybody.
        let reason = proof.is_refused();
        assert!(reason.contains("\"d\""), "{reason}");
        proof.is_gone("d");
        eventually("it knows", || (proof.nodes["d"].shown()["connected"] == false).then_some(()));
        proof.load.goes_on();
        // Now it is not waited for.
        let output = proof.publish();
        assert!(output.status.success(), "{output:?}");
        proof.published = proof.files();
        proof.load.goes_on();
        proof.holds(CUT, begun);
        heal();
        proof.load.sees(proof.newest);
        proof.nodes["d"].is_connected();
        proof.publishes();
        proof.ends();
    });
}

#[test]
fn a_publisher_that_is_cut_off_changes_nothing_by_halves() {
    alone(|| {
        let mut proof = Proof::of_five();
        // One node does not answer, so that the publisher waits. It is in the group from its start.
        proof.group = Some(GROUP);
        let mut child = proof.begins_without_answer_of("b");
        proof.group = None;
        let begun = cut();
        proof.thaws("b");
        // Its proposal goes with its lease, while it still waits.
        assert!(!proof.settles(), "it cannot have been published");
        // Others publish meanwhile, and it finds that out.
        proof.publishes();
        proof.holds(CUT, begun);
        heal();
        assert_ne!(child.wait().unwrap().code(), Some(0));
        proof.publishes();
        proof.ends();
    });
}

#[test]
fn members_of_etcd_that_do_not_see_each_other_stop_no_traffic() {
    alone(|| {
        let mut proof = Proof::of_five();
        let leader = proof.scene.store.leader();
        let peers = proof.scene.store.peer_addresses();
        // First the leader alone on its side, then nobody sees anybody.
        for (what, alone) in [("the leader is alone", &peers[leader..=leader]), ("all are alone", &peers[..])] {
            let begun = Instant::now();
            for (ip, port) in alone {
                tool(&format!("nft add rule ip cut drops ip daddr {ip} tcp dport {port} drop"));
                tool(&format!("nft add rule ip cut drops ip saddr {ip} tcp sport {port} drop"));
            }
            if alone.len() == 1 {
                // What it opens itself still arrives. Whoever leads then may reach it without hearing from it: it hears that
                // there is a leader, renews leases, and learns nothing.
                proof.publishes_in_the_end();
            } else {
                for node in proof.nodes.values() {
                    eventually(what, || (node.shown()["connected"] == false).then_some(()));
                }
            }
            proof.load.goes_on();
            proof.holds(CUT, begun);
            heal();
            proof.scene.store.is_healthy();
            for node in proof.nodes.values() {
                node.is_connected();
            }
            proof.publishes();
        }
        proof.ends();
    });
}

/// Of processes that are to be cut off.
const GROUP: u32 = 4242;

/// Where members of etcd listen.
const ETCD: &str = "127.64.0.0-127.192.0.0";

/// How many seconds each partition lasts at least.
const CUT: &str = "TLSGATE_TEST_CUT";
