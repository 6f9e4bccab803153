//! Parts that were changed in etcd: named, and put there again.

use super::node::{Part, Played};
use super::*;
use crate::support::procfs::eventually;

#[test]
fn parts_that_were_changed_are_put_again_also_with_a_release_that_shares_them() {
    let fleet = Fleet::new();
    let node = Played::new(&fleet, "n0", Part::Ready);
    fleet.publish();
    eventually("it serves", || (node.serves() == Some(1)).then_some(()));
    let repair = || fleet.does(&["publish", "-c", "gate/tlsgate.toml", "--repair"]);
    assert!(repair().contains("all of its parts were read in etcd, and are as they should be"));
    let parts = fleet.keys("part/");
    let damage = |part: &str| {
        let key = format!("/tlsgate/test/{part}");
        let mut value = fleet.store.all()[&key].clone();
        *value.last_mut().unwrap() ^= 1;
        fleet.store.put_bytes(&key, &value);
    };
    let mut named = 0;
    for part in &parts {
        damage(part);
        let output = fleet.run(&["status"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("node n0: release 1 of"), "{text}");
        if text.contains(&format!("fault: release 1: etcd's key {part}: ")) {
            assert_eq!(output.status.code(), Some(1));
            named += 1;
        }
        assert!(repair().contains("1 part had been changed in etcd, or removed: put there again"), "{part}");
        fleet.does(&["status"]);
    }
    // Lists are read, and files are not.
    assert!(named > 0 && named < parts.len(), "{named} of {}", parts.len());
    parts.iter().for_each(|part| damage(part));
    fleet.configure("max_connections = 5");
    let told = repair();
    assert!(told.contains("had been changed in etcd, or removed: put there again"), "{told}");
    assert!(told.contains("release 2 since"), "{told}");
    assert!(repair().contains("are as they should be"));
}
