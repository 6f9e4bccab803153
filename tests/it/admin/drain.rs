//! A drain, and the answers while it goes on.

use std::io::Write;
use std::process::Command;

use super::health::health;
use super::{Scene, at_once};

#[test]
fn readiness_shows_a_drain_and_a_second_one_conflicts() {
    let mut scene = Scene::unix();
    let address = scene.proxy.address("main").to_string();
    let mut live = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (live.stdin.take().unwrap(), live.stdout.take().unwrap());
    let mut answer = [0; 6];
    to.write_all(b"first\n").unwrap();
    std::io::Read::read_exact(&mut from, &mut answer).unwrap();
    let answers = at_once(2, || scene.change("POST", "/api/v1/drain", ""));
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
    assert_eq!(scene.door.get("/readyz").status, 503);
    assert_eq!(scene.door.get("/livez").status, 200);
    let config = scene.path("tlsgate.toml");
    let (well, printed) = health(&["-c", config.to_str().unwrap()]);
    assert!(!well && printed.contains("draining"), "{printed}");
    assert!(health(&["--live", "-c", config.to_str().unwrap()]).0);
    assert_eq!(scene.change("POST", "/api/v1/drain", "").status, 409);
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 503);
    let before = scene.state();
    assert_eq!(scene.add("b", &scene.pair("b.test")).status, 503);
    assert_eq!(scene.state(), before);
    drop(to);
    live.kill().unwrap();
    live.wait().unwrap();
    assert!(scene.proxy.wait().success());
    assert!(!scene.path("admin.sock").exists(), "the socket is tidied up");
}
