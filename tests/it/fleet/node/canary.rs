//! A canary is judged by how handshakes end there.

use std::process::{Child, Output, Stdio};
use std::sync::Arc;

use rustls::ClientConfig;

use super::{Node, Scene};
use crate::support::client::{Client, Tls, trusting};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::tool::shown;

/// Nodes `a` and `b` that serve release 1.
fn two() -> (Scene, [Node; 2]) {
    let scene = Scene::new();
    scene.publishes();
    let nodes = ["a", "b"].map(|name| scene.node(name));
    nodes.iter().for_each(Node::is_connected);
    (scene, nodes)
}

/// Publishes what is there, at first to `a` alone.
fn publish(scene: &Scene, time: &str) -> Child {
    let mut command = scene.publisher(&["--canary", "a", "--for", time]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// So many clients come one after the other. Returns how many of them got in.
fn come(count: usize, node: &Node, config: &Arc<ClientConfig>) -> usize {
    let one = |_: &usize| Client::silent(node.proxy.address("main"), config, "a.test").handshake().is_ok();
    (0..count).filter(one).count()
}

/// What a publisher has reported on standard error, and its exit code.
fn ended(publish: Child) -> (Option<i32>, String) {
    let output: Output = publish.wait_with_output().unwrap();
    (output.status.code(), shown(&output))
}

#[test]
fn a_canary_on_which_more_handshakes_fail_than_before_brings_all_back() {
    let (scene, nodes) = two();
    let [a, b] = &nodes;
    assert_eq!(come(30, a, &scene.trusting), 30);
    // They are counted before they are logged.
    a.proxy.records(30);
    let (certificate, key) = Pki::new().pair(&["a.test"], Key::P256, &Extra::default());
    scene.write("gate/certs/a.test.crt", &certificate);
    scene.write("gate/certs/a.test.key", &key);
    let publish = publish(&scene, "60s");
    a.serves(2);
    for _ in 0..20 {
        // On a slow machine it may have gone back before the last of them.
        come(1, a, &scene.trusting);
        assert_eq!(come(1, b, &scene.trusting), 1);
    }
    let (code, told) = ended(publish);
    assert_eq!(code, Some(1), "{told}");
    let (_, verdict) = told.split_once("canary: node \"a\" has trouble: ").unwrap_or_else(|| panic!("{told}"));
    let (failed, rest) = verdict.split_once(" of ").unwrap();
    let (all, rest) = rest.split_once(' ').unwrap();
    assert!(failed == all && (5..=20).contains(&failed.parse::<u32>().unwrap()), "{told}");
    let expected =
        "handshakes have failed since it serves release 2, 0 of 30 before; release 3 has the files of release 1 again";
    assert!(rest.contains(expected), "{told}");
    for node in &nodes {
        node.serves(3);
        assert_eq!(come(1, node, &scene.trusting), 1);
        eventually("it has no trouble", || node.shown()["trouble"].is_null().then_some(()));
    }
    // It was ready for it, and has not served it.
    b.metric("tlsgate_fleet_prepare_total{result=\"ready\"} 1");
    assert!(!b.proxy.log().contains("reloaded: "), "{}", b.proxy.log());
}

#[test]
fn a_canary_on_which_as_many_handshakes_fail_as_before_is_followed_by_all() {
    let (scene, nodes) = two();
    let a = &nodes[0];
    let stranger = Arc::new(trusting(&Pki::new().ca(), Tls::V13));
    let mixed = || {
        for _ in 0..10 {
            assert_eq!((come(5, a, &scene.trusting), come(1, a, &stranger)), (5, 0));
        }
    };
    mixed();
    a.proxy.records(60);
    scene.certificate("b.test");
    let publish = publish(&scene, "5s");
    a.serves(2);
    mixed();
    let (code, told) = ended(publish);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("release 3 "), "{told}");
    for node in &nodes {
        node.serves(3);
        assert!(scene.serves(node.proxy.address("main"), "b.test"));
        assert!(!node.proxy.log().contains("handshakes have failed"), "{}", node.proxy.log());
    }
}
