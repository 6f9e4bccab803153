//! Old releases and parts: removed, and nothing that is needed with them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Twelve releases, each with another certificate.
fn published(fleet: &Fleet) {
    for number in 1..=12 {
        fleet.certificate("a", &format!("a{number}.test"));
        if number % 3 == 0 {
            fleet.certificate(&format!("more{number}"), &format!("more{number}.test"));
        }
        assert_eq!(fleet.publish(), number);
    }
}

#[test]
fn what_is_removed_is_what_nothing_needs() {
    let fleet = Fleet::new();
    published(&fleet);
    let before = fleet.store.all();
    let told = fleet.json(&["gc", "--keep", "4"]);
    assert_eq!(told["kept"]["releases"], serde_json::json!([9, 10, 11, 12]));
    assert_eq!(told["removed"]["releases"], 8);
    let after = fleet.store.all();
    assert_eq!(told["kept"]["parts"], fleet.keys("part/").len());
    // What is there is what was there, and each release that was kept is whole: its files can be compared and published.
    let changed: BTreeMap<_, _> = after.iter().filter(|(key, value)| before.get(*key) != Some(*value)).collect();
    assert_eq!(changed.into_keys().collect::<Vec<_>>(), ["/tlsgate/test/parts-generation"]);
    assert_eq!(before.len() - after.len() + 1, told["removed"]["parts"].as_u64().unwrap() as usize + 8);
    for number in ["9", "10", "11"] {
        fleet.does(&["diff", number]);
        fleet.does(&["rollback", number]);
    }
    assert!(fleet.refuses(&["rollback", "8"]).contains("found no release 8, expected one of those from 9 to 15"));
    // The number of parts is that of these releases alone.
    let fresh = Fleet::new();
    fs::copy(fleet.path("fleet.key"), fresh.path("fleet.key")).unwrap();
    assert_eq!(fleet.json(&["gc", "--keep", "1"])["kept"]["releases"], serde_json::json!([15]));
    let mut kept = fleet.keys("part/");
    assert_eq!(fleet.json(&["gc", "--keep", "0"])["removed"], serde_json::json!({ "releases": 0, "parts": 0 }));
    kept.sort();
    assert_eq!(kept, fleet.keys("part/"));
    fleet.does(&["diff", "15", "15"]);
}

#[test]
fn what_was_never_published_is_removed_and_a_release_of_which_parts_are_lost_is_not_published_again() {
    let fleet = Fleet::new();
    fleet.publish();
    let of_first = fleet.keys("part/");
    fleet.certificate("a", "another.test");
    let _silent = super::node::Played::new(&fleet, "n0", super::node::Part::Silent);
    fleet.refuses(&["publish", "-c", "gate/tlsgate.toml", "--wait", "1s"]);
    assert!(fleet.keys("part/").len() > of_first.len());
    fleet.does(&["gc"]);
    assert_eq!(fleet.keys("part/"), of_first);
    drop(_silent);
    fleet.publish();
    let lost = of_first.iter().find(|part| !needed(&fleet).contains(part)).unwrap().clone();
    fleet.store.delete(&format!("/tlsgate/test/{lost}"));
    let error = fleet.refuses(&["rollback", "1"]);
    assert!(error.contains("nothing has changed: release 1: found") && error.contains("expected all"), "{error}");
    fleet.does(&["gc"]);
    fleet.does(&["diff", "2", "2"]);
}

#[test]
fn removing_beside_publishing_leaves_every_release_whole() {
    let fleet = Fleet::new();
    assert_eq!(fleet.publish(), 1);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let remove = || {
            let mut times = 0;
            while !is_over.load(Ordering::Relaxed) {
                let output = fleet.run(&["gc", "--keep", "0"]);
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success() || error.contains("published at the same time"), "{error}");
                times += 1;
            }
            times
        };
        let removing = scope.spawn(remove);
        let published = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 1..=6 {
                // One that was removed comes again, and what is current must be whole to be published again.
                fleet.configure(&format!("max_connections = {}", number % 2 + 1));
                let current = fleet.publish();
                fleet.does(&["rollback", &current.to_string()]);
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        assert!(removing.join().unwrap() > 0);
        published.unwrap();
    });
    fleet.does(&["gc", "--keep", "0"]);
    fleet.does(&["rollback", "13"]);
}

/// The parts of the current release: what is left if nothing else is kept. Asked of a copy of the keys.
fn needed(fleet: &Fleet) -> Vec<String> {
    let all = fleet.store.all();
    fleet.does(&["gc", "--keep", "0"]);
    let left = fleet.keys("part/");
    for (key, value) in all {
        if !key.contains("parts-generation") {
            fleet.put_back(&key, &value);
        }
    }
    left
}

impl Fleet {
    fn put_back(&self, key: &str, value: &[u8]) {
        let settings = tlsgate::etcd::Settings {
            endpoints: self.store.urls(),
            prefix: "/tlsgate/test".into(),
            ca: None,
            identity: None,
            user: None,
            timeout: std::time::Duration::from_secs(5),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let etcd = tlsgate::etcd::Etcd::new(&settings).unwrap();
            let key = key.strip_prefix("/tlsgate/test/").unwrap().to_owned();
            etcd.put(vec![(key, value.to_vec())]).await.unwrap();
        });
    }
}
