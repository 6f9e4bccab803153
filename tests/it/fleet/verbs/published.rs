//! Releases: published, listed, compared, taken back.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::node::{Part, Played};
use super::*;
use crate::support::procfs::eventually;

#[test]
fn releases_are_published_listed_compared_and_taken_back_without_a_node() {
    let fleet = Fleet::new();
    assert_eq!(fleet.json(&["history"])["releases"], serde_json::json!([]));
    let told = fleet.does(&["publish", "-c", "gate/tlsgate.toml", "--note", "the first"]);
    for part in ["4 files", "release 1 since", "is the current one", "no node is connected"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(fleet.does(&["publish", "-c", "gate/tlsgate.toml"]).contains("has these files already"));
    fleet.certificate("b", "b.test");
    fleet.configure("max_connections = 77");
    assert_eq!(fleet.publish(), 2);
    // The exit code says that all is well, although nobody is connected: there is nobody who is not as it should be.
    let status = fleet.json(&["status"]);
    assert_eq!((&status["release"]["number"], &status["nodes"]), (&2.into(), &serde_json::json!([])));
    assert_eq!(status["etcd"][0]["leader"], true);

    let diff = fleet.json(&["diff", "1", "2"]);
    let paths: Vec<&str> =
        diff["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["certs/b.crt", "certs/b.key", "tlsgate.toml"]);
    let text = fleet.does(&["diff", "1"]);
    assert!(text.contains("+ b.test until") && text.contains("+ max_connections = 77"), "{text}");
    let key = read(&fleet.path("gate/certs/b.key"));
    assert!(!text.contains(key.lines().nth(1).unwrap()), "{text}");
    assert!(fleet.does(&["diff", "2", "2"]).contains("the same files"));

    let back = fleet.json(&["rollback", "1"]);
    assert_eq!((&back["release"]["number"], &back["release"]["note"]), (&3.into(), &"back to release 1".into()));
    assert!(fleet.does(&["diff", "1", "3"]).contains("the same files"));
    let history = fleet.json(&["history", "-n", "2"]);
    let numbers: Vec<_> = history["releases"].as_array().unwrap().iter().map(|one| one["number"].clone()).collect();
    assert_eq!(numbers, [3, 2]);
    assert_eq!(history["releases"][0]["current"], true);
    assert!(fleet.does(&["history"]).contains("the first"));
    assert!(fleet.refuses(&["rollback", "9"]).contains("found no release 9, expected one of those from 1 to 3"));
}

#[test]
fn what_one_node_refuses_changes_nothing_and_is_answered_with_its_name() {
    let fleet = Fleet::new();
    let nodes = [Played::new(&fleet, "n0", Part::Ready), Played::new(&fleet, "n1", Part::Ready)];
    assert_eq!(fleet.publish(), 1);
    nodes.iter().for_each(|node| eventually("it serves", || (node.serves() == Some(1)).then_some(())));
    assert!(fleet.does(&["status", "--expect", "n0", "n1"]).contains("node n1: release 1"));
    let leader = fleet.json(&["status"])["leader"].clone();
    assert!(leader == "n0" || leader == "n1", "{leader}");
    nodes[1].plays(Part::Refuses("tlsgate.toml: line 3: the port is in use".into()));
    fleet.configure("max_connections = 5");
    let before = fleet.store.all();
    let error = fleet.refuses(&["publish", "-c", "gate/tlsgate.toml"]);
    assert!(error.contains("nothing has changed: node \"n1\": tlsgate.toml: line 3: the port is in use"), "{error}");
    let after = fleet.store.all();
    let key = "/tlsgate/test/control/current";
    assert_eq!((&before[key], fleet.keys("release/").len()), (&after[key], 1));
    assert!(!after.keys().any(|key| key.contains("control/proposal")));
    let output = fleet.run(&["publish", "-c", "gate/tlsgate.toml", "--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["published"], &answer["node"]), (&false.into(), &"n1".into()));
    assert_eq!(output.status.code(), Some(1));
    // Left out, it stays with what it has, and is told to be behind.
    fleet.does(&["publish", "-c", "gate/tlsgate.toml", "--without", "n1"]);
    eventually("it serves", || (nodes[0].serves() == Some(2)).then_some(()));
    let status = fleet.run(&["status", "--expect", "n0", "n2"]);
    let (text, code) = (String::from_utf8(status.stdout).unwrap(), status.status.code());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("fault: node \"n1\":") && text.contains("fault: not connected: n2"), "{text}");
}

#[test]
fn a_publish_that_is_interrupted_or_too_late_changes_nothing_and_others_are_told_who_publishes() {
    let fleet = Fleet::new();
    let _silent = Played::new(&fleet, "n0", Part::Silent);
    let error = fleet.refuses(&["publish", "-c", "gate/tlsgate.toml", "--wait", "1s"]);
    assert!(error.contains("nothing has changed: no answer in time from n0"), "{error}");
    let first = fleet.start(&["publish", "-c", "gate/tlsgate.toml"]);
    eventually("it is proposed", || (!fleet.keys("control/proposal").is_empty()).then_some(()));
    let status = fleet.json(&["status"]);
    assert_eq!(status["proposal"]["answers"][0]["state"], "has not answered yet");
    let error = fleet.refuses(&["publish", "-c", "gate/tlsgate.toml"]);
    assert!(error.contains("found another release that is being published by"), "{error}");
    kill(Pid::from_raw(i32::try_from(first.id()).unwrap()), Signal::SIGINT).unwrap();
    let output = first.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("interrupted: release 1 is withdrawn, and nothing has changed"), "{error}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("release 1 is proposed; waiting for n0"));
    assert_eq!(fleet.keys("control/"), ["control/leader", "control/tickets"]);
}

#[test]
fn a_server_that_is_drained_is_out_of_rotation_on_every_node() {
    let fleet = Fleet::new();
    let node = Played::new(&fleet, "n0", Part::Ready);
    assert!(fleet.refuses(&["drain", "directory/192.0.2.77:389"]).contains("found no release"));
    fleet.publish();
    let error = fleet.refuses(&["drain", "nowhere/192.0.2.77:389"]);
    assert!(error.contains("found no backend \"nowhere\" in release 1, expected one of directory"), "{error}");
    assert!(fleet.does(&["drain", "directory/192.0.2.77:389"]).contains("will be out of rotation on every node"));
    eventually("the node knows", || (node.drained() == ["directory/192.0.2.77:389"]).then_some(()));
    assert!(fleet.does(&["drain", "directory/192.0.2.77:389"]).contains("was out of rotation already"));
    assert_eq!(fleet.json(&["status"])["drained"][0]["server"], "192.0.2.77:389");
    // What a restored store has forgotten is put back.
    fleet.store.delete("/tlsgate/test/control/drained");
    eventually("it is put back", || (!fleet.keys("control/drained").is_empty()).then_some(()));
    assert_eq!(fleet.json(&["drain", "directory/192.0.2.77:389", "--undo"])["changed"], true);
    eventually("the node knows", || node.drained().is_empty().then_some(()));
    let unknown = fleet.run(&["drain", "directory/192.0.2.78:389"]);
    assert!(unknown.status.success());
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("warning: backend \"directory\" has no server"));
}

#[test]
fn a_release_that_a_node_does_not_serve_yet_counts_and_the_exit_code_says_so() {
    let fleet = Fleet::new();
    let _nodes = [Played::new(&fleet, "n0", Part::Ready), Played::new(&fleet, "n1", Part::Stuck)];
    let output = fleet.run(&["publish", "-c", "gate/tlsgate.toml", "--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert_eq!((&answer["published"], &answer["behind"]), (&true.into(), &serde_json::json!(["n1"])));
    let output = fleet.run(&["rollback", "1", "--without", "n1"]);
    assert_eq!(output.status.code(), Some(0), "it is not waited for: {}", shown(&output));
}

#[test]
fn that_nobody_leads_is_a_fault() {
    let fleet = Fleet::new();
    fleet.publish();
    let node = Played::new(&fleet, "n0", Part::Ready);
    eventually("it serves", || (node.serves() == Some(1)).then_some(()));
    fleet.does(&["status"]);
    // What no candidate can open, and what goes with nobody's lease.
    let status = || fleet.run(&["status", "--format", "json"]);
    fleet.store.put_bytes("/tlsgate/test/control/leader", b"x");
    eventually("somebody leads again", || status().status.success().then_some(()));
    // A leader that is gone, and nobody may take its place.
    let alone = Fleet::new();
    fs::copy(fleet.path("fleet.key"), alone.path("fleet.key")).unwrap();
    for key in ["control/current", "node/n0"] {
        let key = format!("/tlsgate/test/{key}");
        alone.store.put_bytes(&key, &fleet.store.all()[&key]);
    }
    let output = alone.run(&["status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("fault: nobody leads, expected one of"), "{text}");
    assert!(text.starts_with("node n0: release 1 of"), "{text}");
    let damaged = "fault: release 1: found 1 of its parts missing";
    assert!(text.contains(damaged), "{text}");
}
