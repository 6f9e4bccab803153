//! Files of a release that somebody changes on one node: what it serves stays as it was published, and they are put right.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Node, Scene};
use crate::support::pki::{Extra, Key};
use crate::support::procfs::eventually;

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            // It may be gone by now.
            false => drop(files.insert(path.clone(), fs::read(path).unwrap_or_default())),
        }
    }
    files
}

impl Node {
    /// How many reloads were done, or tried.
    fn reloads(&self) -> u64 {
        let reloads = &self.door().get("/api/v1/status").json()["reloads"];
        reloads["success"].as_u64().unwrap() + reloads["failure"].as_u64().unwrap()
    }

    fn reloads_now(&self) {
        let before = self.reloads();
        self.proxy.signal("HUP");
        eventually("it has tried to reload", || (self.reloads() > before).then_some(()));
    }
}

#[test]
fn whoever_changes_files_of_a_release_on_a_node_changes_nothing_that_is_served() {
    let scene = Scene::new();
    for name in ["b.test", "c.test"] {
        scene.certificate(name);
    }
    scene.publishes();
    let node = scene.node("a");
    node.is_connected();
    let (folder, address) = (node.release(""), node.proxy.address("main"));
    let published = files(&folder);
    let text = fs::read_to_string(folder.join("tlsgate.toml")).unwrap();
    let names = ["a.test", "b.test", "c.test"];
    let meddle = |round: u32| {
        let at = |path: &str| folder.join(path);
        let (certificate, key) = scene.pki.pair(&["d.test"], Key::P256, &Extra::default());
        match round {
            0 => {
                fs::write(at("certs/d.test.crt"), &certificate).unwrap();
                fs::write(at("certs/d.test.key"), &key).unwrap();
            }
            1 => {
                fs::remove_file(at("certs/a.test.crt")).unwrap();
                fs::remove_file(at("certs/a.test.key")).unwrap();
            }
            2 => {
                fs::write(at("certs/b.test.crt"), &certificate).unwrap();
                fs::write(at("certs/b.test.key"), &key).unwrap();
            }
            // Of the same size.
            3 => fs::write(at("tlsgate.toml"), text.replace("\"main\"", "\"evil\"")).unwrap(),
            _ => fs::write(at("tlsgate.toml"), "this is no configuration").unwrap(),
        }
    };
    for round in 0..5 {
        meddle(round);
        node.reloads_now();
        assert!(names.iter().all(|name| scene.serves(address, name)), "{round}");
        assert!(!scene.serves(address, "d.test"), "{round}");
        assert_eq!(node.proxy.address("main"), address);
        eventually("the files are as they were published", || (files(&folder) == published).then_some(()));
        eventually("a reload is done again", || {
            node.reloads_now();
            (node.door().get("/api/v1/status").json()["last_reload_successful"] == true).then_some(())
        });
        assert!(names.iter().all(|name| scene.serves(address, name)), "{round}");
    }
    // Where a release comes before that, it is what was published.
    meddle(2);
    scene.certificate("e.test");
    scene.publishes();
    node.serves(2);
    assert!(["a.test", "b.test", "c.test", "e.test"].iter().all(|name| scene.serves(address, name)));
    assert!(!scene.serves(address, "d.test"));
}
