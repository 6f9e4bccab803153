//! etcd is away for longer than leases live, or stands still: clients are served all the time, and the fleet is whole afterwards.
//! `TLSGATE_TEST_AWAY=600` keeps it away for that many seconds at least.

use std::time::Instant;

use super::Proof;
use crate::support::procfs::eventually;

impl Proof {
    /// Waits until every node has lost its lease: it is over only when nodes know that.
    fn is_cut_off(&self, names: &[&str]) {
        for name in names {
            eventually(&format!("{name} has no lease"), || {
                (self.nodes[*name].shown()["connected"] == false).then_some(())
            });
        }
    }

    /// Nothing can be published meanwhile, and clients are served.
    fn is_read_only(&mut self) {
        self.renew();
        let output = self.scene.publish(&["--wait", "2s"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        self.takes_back();
        self.load.goes_on();
    }

    fn is_whole_again(&mut self) {
        self.scene.store.is_healthy();
        for node in self.nodes.values() {
            node.is_connected();
        }
        self.publishes();
    }
}

#[test]
fn etcd_is_away_and_comes_back() {
    let mut proof = Proof::of_five();
    let begun = Instant::now();
    (0..3).for_each(|member| proof.scene.store.stop(member));
    proof.is_cut_off(&super::NODES);
    proof.is_read_only();
    // A node that starts meanwhile has its last release, and ready is ready.
    proof.kill("d");
    let node = proof.scene.node("d");
    assert_eq!(node.door().get("/readyz").status, 200);
    proof.load.at("d", &proof.scene.trusting, node.proxy.address("main"));
    proof.nodes.insert("d", node);
    proof.load.goes_on();
    proof.holds(AWAY, begun);
    (0..3).for_each(|member| proof.scene.store.restart(member));
    proof.is_whole_again();
    proof.ends();
}

#[test]
fn one_frozen_member_of_etcd_stops_nothing() {
    let mut proof = Proof::of_five();
    let leader = proof.scene.store.leader();
    for member in [(leader + 1) % 3, leader] {
        proof.scene.store.freeze(member);
        proof.publishes();
        proof.load.goes_on();
        proof.scene.store.thaw(member);
        proof.is_whole_again();
    }
    proof.ends();
}

#[test]
fn most_members_of_etcd_frozen_is_etcd_away() {
    let mut proof = Proof::of_five();
    let leader = proof.scene.store.leader();
    let begun = Instant::now();
    for member in [leader, (leader + 1) % 3] {
        proof.scene.store.freeze(member);
    }
    proof.is_cut_off(&super::NODES);
    proof.is_read_only();
    proof.holds(AWAY, begun);
    for member in [leader, (leader + 1) % 3] {
        proof.scene.store.thaw(member);
    }
    proof.is_whole_again();
    proof.ends();
}

/// How many seconds etcd is away at least.
const AWAY: &str = "TLSGATE_TEST_AWAY";
