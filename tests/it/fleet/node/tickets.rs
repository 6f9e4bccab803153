//! Session tickets of a fleet: a client resumes on any node.

use std::fs;
use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind};

use super::{Node, Scene, run};
use crate::support::client::{Client, Tls, trusting};
use crate::support::clock::Clock;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;

/// The keys that a node has.
fn keys(node: &Node) -> Vec<String> {
    let text = fs::read_to_string(node.folder.join("state/fleet/tickets.keys")).unwrap_or_default();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// Waits until all have the same keys, so many.
fn share(nodes: &[&Node], count: usize) {
    let same = || {
        let all: Vec<_> = nodes.iter().map(|node| keys(node)).collect();
        all.iter().all(|one| one.len() == count && *one == all[0]).then_some(())
    };
    eventually(&format!("{count} keys are shared"), same);
}

/// A session of this client with that node, and how it began. Whatever comes after the handshake, the tickets too, is read.
fn session(node: &Node, config: &Arc<ClientConfig>) -> HandshakeKind {
    let mut client = Client::silent(node.proxy.address("main"), config, "a.test");
    client.handshake().unwrap();
    client.send(b"x").unwrap();
    assert_eq!(client.read_exact(1), b"x");
    client.tls.handshake_kind().unwrap()
}

#[test]
fn a_client_resumes_on_another_node_also_after_the_keys_have_changed() {
    let scene = Scene::new();
    let config = fs::read_to_string(scene.path("gate/tlsgate.toml")).unwrap();
    scene.write("gate/tlsgate.toml", &config.replace("backend = ", "ticket_lifetime = \"7d\"\nbackend = "));
    scene.publishes();
    let clock = Clock::new(scene.folder.path());
    let [a, b] = ["a", "b"].map(|name| {
        let mut command = run(&scene.machine(name, ""));
        Clock::fake(&mut command, scene.folder.path());
        let proxy = Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("{name} did not start:\n{log}"));
        Node { proxy, folder: scene.path(name) }
    });
    share(&[&a, &b], 1);
    let clients = Tls::BOTH.map(|tls| Arc::new(trusting(&scene.pki.ca(), tls)));
    for client in &clients {
        // The reload that takes the keys comes a moment after their file.
        eventually("a client resumes on another node", || {
            let is_there =
                session(&a, client) == HandshakeKind::Resumed || session(&b, client) == HandshakeKind::Resumed;
            is_there.then_some(())
        });
    }
    for count in 2..=4 {
        clock.step(12 * 3600 + 60);
        share(&[&a, &b], count);
        for (client, node) in clients.iter().flat_map(|client| [(client, &b), (client, &a)]) {
            assert_eq!(session(node, client), HandshakeKind::Resumed, "with {count} keys");
        }
    }
    assert_eq!(a.shown()["leader"], b.shown()["leader"]);
    let shown = |key: &String, value: &[u8]| value.windows(20).any(|part| key.as_bytes().starts_with(part));
    let (keys, stored) = (keys(&a), scene.store.all());
    assert!(!stored.values().any(|value| keys.iter().any(|key| shown(key, value))), "a key is in the clear");
}
