//! Nodes without etcd, and with what is on their disks.

use std::fs;

use super::Scene;

#[test]
fn without_etcd_a_node_starts_with_its_last_release_and_catches_up() {
    let mut scene = Scene::new();
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    drop(node);
    scene.store.stop(0);
    let node = scene.node("a");
    assert!(scene.serves(node.proxy.address("main"), "a.test"));
    assert_eq!(node.door().get("/readyz").status, 200);
    node.metric("tlsgate_fleet_connected{node=\"a\"} 0");
    node.metric("tlsgate_fleet_release{node=\"a\"} 1");
    super::eventually("it says why", || node.shown()["etcd_trouble"].is_string().then_some(()));
    scene.store.restart(0);
    node.is_connected();
    assert_eq!(node.shown()["etcd_trouble"], serde_json::Value::Null);
    scene.certificate("b.test");
    scene.publishes();
    node.serves(2);
}

#[test]
fn a_node_serves_on_while_etcd_is_away() {
    let mut scene = Scene::new();
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    scene.store.stop(0);
    node.metric("tlsgate_fleet_connected{node=\"a\"} 0");
    assert!(scene.serves(node.proxy.address("main"), "a.test"));
    assert_eq!(node.door().get("/readyz").status, 200);
    scene.store.restart(0);
    node.is_connected();
}

#[test]
fn a_folder_that_was_changed_is_not_used_and_fetched_again() {
    let scene = Scene::new();
    scene.publishes();
    for change in ["changed", "added", "removed", "link"] {
        let node = scene.node("a");
        node.is_connected();
        let (config, extra) = (node.release("tlsgate.toml"), node.release("certs/extra.crt"));
        drop(node);
        let text = fs::read_to_string(&config).unwrap();
        match change {
            "changed" => fs::write(&config, text.replace("\"echo\"", "\"other\"")).unwrap(),
            "added" => fs::write(extra, "x").unwrap(),
            "removed" => fs::remove_file(&config).unwrap(),
            _ => std::os::unix::fs::symlink("/etc/passwd", extra).unwrap(),
        }
        let node = scene.node("a");
        node.proxy.log_line("the release on the disk is not used: release 1: ");
        assert!(scene.serves(node.proxy.address("main"), "a.test"), "{change}");
        assert_eq!(fs::read_to_string(&config).unwrap(), text, "{change}");
    }
    // The record cannot be exchanged either, and says nothing to who lacks the secret.
    let node = scene.node("a");
    node.is_connected();
    drop(node);
    let record = scene.path("a/state/fleet/serving");
    let mut sealed = fs::read(&record).unwrap();
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    fs::write(&record, sealed).unwrap();
    let node = scene.node("a");
    node.proxy.log_line("the release on the disk is not used: ");
}

#[test]
fn a_node_with_another_secret_takes_nothing() {
    let scene = Scene::new();
    scene.publishes();
    scene.write("other.key", &"fe".repeat(32));
    let file = scene.machine("a", "");
    let text = fs::read_to_string(&file).unwrap().replace("../fleet.key", "../other.key");
    fs::write(&file, text).unwrap();
    let mut child = super::run(&file).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let log = child.stderr.take().unwrap();
    let line = std::io::BufRead::lines(std::io::BufReader::new(log)).map_while(Result::ok);
    let found = line.into_iter().find(|line| line.contains("none of the fleet's secrets opens"));
    assert!(found.is_some());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_upgrade_in_place_begins_also_where_the_record_of_the_release_is_lost() {
    let scene = Scene::new();
    scene.publishes();
    let mut node = scene.node("a");
    node.is_connected();
    let record = scene.path("a/state/fleet/serving");
    fs::remove_file(&record).unwrap();
    // The process that takes over must not write what the one before it has locked.
    node.proxy.signal("USR2");
    node.proxy.log_line("another process has taken over");
    assert_eq!(node.proxy.ended().code(), Some(0));
    super::eventually("it is kept again", || fs::metadata(&record).is_ok().then_some(()));
    node.is_connected();
    let log = node.proxy.log();
    let successor = log.lines().rev().find_map(|line| line.split("ready pid=").nth(1)).unwrap().trim().to_owned();
    assert!(std::process::Command::new("kill").arg(&successor).status().unwrap().success());
    super::eventually("it ends", || fs::metadata(format!("/proc/{successor}")).is_err().then_some(()));
}

#[test]
fn a_node_that_puts_its_release_back_relies_on_no_part_that_it_finds() {
    let scene = Scene::new();
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    let stored = scene.store.all();
    let parts: Vec<_> = stored.iter().filter(|(key, _)| key.contains("/part/")).collect();
    assert!(!parts.is_empty());
    for (key, value) in parts {
        let mut value = value.clone();
        *value.last_mut().unwrap() ^= 1;
        scene.store.put_bytes(key, &value);
    }
    scene.store.delete("/tlsgate/test/control/current");
    node.proxy.log_line("it is put back");
    let other = scene.node("b");
    assert!(scene.serves(other.proxy.address("main"), "a.test"));
}
