//! etcd is restored from a backup that is older than what nodes serve.

use std::path::Path;

use super::Proof;
use crate::support::tool;

#[test]
fn a_restored_backup_gets_back_what_nodes_serve() {
    let mut proof = Proof::of_five();
    proof.publishes();
    let backup = proof.scene.path("backup");
    std::fs::create_dir(&backup).unwrap();
    proof.scene.store.offline(|member, data| copy(data, &backup.join(member.to_string())));
    for node in proof.nodes.values() {
        node.is_connected();
    }
    for _ in 0..3 {
        proof.publishes();
    }
    // One node is not there when it happens, and has a release that etcd does not know.
    proof.kill("b");
    proof.is_gone("b");
    proof.publishes();
    let newest = proof.newest;
    proof.scene.store.offline(|member, data| copy(&backup.join(member.to_string()), data));
    proof.load.goes_on();
    for node in proof.nodes.values() {
        node.is_connected();
    }
    proof.start("b");
    proof.load.sees(newest);
    proof.publishes();
    proof.ends();
}

#[test]
fn an_empty_etcd_gets_back_what_nodes_serve() {
    let mut proof = Proof::of_five();
    proof.publishes();
    let newest = proof.newest;
    proof.scene.store.offline(|_, data| std::fs::remove_dir_all(data).unwrap());
    proof.load.goes_on();
    // A node that has nothing gets it from there.
    proof.kill("c");
    std::fs::remove_dir_all(proof.scene.path("c")).unwrap();
    proof.start("c");
    proof.load.sees(newest);
    proof.publishes();
    proof.ends();
}

/// Copies the data of a member that does not run.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let output = tool::run("cp", &["-a", from.to_str().unwrap(), to.to_str().unwrap()], b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
}
