//! The start of a node: what it waits for, and what it does not use.

use std::io::Read as _;
use std::process::Stdio;

use crate::support::proxy::Proxy;

use super::{Node, Scene, run};

#[test]
fn a_first_start_waits_for_a_release_and_serves_it() {
    let scene = Scene::new();
    let file = scene.machine("a", "");
    std::thread::scope(|threads| {
        let starting = threads.spawn(|| Proxy::spawn(run(&file), 1).unwrap_or_else(|log| panic!("{log}")));
        // It may wait for it already or not.
        scene.publishes();
        let node = Node { proxy: starting.join().unwrap(), folder: scene.path("a") };
        assert!(scene.serves(node.proxy.address("main"), "a.test"));
        node.is_connected();
        let shown = node.shown();
        assert_eq!((&shown["node"], &shown["release"]["number"]), (&"a".into(), &1.into()), "{shown}");
        assert_eq!(shown["trouble"], serde_json::Value::Null);
        node.metric("tlsgate_fleet_connected{node=\"a\"} 1");
        node.metric("tlsgate_fleet_release{node=\"a\"} 1");
    });
}

#[test]
fn a_start_that_waits_says_so_and_ends_when_it_is_asked_to() {
    let scene = Scene::new();
    for signal in ["TERM", "INT"] {
        let mut child = run(&scene.machine("a", "")).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = child.stderr.take().unwrap();
        let mut seen = String::new();
        while !seen.contains("has no release yet under /tlsgate/test") {
            let mut some = [0; 256];
            let count = log.read(&mut some).unwrap();
            assert!(count > 0, "{seen}");
            seen += &String::from_utf8_lossy(&some[..count]);
        }
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn without_etcd_a_first_start_waits_for_it() {
    let mut scene = Scene::new();
    scene.publishes();
    scene.store.stop(0);
    let file = scene.machine("a", "");
    let mut child = run(&file).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = child.stderr.take().unwrap();
    let mut seen = String::new();
    while !seen.contains("waiting for a release of the fleet: ") {
        let mut some = [0; 256];
        let count = log.read(&mut some).unwrap();
        assert!(count > 0, "{seen}");
        seen += &String::from_utf8_lossy(&some[..count]);
    }
    scene.store.restart(0);
    while !seen.contains("ready pid=") {
        let mut some = [0; 256];
        let count = log.read(&mut some).unwrap();
        assert!(count > 0, "{seen}");
        seen += &String::from_utf8_lossy(&some[..count]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_wrong_with_a_machine_is_said_before_anything_starts() {
    let scene = Scene::new();
    let errors = |more: &str, secret: &str| {
        let file = scene.machine("a", more);
        scene.write("fleet.key", secret);
        let output = run(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let secret = "ab".repeat(32);
    for (more, secret, expected) in [
        ("", "abc\n", "fleet: secret_file: "),
        ("", "abc\n", "line 1: found 3 digits, expected a secret of 64 hexadecimal digits"),
        ("", "", "found 0 secrets"),
        ("[lisen]\n", secret.as_str(), "line 11, column 2: unknown key \"lisen\""),
    ] {
        let found = errors(more, secret);
        assert!(found.contains(expected) && found.contains("fleet.toml"), "{expected}: {found}");
    }
    let output = run(&scene.path("nowhere.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.toml: cannot be read: no such file"));
}

#[test]
fn a_release_that_does_not_fit_the_machine_ends_its_first_start_with_the_reason() {
    let scene = Scene::new();
    scene.publishes();
    let file = scene.machine("a", "[listen]\nother = \"127.0.0.1:0\"\n");
    let output = run(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("listen: found \"other\", and the release has no listener of that name"), "{text}");
    assert!(text.contains("a/fleet.toml: line 12"), "{text}");
}
