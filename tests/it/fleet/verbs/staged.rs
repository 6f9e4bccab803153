//! Canaries: some nodes serve a release first.

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
    let text =
        fleet.fleet_toml("fleet.key", "").replace(&format!("{:?}", fleet.store.urls()), &format!("[{:?}]", way.url));
    fleet.write("held.toml", &text);
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
