//! The secret: nothing is in the store in the clear, another one is refused by name, and it is changed without a stop.

use super::*;

#[test]
fn nothing_of_any_file_is_in_the_store_in_the_clear() {
    let fleet = Fleet::new();
    fleet.certificate("b", "confidential.test");
    fleet.does(&["publish", "-c", "gate/tlsgate.toml", "--note", "a remarkable note"]);
    fleet.does(&["drain", "directory/192.0.2.77:389"]);
    let _node = super::node::Played::new(&fleet, "n0", super::node::Part::Ready);
    let files = ["tlsgate.toml", "tickets.keys", "certs/a.crt", "certs/a.key", "certs/b.crt", "certs/b.key"];
    let mut clear: Vec<String> =
        vec!["remarkable".into(), "192.0.2.77".into(), "directory".into(), "confidential".into()];
    clear.extend(files.map(str::to_owned));
    for file in files {
        clear.extend(
            read(&fleet.path(&format!("gate/{file}"))).lines().filter(|line| line.len() > 12).map(str::to_owned),
        );
    }
    clear.push(read(&fleet.path("fleet.key")).trim().to_owned());
    assert!(clear.len() > 30);
    let all = fleet.store.all();
    assert!(all.len() > 8, "{:?}", all.keys());
    for (key, value) in &all {
        for text in &clear {
            let is_there = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!is_there(value) && !is_there(key.as_bytes()), "{key} has {text}");
        }
    }
}

#[test]
fn whoever_has_another_secret_is_refused_by_name_before_anything_is_put() {
    let fleet = Fleet::new();
    fleet.publish();
    let before = fleet.store.all();
    fleet.does(&["key", "new", "-o", "other.key"]);
    fleet.write("other.toml", &fleet.fleet_toml("other.key", ""));
    fleet.configure("max_connections = 5");
    for verb in [
        &["publish", "-c", "gate/tlsgate.toml"][..],
        &["status"],
        &["history"],
        &["diff", "1"],
        &["rollback", "1"],
        &["drain", "directory/192.0.2.77:389"],
        &["gc", "--keep", "0"],
    ] {
        let error = fleet.refuses(&[verb, &["--fleet", "other.toml"]].concat());
        assert!(
            error.contains("none of the fleet's secrets opens") && error.contains("other.key"),
            "{verb:?}: {error}"
        );
    }
    assert_eq!(fleet.store.all(), before);
}

#[test]
fn the_secret_is_changed_in_steps_and_each_release_in_between_is_read_by_all() {
    let fleet = Fleet::new();
    fleet.publish();
    fleet.does(&["drain", "directory/192.0.2.77:389"]);
    fs::copy(fleet.path("fleet.key"), fleet.path("old.key")).unwrap();
    fleet.does(&["key", "add", "fleet.key"]);
    fs::copy(fleet.path("fleet.key"), fleet.path("both.key")).unwrap();
    fleet.configure("max_connections = 5");
    fleet.publish();
    fleet.does(&["key", "promote", "fleet.key"]);
    // Who has both, in whichever order, reads what either seals.
    fleet.write("both.toml", &fleet.fleet_toml("both.key", ""));
    assert_eq!(fleet.json(&["status"])["sealed_with_second_secret"], true);
    fleet.publish();
    assert_eq!(fleet.json(&["status", "--fleet", "both.toml"])["release"]["number"], 3);
    let status = fleet.json(&["status"]);
    assert_eq!(
        (&status["sealed_with_second_secret"], &status["drained"][0]["backend"]),
        (&false.into(), &"directory".into())
    );
    fleet.does(&["diff", "1", "3"]);
    fleet.does(&["key", "drop", "fleet.key"]);
    let status = fleet.json(&["status"]);
    assert_eq!((&status["release"]["number"], &status["drained"][0]["backend"]), (&3.into(), &"directory".into()));
    assert!(fleet.refuses(&["rollback", "1"]).contains("none of the fleet's secrets opens"));
    let gone = fleet.json(&["gc"]);
    assert_eq!((&gone["removed"]["releases"], &gone["kept"]["releases"]), (&2.into(), &serde_json::json!([3])));
    fleet.does(&["diff", "3", "3"]);
    fleet.write("old.toml", &fleet.fleet_toml("old.key", ""));
    assert!(fleet.refuses(&["status", "--fleet", "old.toml"]).contains("none of the fleet's secrets opens"));
}
