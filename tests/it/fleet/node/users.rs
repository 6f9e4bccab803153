//! A node that gives up the rights of its start. Needs root: nobody else can become somebody else, or bind ports below 1024.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::Scene;
use crate::sandbox::{give, is_root};

#[test]
fn a_node_keeps_releases_as_its_user_and_binds_as_root_what_they_name() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    fs::set_permissions(scene.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let id = std::process::id().to_be_bytes();
    // Addresses of this test's own, since the ports are not.
    let [first, second] = [443, 444].map(|port| format!("127.{}.{}.9:{port}", id[2].max(1), id[3]));
    scene.publishes();
    // A secret that only root can read is of no use to the user.
    let file = scene.machine("a", "[process]\nuser = \"nobody\"\n");
    fs::set_permissions(scene.path("a"), fs::Permissions::from_mode(0o755)).unwrap();
    give(&file);
    let output = super::run(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("fleet.key: not readable for this user"), "{text}");
    give(&scene.path("fleet.key"));
    let more = format!("[process]\nuser = \"nobody\"\n[listen]\nmain = \"{first}\"\n");
    scene.machine("a", &more);
    give(&scene.path("a/fleet.toml"));
    let node = scene.start("a");
    assert!(scene.serves(first.parse().unwrap(), "a.test"));
    node.is_connected();
    for file in ["fleet", "fleet/serving", "fleet/releases", "fleet/machine"] {
        let is = fs::metadata(scene.path("a/state").join(file)).unwrap();
        assert_eq!((is.uid(), is.mode() & 0o077), (65534, 0), "{file}");
    }
    // The next release names an address that only root may bind.
    scene.certificate("b.test");
    scene.configure(&format!(
        "[[listener]]\nname = \"second\"\nlisten = \"{second}\"\ncertificates = \"certs\"\nbackend = \"echo\"\n"
    ));
    scene.publishes();
    node.serves(2);
    assert!(scene.serves(first.parse().unwrap(), "b.test"));
    assert!(scene.serves(second.parse().unwrap(), "b.test"));
    // The monitor starts the next process, with the rights of the first.
    let mut node = node;
    node.proxy.signal("USR2");
    node.proxy.log_line("another process has taken over");
    assert_eq!(node.proxy.ended().code(), Some(0));
    assert!(scene.serves(second.parse().unwrap(), "b.test"));
    node.is_connected();
    scene.certificate("c.test");
    scene.publishes();
    node.serves(3);
    let log = node.proxy.log();
    let successor = log.lines().rev().find_map(|line| line.split("ready pid=").nth(1)).unwrap().trim().to_owned();
    assert!(std::process::Command::new("kill").arg(&successor).status().unwrap().success());
    super::eventually("it ends", || fs::metadata(format!("/proc/{successor}")).is_err().then_some(()));
}
