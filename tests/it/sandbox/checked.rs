//! `tlsgate check` says what the sandbox will be.

use std::fs;

use serde_json::Value;

use super::{CONFIGURATION, Scene, configuration, is_root};
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::PROGRAM;
use crate::support::tool;

#[test]
fn what_check_says_is_what_the_process_gets() {
    let scene = Scene::new("[log]\naccess = \"../logs/access.log\"\n", &["certs"]);
    let config = fs::read_to_string(scene.path(CONFIGURATION)).unwrap();
    let checked = check(&scene.path("conf"), &config);
    assert!(checked.ok, "{:?}", checked.errors);
    let process = &checked.report["process"];
    assert_eq!(process["user"]["name"].as_str(), is_root().then_some("nobody"));
    let root = scene.pki.folder().canonicalize().unwrap();
    let of = |below: &str, access: &str| {
        let path = root.join(below);
        let is = |place: &&Value| place["path"].as_str() == path.to_str() && place["access"] == access;
        process["files"].as_array().unwrap().iter().find(is).map(|place| place["keys"].to_string())
    };
    let expected = [
        (of("conf", "read"), "[\"the configuration\"]"),
        (of("certs", "change"), "[\"listener \\\"main\\\": certificates[0]\"]"),
        (of("logs", "append"), "[\"log: access\"]"),
    ];
    for (found, keys) in expected {
        assert_eq!(found.as_deref(), Some(keys), "{process:#}");
    }
    let line = scene.proxy.log_line("rights given up: ");
    if let Some(version) = process["landlock"].as_u64() {
        let count = process["files"].as_array().unwrap().len();
        assert!(line.contains(&format!("Landlock {version} ({count} paths)")), "{line}\n{process:#}");
    }
    assert_eq!(process["seccomp"] == true, line.contains("system calls: seccomp"), "{line}");
}

#[test]
fn the_text_has_a_line_for_each_key() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let path = pki.folder().join("tlsgate.toml");
    let top = "[process]\nsandbox_paths = [\"tokens\"]\n";
    fs::write(&path, configuration(&backend, top, "\"certs\"")).unwrap();
    let text = tool::run(PROGRAM, &["check", "-c", path.to_str().unwrap()], b"").stdout;
    let text = String::from_utf8(text).unwrap();
    for part in [
        "process: ".to_owned(),
        format!("process: can change {} (", pki.folder().canonicalize().unwrap().join("certs").display()),
        "process: cannot use what does not exist yet: process: sandbox_paths".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}:\n{text}");
    }
    assert!(text.ends_with(": ok\n"), "{text}");
}
