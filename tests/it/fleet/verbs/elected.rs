//! While etcd has no leader, a verb asks again.

use std::io::Read as _;

use super::*;

/// What a child says until it says this.
fn until(child: &mut Child, part: &str) {
    let (mut seen, errors) = (Vec::new(), child.stderr.as_mut().unwrap());
    while !String::from_utf8_lossy(&seen).contains(part) {
        let mut some = [0; 256];
        let count = errors.read(&mut some).unwrap();
        assert!(count > 0, "{part:?} is not in {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&some[..count]);
    }
}

#[test]
fn verbs_wait_until_etcd_has_elected_a_leader() {
    let mut fleet = Fleet::with(Etcd::three(Version::Debian));
    fleet.write("fleet.toml", &fleet.fleet_toml("fleet.key", "timeout = \"40s\"\n"));
    assert_eq!(fleet.publish(), 1);
    let leader = fleet.store.leader();
    let dead = [leader, (leader + 1) % 3];
    dead.iter().for_each(|member| fleet.store.kill(*member));
    fleet.certificate("b", "b.test");
    let verbs = [
        &["publish", "-c", "gate/tlsgate.toml"][..],
        &["status"],
        &["history"],
        &["diff", "1", "1"],
        &["drain", "directory/192.0.2.77:389"],
    ];
    let mut started = verbs.map(|verb| (verb, fleet.start(verb)));
    started.iter_mut().for_each(|(_, child)| until(child, "asked again for up to 40 s"));
    dead.iter().for_each(|member| fleet.store.restart(*member));
    for (verb, child) in started {
        let output = child.wait_with_output().unwrap();
        // A member that is not up yet is a fault for it.
        let is_read = verb == ["status"] && String::from_utf8_lossy(&output.stdout).contains("release");
        assert!(output.status.success() || is_read, "{verb:?}: {}", shown(&output));
    }
}

#[test]
fn a_leader_that_stands_still_keeps_nobody_from_publishing() {
    let fleet = Fleet::with(Etcd::three(Version::Debian));
    for number in 1..=2 {
        let leader = fleet.store.leader();
        fleet.store.freeze(leader);
        fleet.certificate(&format!("c{number}"), "c.test");
        assert_eq!(fleet.publish(), number);
        fleet.store.thaw(leader);
        fleet.store.is_healthy();
    }
}
