//! The start of a node: what it waits for, and what it does not use.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::Stdio;

use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::tool::shown;

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
fn who_cannot_tell_which_machine_it_is_says_so_ends_when_it_is_asked_to_and_goes_on_once_it_can() {
    let scene = Scene::new();
    scene.publishes();
    let unreadable = scene.path("a/state/fleet/machine");
    std::fs::create_dir_all(&unreadable).unwrap();
    let mut node = scene.node("a");
    let says_so = |node: &Node| {
        eventually("it says so", || {
            let shown = node.shown();
            let trouble = shown["trouble"].as_str()?;
            (trouble.contains("fleet/machine") && shown["connected"] == false).then_some(())
        });
    };
    says_so(&node);
    assert!(scene.serves(node.proxy.address("main"), "a.test"));
    node.proxy.signal("TERM");
    assert_eq!(node.proxy.ended().code(), Some(0));
    let log = node.proxy.log();
    assert_eq!(log.matches("does not take part in the fleet yet").count(), 1, "{log}");

    let node = scene.start("a");
    says_so(&node);
    std::fs::remove_dir(&unreadable).unwrap();
    node.is_connected();
    assert_eq!(node.shown()["trouble"], serde_json::Value::Null);
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
    scene.configure("[process]\nsandbox = \"off\"\n");
    scene.publishes();
    let text = fails(&scene);
    assert!(text.contains("process: sandbox: found in the release, expected in fleet.toml only"), "{text}");
    assert!(text.contains("tlsgate.toml of the release: line 7"), "{text}");
}

#[test]
fn an_address_for_a_listener_that_the_release_lacks_is_a_warning() {
    let scene = Scene::new();
    scene.publishes();
    let node = scene.node_with("a", "[listen]\nother = \"127.0.0.1:0\"\n");
    node.proxy.log_line("fleet.toml, line 12, column 1: listen: found \"other\", which has no effect");
    assert!(scene.serves(node.proxy.address("main"), "a.test"));
}

#[test]
fn a_first_release_that_cannot_be_started_from_does_not_bar_the_next_one() {
    let scene = Scene::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.configure(&second(&taken));
    scene.publishes();
    scene.machine("a", "");
    for _ in 0..2 {
        let text = fails(&scene);
        assert!(text.contains("listener \"second\": listen: cannot listen on "), "{text}");
    }
    scene.configure("");
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    assert_eq!(node.shown()["release"]["number"], 2);
}

#[test]
fn a_start_takes_the_current_release_and_not_the_one_of_its_disk() {
    let scene = Scene::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let more = second(&free);
    let address = free.local_addr().unwrap();
    drop(free);
    scene.configure(&more);
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    drop(node);
    // It could not start from the release that it has.
    let _taken = TcpListener::bind(address).unwrap();
    scene.configure("");
    publishes_alone(&scene);
    let node = scene.node("a");
    node.is_connected();
    assert_eq!(node.shown()["release"]["number"], 2);
}

#[test]
fn a_start_goes_back_to_the_last_release_where_the_current_one_does_not_start() {
    let scene = Scene::new();
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    drop(node);
    // One that does not load.
    scene.configure("[process]\nsandbox = \"off\"\n");
    publishes_alone(&scene);
    let node = scene.node("a");
    node.proxy.log_line("starting with release 1 from the disk: release 2 cannot be started from");
    assert!(scene.serves(node.proxy.address("main"), "a.test"));
    drop(node);
    // One that loads, and cannot be served: this is known once it was tried.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.configure(&second(&taken));
    publishes_alone(&scene);
    let text = fails(&scene);
    assert!(text.contains("cannot listen on "), "{text}");
    let node = scene.node("a");
    node.proxy
        .log_line("starting with release 1 from the disk: release 3 did not come to serve when it was started last");
    assert!(scene.serves(node.proxy.address("main"), "a.test"));
    // As soon as it can, it follows.
    drop(taken);
    assert_eq!(node.door().ask("POST", "/api/v1/reload", &[], "").status, 200);
    node.serves(3);
}

/// Starts the machine `a`, which must fail. Returns what it says.
fn fails(scene: &Scene) -> String {
    let output = run(&scene.machine("a", "")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

/// Publishes while the machine `a`, which is gone, has its lease yet.
fn publishes_alone(scene: &Scene) {
    let output = scene.publish(&["--without", "a"]);
    assert!(output.status.success(), "{}", shown(&output));
}

/// One more listener, at the address of a socket.
fn second(socket: &TcpListener) -> String {
    let address = socket.local_addr().unwrap();
    format!("[[listener]]\nname = \"second\"\nlisten = \"{address}\"\ncertificates = \"certs\"\nbackend = \"echo\"\n")
}
