//! `tlsgate health`, as the health check of a container runs it.

use std::fs;
use std::process::Command;

use super::Scene;
use crate::support::proxy::PROGRAM;

/// Whether it is well, and what is printed.
pub(super) fn health(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM).arg("health").args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn it_is_asked_at_the_door_for_probes_or_else_at_that_of_the_admin_server() {
    let scene = Scene::new("listen=\"unix:admin.sock\"\nprobes=\"unix:probes.sock\"");
    let admin = format!("unix:{}", scene.path("admin.sock").display());
    let asked_by = |admin: &str| {
        let file = scene.path("other.toml");
        let text = fs::read_to_string(scene.path("tlsgate.toml")).unwrap();
        let (_, rest) = text.split_once("[[listener]]").unwrap();
        fs::write(&file, format!("[admin]\n{admin}\n[[listener]]{rest}")).unwrap();
        health(&["-c", file.to_str().unwrap()])
    };
    for config in [
        "listen=\"unix:nothing.sock\"\nprobes=\"unix:probes.sock\"",
        "listen=\"unix:admin.sock\"",
        // A health check needs no token, and may not be permitted to read it.
        "listen=\"unix:admin.sock\"\ntoken_file=\"nothing\"",
    ] {
        assert_eq!(asked_by(config), (true, "ready\n".to_owned()), "{config}");
    }
    assert_eq!(health(&["--admin", &admin, "--live"]), (true, "alive\n".to_owned()));
    let (well, printed) = asked_by("listen=\"unix:nothing.sock\"");
    assert!(!well && printed.contains("nothing.sock: cannot be reached"), "{printed}");
    let (well, printed) = asked_by("");
    assert!(!well && printed.contains("[admin]"), "{printed}");
    drop(scene.proxy);
    assert!(!health(&["--admin", &admin]).0);
}
