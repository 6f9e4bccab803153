//! What an operator does to etcd while releases are published and clients are served: nothing of it stops either.

use std::fs;

use super::{NODES, Proof, is_published};
use crate::support::procfs::eventually;
use crate::support::tool::shown;

impl Proof {
    /// Gives each node the present members, by a reload.
    fn tells_the_members(&self) {
        let urls = self.scene.store.urls();
        for (name, node) in &self.nodes {
            self.scene.machine(name, "");
            node.proxy.signal("HUP");
        }
        for (name, node) in &self.nodes {
            let has_them = || {
                let shown = node.shown();
                let known = shown["etcd"].as_array()?.iter().map(|url| url.as_str()).collect::<Vec<_>>();
                let is_told = known == urls.iter().map(|url| Some(url.as_str())).collect::<Vec<_>>();
                (is_told && shown["connected"] == true).then_some(())
            };
            eventually(&format!("{name} has the members {urls:?}"), has_them);
        }
    }

    /// A node that has lost everything starts, and serves what was published last.
    fn starts_with_nothing(&mut self, name: &'static str) {
        self.kill(name);
        fs::remove_dir_all(self.scene.path(name)).unwrap();
        self.start(name);
        self.load.sees(self.newest);
    }
}

#[test]
fn members_that_are_defragmented_in_turn_stop_nothing() {
    let mut proof = Proof::of_five();
    let store = &proof.scene.store;
    // So that there is something to do: half of it stays.
    let large = vec![b'x'; 1 << 20];
    (0..LARGE).for_each(|number| store.put_bytes(&format!("large/{number:02}"), &large));
    (0..LARGE).step_by(2).for_each(|number| store.delete(&format!("large/{number:02}")));
    store.compact();
    for member in 0..3 {
        let child = proof.begins();
        let (before, after) = proof.scene.store.defragment(member);
        let output = child.wait_with_output().unwrap();
        assert!(is_published(&output), "{}\n{}", shown(&output), proof.told());
        proof.is_served();
        proof.load.goes_on();
        assert!(after < before, "{before} bytes, and {after} after it");
    }
    proof.starts_with_nothing("c");
    proof.publishes();
    proof.ends();
}

#[test]
fn members_are_replaced_by_others_with_other_urls() {
    let mut proof = Proof::of_five();
    let first = proof.scene.store.urls();
    for round in 0..3 {
        // Whoever leads is the first to go; then those that are left from the beginning.
        let leader = proof.scene.store.leader();
        let urls = proof.scene.store.urls();
        let old: Vec<usize> = (0..3).filter(|member| urls[*member] == first[*member]).collect();
        let member = if old.contains(&leader) { leader } else { old[0] };
        // In the middle of a publish, whose outcome is one or the other.
        let mut child = proof.begins();
        proof.scene.store.replace(member);
        child.wait().unwrap();
        let published = proof.settles();
        println!(
            "round {round}: member {member} was replaced, and it was{} published",
            if published { "" } else { " not" }
        );
        // Nodes know the old one yet, and not the new one.
        proof.publishes();
        proof.load.goes_on();
        proof.tells_the_members();
        proof.publishes();
        proof.load.goes_on();
    }
    let urls = proof.scene.store.urls();
    assert!(first.iter().all(|url| !urls.contains(url)), "{first:?} {urls:?}");
    proof.starts_with_nothing(NODES[1]);
    proof.publishes();
    proof.ends();
}

#[test]
fn what_is_compacted_is_missed_by_nobody() {
    let mut proof = Proof::of_five();
    for _ in 0..3 {
        proof.publishes();
        proof.scene.store.compact();
        proof.load.goes_on();
    }
    // One stands still meanwhile, and hears of it only then.
    proof.load.leave("d");
    proof.nodes["d"].proxy.signal("STOP");
    proof.renew();
    let output = proof.scene.publish(&["--note", &proof.newest.to_string(), "--without", "d"]);
    assert!(is_published(&output), "{}", shown(&output));
    proof.scene.store.compact();
    proof.thaws("d");
    proof.is_served();
    proof.starts_with_nothing("b");
    proof.publishes();
    proof.ends();
}

/// Values of 1 MiB.
const LARGE: usize = 48;
