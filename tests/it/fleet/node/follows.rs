//! Nodes follow what is published, all of them or none.

use std::net::TcpListener;

use super::Scene;

#[test]
fn what_is_published_is_served_by_every_node() {
    let scene = Scene::new();
    scene.publishes();
    let nodes = ["a", "b"].map(|name| scene.node(name));
    nodes.iter().for_each(|node| node.is_connected());
    for (number, name) in [(2, "b.test"), (3, "c.test")] {
        scene.certificate(name);
        for node in &nodes {
            assert!(!scene.serves(node.proxy.address("main"), name), "it is not published yet");
        }
        scene.publishes();
        for node in &nodes {
            node.serves(number);
            assert!(scene.serves(node.proxy.address("main"), name), "{}", node.proxy.log());
            assert!(scene.serves(node.proxy.address("main"), "a.test"));
        }
    }
    for node in &nodes {
        node.metric("tlsgate_fleet_prepare_total{result=\"ready\"} 2");
        node.metric("tlsgate_fleet_commit_total{result=\"served\"} 2");
        // What is the same in each release is not reported as changed.
        let log = node.proxy.log();
        let reloaded = log.lines().filter(|line| line.contains("reloaded: ")).collect::<Vec<_>>();
        assert_eq!(reloaded.len(), 2, "{log}");
        assert!(reloaded.iter().all(|line| line.contains("certs/") && !line.contains("releases")), "{reloaded:?}");
        let kept = std::fs::read_dir(node.folder.join("state/fleet/releases")).unwrap().count();
        assert!(kept <= 3, "{kept} releases are kept");
    }
}

#[test]
fn a_release_that_one_node_cannot_serve_changes_nothing_anywhere() {
    let scene = Scene::new();
    scene.publishes();
    let nodes = ["a", "b"].map(|name| scene.node(name));
    nodes.iter().for_each(|node| node.is_connected());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let more = format!(
        "[[listener]]\nname = \"second\"\nlisten = \"{address}\"\ncertificates = \"certs\"\nbackend = \"echo\"\n"
    );
    scene.configure(&more);
    scene.certificate("b.test");
    let reason = scene.is_refused();
    let named = reason.contains("node \"a\"") || reason.contains("node \"b\"");
    assert!(
        named && reason.contains("tlsgate.toml: line 8, column 10: listener \"second\": listen: cannot listen on"),
        "{reason}"
    );
    for node in &nodes {
        node.serves(1);
        assert!(!scene.serves(node.proxy.address("main"), "b.test"));
        assert_eq!(node.door().get("/readyz").status, 200);
    }
    // A certificate that does not fit its key.
    scene.configure("");
    scene.write(
        "gate/certs/b.test.key",
        &scene.pki.pair(&["b.test"], crate::support::pki::Key::P256, &Default::default()).1,
    );
    let reason = scene.is_refused();
    assert!(reason.contains("certs/b.test.crt"), "{reason}");
    for node in &nodes {
        node.serves(1);
    }
    // What was refused once can be published when it fits.
    drop(taken);
    scene.certificate("b.test");
    scene.configure(&more);
    let nodes = {
        // Both would listen on the same address of this machine.
        let [a, b] = nodes;
        drop(b);
        [a]
    };
    super::eventually("the node that is gone is gone for etcd, too", || {
        scene.publish(&[]).status.success().then_some(())
    });
    nodes[0].serves(2);
    assert!(scene.serves(address, "b.test"));
}

#[test]
fn a_node_that_comes_back_takes_what_was_published_meanwhile() {
    let scene = Scene::new();
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    let key = node.release("certs/a.test.key");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&key).unwrap()) & 0o777, 0o600);
    drop(node);
    scene.certificate("b.test");
    super::eventually("it is gone for etcd, too", || scene.publish(&[]).status.success().then_some(()));
    let node = scene.node("a");
    node.serves(2);
    assert!(scene.serves(node.proxy.address("main"), "b.test"));
}

#[test]
fn a_server_that_is_drained_on_all_nodes_is_drained() {
    drained_and_back(false);
}

#[test]
fn a_server_that_is_looked_up_is_drained_on_all_nodes_by_its_source() {
    drained_and_back(true);
}

fn drained_and_back(is_looked_up: bool) {
    let scene = Scene::new();
    let address = scene.backend.address;
    let server = if is_looked_up { format!("dns:localhost:{}", address.port()) } else { address.to_string() };
    let config = std::fs::read_to_string(scene.path("gate/tlsgate.toml")).unwrap();
    scene.write("gate/tlsgate.toml", &config.replace(&address.to_string(), &server));
    scene.publishes();
    let node = scene.node("a");
    let state = || node.door().get("/api/v1/backends").json().to_string();
    super::eventually("it is known", || state().contains(&address.to_string()).then_some(()));
    let fleet = |more: &[&str]| {
        let mut command = std::process::Command::new(crate::support::proxy::PROGRAM);
        command
            .args(["fleet", "drain", "--fleet"])
            .arg(scene.path("a/fleet.toml"))
            .arg(format!("echo/{server}"))
            .args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", super::shown(&output));
    };
    fleet(&[]);
    super::eventually("it is drained", || state().contains("\"drain\"").then_some(()));
    fleet(&["--undo"]);
    super::eventually("it is back", || (!state().contains("\"drain\"")).then_some(()));
}
