//! What is wrong is named, with exit code 1, or 2 for wrong usage; and nothing hangs.

use super::*;

#[test]
fn bad_input_is_named() {
    let mut fleet = Fleet::new();
    let status = |toml: &str| fleet.refuses(&["status", "--fleet", toml]);
    assert!(status("absent.toml").contains("absent.toml: cannot be read: no such file"));
    fleet.write("empty.toml", "");
    assert!(status("empty.toml").contains("fleet"));
    fleet.write("unknown.toml", &fleet.fleet_toml("fleet.key", "secretfile = 1\n"));
    assert!(status("unknown.toml").contains("secretfile"));
    fleet.write("absent_key.toml", &fleet.fleet_toml("absent.key", ""));
    assert!(status("absent_key.toml").contains("absent.key: no such file"));
    fleet.write("short.key", "abcd\n");
    fleet.write("short.toml", &fleet.fleet_toml("short.key", ""));
    assert!(status("short.toml").contains("64 hexadecimal digits"));

    let publish = |file: &str| fleet.refuses(&["publish", "-c", file]);
    assert!(publish("absent.toml").contains("absent.toml: cannot be read: no such file"));
    fleet.configure("max_connection = 5");
    let error = publish("gate/tlsgate.toml");
    assert!(error.contains("gate/tlsgate.toml: line 7") && error.contains("max_connection"), "{error}");
    fleet.configure("deny_file = \"../outside.txt\"");
    fleet.write("outside.txt", "192.0.2.1\n");
    let error = publish("gate/tlsgate.toml");
    assert!(error.contains("line 7") && error.contains("without \"..\""), "{error}");
    fs::write(fleet.path("gate/certs/a.crt"), "no certificate").unwrap();
    fleet.configure("");
    assert!(publish("gate/tlsgate.toml").contains("a.crt"));
    assert!(fleet.store.all().is_empty(), "nothing was put");
    for usage in [&["publish"][..], &["drain", "x"], &["rollback"], &["publish", "-c", "x", "--for", "1m"], &["key"]] {
        assert_eq!(fleet.run(usage).status.code(), Some(2), "{usage:?}");
    }
    assert_eq!(fleet.run(&["key", "new", "-o", "fleet.key"]).status.code(), Some(1));

    fleet.certificate("a", "a.test");
    fleet.store.kill(0);
    let url = fleet.store.urls()[0].clone();
    let host = url.trim_start_matches("http://");
    let verbs = [
        &["publish", "-c", "gate/tlsgate.toml"][..],
        &["status"],
        &["history"],
        &["diff", "1"],
        &["rollback", "1"],
        &["gc"],
        &["drain", "directory/x"],
    ];
    // Each asks for a while.
    let started = verbs.map(|verb| (verb, fleet.start(verb)));
    for (verb, child) in started {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {}", shown(&output));
        let errors = String::from_utf8(output.stderr).unwrap();
        let last = errors.lines().last().unwrap();
        assert!(last.contains(host), "{verb:?}: {errors}");
    }
}
