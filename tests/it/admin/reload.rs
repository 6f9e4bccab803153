//! Reloads: over the API, several at once, with faults, and by `tlsgate reload`.

use std::process::Command;

use serde_json::json;

use super::{Scene, at_once};
use crate::support::http::Door;
use crate::support::proxy::PROGRAM;

#[test]
fn reloads_at_once_are_all_answered() {
    let scene = Scene::unix();
    scene.write_config("idle_timeout = \"5m\"");
    let answers = at_once(8, || scene.change("POST", "/api/v1/reload", ""));
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(scene.door.get("/api/v1/config").json()["listener"][0]["idle_timeout"], "5m");
}

#[test]
fn a_reload_that_fails_says_why_and_heals() {
    let scene = Scene::unix();
    scene.write_config("idle_timeout = 3\nmax_connections = 0");
    let answer = scene.change("POST", "/api/v1/reload", "");
    assert_eq!(answer.status, 422);
    let errors = answer.json()["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 2, "{errors}");
    assert_eq!((&errors[0]["line"], &errors[0]["path"]), (&json!(8), &json!("listener \"main\": idle_timeout")));
    let status = scene.door.get("/api/v1/status").json();
    assert_eq!((&status["last_reload_successful"], &status["errors"]), (&json!(false), &errors));
    assert_eq!(scene.door.get("/readyz").status, 200, "the old state serves");
    scene.write_config("");
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 200);
    assert_eq!(scene.door.get("/api/v1/status").json()["last_reload_successful"], true);
}

#[test]
fn the_command_line_asks_for_a_reload() {
    let tcp = Scene::tcp();
    let Door::Tcp(address) = tcp.door else { unreachable!() };
    let token = tcp.path("token");
    let url = format!("http://{address}");
    let (fine, printed) = reload(&["--admin", &url, "--token-file", token.to_str().unwrap()]);
    assert!(fine && printed.contains("nothing has changed"), "{printed}");
    let (fine, printed) = reload(&["--admin", &url]);
    assert!(!fine && printed.contains("needs the token"), "{printed}");
    let unix = Scene::unix();
    let socket = format!("unix:{}", unix.path("admin.sock").display());
    unix.write_config("idle_timeout = \"5m\"");
    let (fine, printed) = reload(&["--admin", &socket]);
    assert!(
        fine && (printed.contains("idle_timeout = \"5m\"") || printed.contains("nothing has changed")),
        "{printed}"
    );
    let config = unix.path("tlsgate.toml");
    assert!(reload(&["-c", config.to_str().unwrap()]).0);
    unix.write_config("idle_timeout = 3");
    let (fine, printed) = reload(&["--admin", &socket]);
    assert!(!fine && printed.contains("idle_timeout: found 3, expected"), "{printed}");
    drop(unix);
    let (fine, printed) = reload(&["--admin", &socket]);
    assert!(!fine && printed.contains("cannot be reached"), "{printed}");
    assert_eq!(Command::new(PROGRAM).arg("reload").output().unwrap().status.code(), Some(2));
}

fn reload(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM).arg("reload").args(arguments).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}
