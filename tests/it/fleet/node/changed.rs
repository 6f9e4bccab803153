//! Changes on one machine of a fleet: what it has of its own, the program itself, the files of a release.

use std::fs;

use super::Scene;
use crate::support::procfs::eventually;

#[test]
fn a_reload_takes_what_the_machine_has_of_its_own() {
    let scene = Scene::new();
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    let before = node.proxy.address("main");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    scene.machine("a", &format!("[listen]\nmain = \"{free}\"\n"));
    node.proxy.signal("HUP");
    eventually("it listens elsewhere", || {
        let connected = std::net::TcpStream::connect(free).is_ok();
        (connected && std::net::TcpStream::connect(before).is_err()).then_some(())
    });
    assert!(scene.serves(free, "a.test"));
    // A release may come that has this listener; until then, the name is only reported.
    scene.machine("a", &format!("[listen]\nmain = \"{free}\"\nother = \"127.0.0.1:0\"\n"));
    node.proxy.signal("HUP");
    node.proxy.log_line("fleet.toml, line 13, column 1: listen: found \"other\"");
    assert!(scene.serves(free, "a.test"));
    // An error says in which file it is, and changes nothing.
    scene.machine("a", "[listen]\nmain = \"nowhere\"\n");
    node.proxy.signal("HUP");
    node.proxy
        .log_line("everything stays as it is: fleet.toml, line 12, column 8: listen: \"main\": found \"nowhere\"");
    assert!(scene.serves(free, "a.test"));
    // It is still a node.
    scene.machine("a", &format!("[listen]\nmain = \"{free}\"\n"));
    scene.certificate("b.test");
    scene.publishes();
    node.serves(2);
    assert!(scene.serves(free, "b.test"));
}

#[test]
fn the_secret_is_changed_without_a_stop() {
    let scene = Scene::new();
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    let (old, new) = ("0123456789abcdef".repeat(4), "fe".repeat(32));
    // First the new one opens, then it seals, then the old one goes.
    for (number, text) in [(2, format!("{old}\n{new}\n")), (3, format!("{new}\n{old}\n")), (4, format!("{new}\n"))] {
        scene.write("fleet.key", &text);
        node.proxy.signal("HUP");
        scene.certificate(&format!("r{number}.test"));
        eventually("the node knows it, and it is published", || scene.publish(&[]).status.success().then_some(()));
        let name = format!("r{number}.test");
        eventually(&name, || scene.serves(node.proxy.address("main"), &name).then_some(()));
        if number == 3 {
            node.is_connected();
        }
    }
}

#[test]
fn another_process_takes_over_and_is_the_node_then() {
    let scene = Scene::new();
    scene.publishes();
    let mut node = scene.node("a");
    node.is_connected();
    scene.certificate("b.test");
    scene.publishes();
    node.serves(2);
    let (address, first) = (node.proxy.address("main"), node.proxy.pid());
    node.proxy.signal("USR2");
    node.proxy.log_line("another process has taken over");
    assert_eq!(node.proxy.ended().code(), Some(0));
    assert!(scene.serves(address, "b.test"), "{}", node.proxy.log());
    node.is_connected();
    scene.certificate("c.test");
    scene.publishes();
    node.serves(3);
    assert!(scene.serves(address, "c.test"));
    let log = node.proxy.log();
    let successor = log.lines().rev().find_map(|line| line.split("ready pid=").nth(1)).unwrap().trim().to_owned();
    assert_ne!(successor, first.to_string());
    assert!(std::process::Command::new("kill").arg(&successor).status().unwrap().success());
    eventually("it ends", || fs::metadata(format!("/proc/{successor}")).is_err().then_some(()));
}

#[test]
fn files_of_a_release_are_not_changed_through_the_api() {
    let scene = Scene::new();
    scene.publishes();
    let node = scene.node("a");
    let door = node.door();
    let body = "{\"name\": \"x\", \"certificate\": \"\", \"key\": \"\"}";
    let json = [("Content-Type", "application/json")];
    let added = door.ask("POST", "/api/v1/listeners/main/certificates", &json, body);
    let removed = door.ask("DELETE", "/api/v1/listeners/main/certificates/a.test", &[], "");
    for answer in [added, removed] {
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.error().contains("publish it (tlsgate fleet publish)"), "{answer:?}");
    }
    // What changes no file works as ever.
    let path = format!("/api/v1/backends/echo/{}/state", scene.backend.address);
    assert_eq!(door.ask("PUT", &path, &json, "{\"state\": \"drain\"}").status, 200);
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
}
