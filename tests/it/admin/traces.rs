//! Traces in the log: refused requests and changes, with the peer that made them, and never a secret.

use std::io::Write;
use std::time::Instant;

use super::{BEARER, Scene, TOKEN};

fn value(scene: &Scene, reason: &str) -> u64 {
    let text = scene.door.get("/metrics").body;
    let series = format!("tlsgate_admin_requests_refused_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

#[test]
fn a_wrong_token_is_logged_with_its_peer_and_counted() {
    let scene = Scene::tcp();
    let guess = format!("Bearer {TOKEN}x");
    assert_eq!(scene.door.ask("POST", "/api/v1/reload", &[("Authorization", &guess)], "").status, 401);
    let line = scene.proxy.log_line("wrong_token");
    assert!(line.contains("peer=127.0.0.1:") && line.contains("/api/v1/reload"), "{line}");
    assert_eq!(scene.door.ask("POST", "/api/v1/drain", &[], "").status, 401);
    assert_eq!(scene.door.ask("GET", "/livez", &[("Host", "evil.test")], "").status, 421);
    let counts = ["wrong_token", "no_token", "host", "closed"].map(|reason| value(&scene, reason));
    assert_eq!(counts, [1, 1, 1, 0]);
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(scene.door.ask("POST", "/api/v1/reload", &[("Authorization", &guess)], "").status, 401);
    }
    assert_eq!(value(&scene, "wrong_token"), 101, "all are counted");
    let log = scene.proxy.log();
    let lines = log.lines().filter(|line| line.contains("wrong_token")).count();
    // Ten at once, and one a second, of which the first may be a moment old.
    let most = 10 + begun.elapsed().as_secs() + 1;
    assert!(lines as u64 <= most, "a guesser fills the log: {lines} lines, expected {most} at most");
    assert!(!log.contains(TOKEN), "{log}");
}

#[test]
fn where_no_change_is_allowed_an_attempt_is_counted() {
    let scene = Scene::new("listen=\"127.0.0.1:0\"");
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 403);
    assert_eq!(value(&scene, "closed"), 1);
}

#[test]
fn a_change_leaves_its_line_even_if_its_client_has_gone() {
    let scene = Scene::unix();
    let mut stream = scene.door.connect();
    stream.write_all(b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    drop(stream);
    scene.proxy.log_line("path=\"/api/v1/reload\" status=200");
}

#[test]
fn every_change_leaves_a_line_with_who_made_it() {
    for (scene, peer) in [(Scene::tcp(), "peer=127.0.0.1:"), (Scene::unix(), "peer=uid ")] {
        let pair = scene.pair("b.test");
        assert_eq!(scene.add("b", &pair).status, 201);
        assert_eq!(scene.add("../b", &pair).status, 422);
        assert_eq!(scene.change("DELETE", &format!("{}/b", super::ADD), "").status, 200);
        assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 200);
        let server = format!("/api/v1/backends/echo/{}/state", scene.backend.address);
        assert_eq!(scene.door.ask("PUT", &server, &[BEARER, super::JSON], "{\"state\":\"drain\"}").status, 200);
        for (method, path, status) in [
            ("POST", super::ADD, 201),
            ("POST", super::ADD, 422),
            ("DELETE", &format!("{}/b", super::ADD), 200),
            ("POST", "/api/v1/reload", 200),
            ("PUT", &server, 200),
        ] {
            let line = scene.proxy.log_line(&format!("method={method:?} path={path:?} status={status}"));
            assert!(line.contains(peer), "{line}");
        }
        assert!(!scene.proxy.log().contains("PRIVATE KEY"));
    }
}
