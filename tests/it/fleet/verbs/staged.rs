//! Canaries: some nodes serve a release first.

use std::io::{BufRead as _, BufReader};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::held::Held;
use super::node::{Part, Played};
use super::*;
use crate::support::procfs::eventually;

fn serves(node: &Played, number: u64) {
    eventually("it serves", || (node.serves() == Some(number)).then_some(()));
}

/// Waits until a publisher has ended, and not for the hour that it would watch a canary. Returns its code and its errors.
fn ended(mut publish: Child) -> (Option<i32>, String) {
    eventually("it ends", || publish.try_wait().unwrap());
    let output = publish.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_canary_that_stays_well_is_followed_by_all() {
    let fleet = Fleet::new();
    let nodes = ["n0", "n1"].map(|name| Played::new(&fleet, name, Part::Ready));
    let error = fleet.refuses(&["publish", "-c", "gate/tlsgate.toml", "--canary", "n0"]);
    assert!(error.contains("found no release yet"), "{error}");
    fleet.publish();
    fleet.configure("max_connections = 5");
    let error = fleet.refuses(&["publish", "-c", "gate/tlsgate.toml", "--canary", "n7"]);
    assert!(error.contains("found \"n7\" as a canary, expected nodes that are connected (n0, n1)"), "{error}");
    let told = fleet.does(&["publish", "-c", "gate/tlsgate.toml", "--canary", "n0", "--for", "1s"]);
    assert!(told.contains("is served by n0, which are watched") && told.contains("release 3 since"), "{told}");
    nodes.iter().for_each(|node| serves(node, 3));
    let history = fleet.json(&["history"]);
    assert_eq!(history["releases"][1]["canary"]["nodes"], serde_json::json!(["n0"]));
    assert_eq!(history["releases"][1]["canary"]["root"], history["releases"][0]["root"]);
    assert_eq!(history["releases"][1]["root"], history["releases"][2]["root"]);
}

#[test]
fn a_canary_that_dies_brings_all_back() {
    let fleet = Fleet::new();
    let [canary, other] = ["n0", "n1"].map(|name| Played::new(&fleet, name, Part::Ready));
    fleet.publish();
    fleet.configure("max_connections = 5");
    let publish = fleet.start(&["publish", "-c", "gate/tlsgate.toml", "--canary", "n0", "--for", "1h"]);
    serves(&canary, 2);
    serves(&other, 2);
    drop(canary);
    let (code, error) = ended(publish);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("canary: node \"n0\" is gone; release 3 has the files of release 1 again"), "{error}");
    serves(&other, 3);
    assert!(fleet.does(&["diff", "1", "3"]).contains("the same files"));
}

#[test]
fn a_publisher_whose_terminal_is_closed_brings_all_back_and_one_that_is_killed_leaves_a_time() {
    let fleet = Fleet::new();
    let [canary, _other] = ["n0", "n1"].map(|name| Played::new(&fleet, name, Part::Ready));
    fleet.publish();
    fleet.configure("max_connections = 5");
    // Where the tests were started by nohup, all that they start would ignore the signal, as it should.
    let start = || {
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", PROGRAM, "fleet", "publish", "-c", "gate/tlsgate.toml"]);
        command.args(["--canary", "n0", "--for", "1h"]).current_dir(fleet.folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let publish = start();
    serves(&canary, 2);
    // It is watched from a moment after that on.
    eventually("it is watched", || {
        let until = &fleet.json(&["status"])["release"]["canary"]["until"];
        until.is_string().then_some(())
    });
    kill(Pid::from_raw(i32::try_from(publish.id()).unwrap()), Signal::SIGHUP).unwrap();
    let (code, error) = ended(publish);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("canary: interrupted; release 3 has the files of release 1 again"), "{error}");
    serves(&canary, 3);
    let mut publish = start();
    serves(&canary, 4);
    publish.kill().unwrap();
    publish.wait().unwrap();
    let status = fleet.does(&["status"]);
    assert!(status.contains("a canary: n0 alone serve what is new, until 2"), "{status}");
}

#[test]
fn a_publisher_that_is_interrupted_while_it_commits_brings_all_back() {
    let fleet = Fleet::new();
    let [canary, _other] = ["n0", "n1"].map(|name| Played::new(&fleet, name, Part::Ready));
    fleet.publish();
    fleet.configure("max_connections = 5");
    let way = Held::before(&fleet.store.urls()[0], "/tlsgate/test/control/current");
    through(&fleet, &way);
    let publish =
        fleet.start(&["publish", "--fleet", "held.toml", "-c", "gate/tlsgate.toml", "--canary", "n0", "--for", "1h"]);
    way.is_held();
    serves(&canary, 2);
    kill(Pid::from_raw(i32::try_from(publish.id()).unwrap()), Signal::SIGTERM).unwrap();
    // It has heard of it, and not yet that its release counts.
    way.is_given_up();
    way.lets_go();
    serves(&canary, 3);
    let (code, error) = ended(publish);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("canary: interrupted; release 3 has the files of release 1 again"), "{error}");
}

/// What a publisher takes whose way to etcd is this one.
fn through(fleet: &Fleet, way: &Held) {
    let text =
        fleet.fleet_toml("fleet.key", "").replace(&format!("{:?}", fleet.store.urls()), &format!("[{:?}]", way.url));
    fleet.write("held.toml", &text);
}

/// Somebody else publishes. Returns the root.
fn other_publishes(fleet: &Fleet, number: u64) -> String {
    fleet.configure("max_connections = 6");
    let done = fleet.json(&["publish", "-c", "gate/tlsgate.toml"]);
    assert_eq!(done["release"]["number"], number, "{done}");
    done["release"]["root"].as_str().unwrap().to_owned()
}

/// That release is the current one, for all nodes.
fn counts(fleet: &Fleet, root: &str) {
    let release = &fleet.json(&["status"])["release"];
    assert!(release["root"] == root && release["canary"].is_null(), "{release}");
}

#[test]
fn a_canary_takes_back_nothing_that_was_published_while_it_was_put() {
    let fleet = Fleet::new();
    let nodes = ["n0", "n1"].map(|name| Played::new(&fleet, name, Part::Ready));
    fleet.publish();
    fleet.configure("max_connections = 5");
    // It has looked at what is served, and proposes.
    let way = Held::at(&fleet.store.urls()[0], "\"request_put\":{", "/tlsgate/test/control/proposal");
    through(&fleet, &way);
    let publish =
        fleet.start(&["publish", "--fleet", "held.toml", "-c", "gate/tlsgate.toml", "--canary", "n0", "--for", "1s"]);
    way.is_held();
    let root = other_publishes(&fleet, 2);
    way.lets_go();
    let (code, error) = ended(publish);
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("nothing has changed: found release 2 by ") && error.contains("expected release 1"),
        "{error}"
    );
    counts(&fleet, &root);
    nodes.iter().for_each(|node| serves(node, 2));
}

#[test]
fn a_canary_that_is_cut_off_and_goes_back_takes_back_nothing_that_was_published_meanwhile() {
    let fleet = Fleet::new();
    let [canary, _other] = ["n0", "n1"].map(|name| Played::new(&fleet, name, Part::Ready));
    fleet.publish();
    fleet.configure("max_connections = 5");
    let way = Held::at(&fleet.store.urls()[0], "", "/tlsgate/test/control/nothing");
    through(&fleet, &way);
    let mut publish =
        fleet.start(&["publish", "--fleet", "held.toml", "-c", "gate/tlsgate.toml", "--canary", "n0", "--for", "1h"]);
    let mut told = BufReader::new(publish.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(told.any(|line| line.ends_with("is served by n0, which are watched")));
    serves(&canary, 2);
    way.falls_silent();
    let root = other_publishes(&fleet, 3);
    kill(Pid::from_raw(i32::try_from(publish.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(told.any(|line| line == "canary: interrupted; going back"));
    way.lets_go();
    let (code, error) = ended(publish);
    assert_eq!(code, Some(1), "{error}");
    let expected = "canary: interrupted; going back: nothing has changed: found release 3 by ";
    assert!(error.contains(expected) && error.contains("expected release 2"), "{error}");
    counts(&fleet, &root);
    serves(&canary, 3);
}

#[test]
fn files_that_another_release_has_replaced_while_they_were_put_are_published() {
    let fleet = Fleet::new();
    fleet.publish();
    // It has looked at what is served, and finds out what etcd lacks of it.
    let way = Held::at(&fleet.store.urls()[0], "", "/tlsgate/test/parts-generation");
    through(&fleet, &way);
    fleet.write("gate/same.toml", &read(&fleet.path("gate/tlsgate.toml")));
    let publish = fleet.start(&["publish", "--fleet", "held.toml", "-c", "gate/same.toml"]);
    way.is_held();
    other_publishes(&fleet, 2);
    way.lets_go();
    let (code, error) = ended(publish);
    assert_eq!(code, Some(0), "{error}");
    assert!(fleet.does(&["diff", "1", "3"]).contains("the same files"));
}
