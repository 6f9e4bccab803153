//! What the store has of certificates of an authority: nothing in the clear, put back if it is lost, not taken if it is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Scene, leader};
use crate::support::acme::kinds::Kind;
use crate::support::procfs::eventually;
use crate::support::tool;

/// Files by their paths.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut all, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(folder).unwrap().display().to_string();
                all.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    all
}

#[test]
fn nothing_is_in_the_clear_what_is_lost_is_put_back_and_what_is_changed_is_not_taken() {
    let scene = Scene::new();
    let (mut a, b) = (scene.node("a"), scene.node("b"));
    scene.leads(&a);
    let served = scene.all_serve(&[&a, &b], None);
    let same = || {
        let [first, second] = [&a, &b].map(|node| files(&node.folder.join("state/acme")));
        (first == second && first.len() == 4).then_some(first)
    };
    let all = eventually("both have the same files: an account, what is known of the order, certificate and key", same);
    let stored = scene.store.all();
    for (path, content) in &all {
        let text = String::from_utf8_lossy(content).into_owned();
        let long = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= 20);
        for word in long {
            let is_there = |value: &Vec<u8>| value.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!stored.values().any(is_there), "{path}: {word} is in the clear");
        }
    }

    // A store that was restored from a backup of before, and one in which somebody has written.
    let before = scene.keys("acme/");
    assert!(before.len() >= 3, "{before:?}");
    scene.store.delete("/tlsgate/test/acme/");
    eventually("it is put back", || (scene.keys("acme/") == before).then_some(()));
    let account = before.iter().find(|key| key.ends_with("account.json")).unwrap();
    let good = scene.store.get(&format!("/tlsgate/test/{account}")).unwrap();
    assert!(!good.is_empty());
    scene.store.put(&format!("/tlsgate/test/{account}"), "nonsense");
    for node in [&a, &b] {
        node.proxy.log_line("found a value that cannot be used");
    }
    eventually("nobody orders", || (!a.orders() && !b.orders()).then_some(()));
    scene.store.delete(&format!("/tlsgate/test/{account}"));
    let (next, _) = leader(&[&a, &b]);
    assert_eq!(
        files(&a.folder.join("state/acme"))[&account.replacen("acme/", "", 1)],
        all[&account.replacen("acme/", "", 1)]
    );
    let output = next.run(&["renew", "--all"]);
    assert!(output.status.success(), "{}", tool::shown(&output));
    let served = scene.all_serve(&[&a, &b], Some(&served));
    assert_eq!((scene.between.count(Kind::NewAccount), scene.between.count(Kind::NewOrder)), (1, 2));

    // A machine that has lost its disk takes everything from the store.
    let ip = a.ip;
    a.kill();
    fs::remove_dir_all(a.folder.join("state")).unwrap();
    let a = scene.start("a", ip);
    assert_eq!(scene.all_serve(&[&a, &b], None), served);
}

#[test]
fn what_is_damaged_in_the_state_of_a_node_keeps_no_release_away() {
    let scene = Scene::new();
    let (a, b) = (scene.node("a"), scene.node("b"));
    scene.leads(&a);
    let served = scene.all_serve(&[&a, &b], None);
    let kept = b.folder.join("state/acme");
    let certificate =
        eventually("its certificate is kept", || files(&kept).into_keys().find(|path| path.ends_with("tls.crt")));
    fs::write(kept.join(certificate), "damaged").unwrap();
    let config = scene.path("gate/tlsgate.toml");
    let changed = format!("# Another release.\n{}", fs::read_to_string(&config).unwrap());
    fs::write(config, changed).unwrap();
    let output = scene.publish();
    assert!(output.status.success(), "{}", tool::shown(&output));
    for node in [&a, &b] {
        let shown = || node.door().get("/api/v1/fleet").json()["fleet"]["release"]["number"] == 2;
        eventually(node.name, || shown().then_some(()));
    }
    assert_eq!(scene.all_serve(&[&a, &b], None), served);
}
