//! The least rights in etcd that the documents name are enough for a node; without those for the lead, it says so.

use std::fs;

use super::Scene;
use crate::support::etcd::{Etcd, Version};
use crate::support::procfs::eventually;

/// The keys to which the documents let a node write.
fn documented() -> Vec<String> {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fleet.md")).unwrap();
    let rights = document.split("role add tlsgate-node").nth(1).unwrap();
    let keys = rights.split("for key in ").nth(1).unwrap().split(';').next().unwrap();
    let keys: Vec<String> = keys.split_whitespace().map(|key| format!("/tlsgate/test/{key}")).collect();
    assert!(keys.len() > 4, "{keys:?}");
    keys
}

#[test]
fn the_rights_of_a_node_are_enough_to_lead_and_who_lacks_them_says_so() {
    let documented = documented();
    let (of_leader, others): (Vec<_>, Vec<_>) = documented.iter().partition(|key| key.ends_with("control/leader"));
    let [of_leader] = &of_leader[..] else { panic!("{documented:?}") };
    let mut rights = vec!["read /tlsgate/test/".to_owned()];
    rights.extend(others.iter().map(|key| format!("readwrite {key}")));
    let mut store = Etcd::one(Version::Debian);
    store.with_user("node", "a password", &rights.iter().map(String::as_str).collect::<Vec<_>>());
    let mut scene = Scene::on(store);
    scene.write("root", "secret of root\n");
    scene.write("password", "a password\n");
    scene.keys = "username = \"root\"\npassword_file = \"../root\"\n".into();
    scene.publishes();
    scene.keys = "username = \"node\"\npassword_file = \"../password\"\n".into();
    let node = scene.node("a");
    node.is_connected();
    let trouble = || node.shown()["leader_trouble"].as_str().map(str::to_owned);
    let trouble = eventually("it says that it cannot lead", trouble);
    assert!(trouble.contains("permission denied"), "{trouble}");
    node.proxy.log_line("this node cannot take the lead, or share keys of session tickets");
    node.metric("tlsgate_fleet_leader_trouble{node=\"a\"} 1");
    let status = |scene: &Scene| {
        let output = scene.verb("status").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = status(&scene);
    assert!(code == Some(1) && text.contains("fault: nobody leads, expected one of the nodes"), "{text}");
    scene.store.ctl(&["role", "grant-permission", "node", "readwrite", "--prefix", of_leader]);
    eventually("it leads", || (node.shown()["leader"] == "a").then_some(()));
    eventually("it shares keys of tickets", || node.folder.join("state/fleet/tickets.keys").is_file().then_some(()));
    assert!(scene.store.all().contains_key("/tlsgate/test/control/tickets"));
    eventually("nothing is wrong", || node.shown()["leader_trouble"].is_null().then_some(()));
    node.metric("tlsgate_fleet_leader_trouble{node=\"a\"} 0");
    let (code, text) = status(&scene);
    assert!(code == Some(0) && text.contains("leader: a\n"), "{text}");
}
