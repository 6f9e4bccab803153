//! Requests without permission, and requests that are not meant for the admin API.

use std::fs;

use serde_json::json;

use super::{ADD, BEARER, JSON, Scene};

#[test]
fn a_change_without_the_token_is_refused() {
    let scene = Scene::tcp();
    let before = scene.state();
    let body = json!({ "name": "b", "certificate": "", "key": "" }).to_string();
    let wrong = [
        "Bearer wrong",
        "Bearer ",
        "Basic Y29ycmVjdA==",
        "Bearer correct-horse-battery-stapl",
        "correct-horse-battery-staple",
    ];
    let changes = [
        ("POST", "/api/v1/reload".to_owned()),
        ("POST", "/api/v1/drain".to_owned()),
        ("POST", ADD.to_owned()),
        ("DELETE", format!("{ADD}/a")),
    ];
    for (method, path) in &changes {
        let none = scene.door.ask(method, path, &[JSON], &body);
        assert_eq!(none.status, 401, "{none:?}");
        assert!(none.head.contains("www-authenticate: bearer"), "{none:?}");
        for token in wrong {
            assert_eq!(scene.door.ask(method, path, &[JSON, ("Authorization", token)], &body).status, 401, "{token}");
        }
    }
    assert_eq!(scene.state(), before);
    let closed = Scene::new("listen=\"127.0.0.1:0\"");
    for (method, path) in &changes {
        let answer = closed.change(method, path, &body);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.error().contains("token_file in [admin]"), "{answer:?}");
    }
    // A lost token file closes the API instead of opening it.
    fs::remove_file(scene.path("token")).unwrap();
    assert_eq!(scene.change("POST", "/api/v1/reload", "").status, 403);
    for status in [scene, closed].map(|scene| scene.door.get("/api/v1/status").json()) {
        assert_eq!(status["draining"], false);
    }
}

#[test]
fn what_is_not_meant_for_it_is_refused() {
    let scene = Scene::tcp();
    let before = scene.state();
    for host in ["evil.test", "evil.test:80", "127.0.0.1.evil.test", "10.0.0.1", ""] {
        assert_eq!(scene.door.ask("GET", "/api/v1/config", &[("Host", host)], "").status, 421, "{host}");
        assert_eq!(scene.door.ask("POST", "/api/v1/reload", &[("Host", host), BEARER], "").status, 421, "{host}");
    }
    assert_eq!(scene.door.ask("GET", "/livez", &[("Host", "localhost")], "").status, 200);
    for path in [
        "/index.html",
        "/api",
        "/api/v1/",
        "/../etc/passwd",
        "/api/v1/../../livez",
        "/%2e%2e/livez",
        "//livez",
        "/livez/",
    ] {
        assert_eq!(scene.door.get(path).status, 404, "{path}");
    }
    for path in ["/api/v1/reload", "/api/v1/drain", ADD] {
        let answer = scene.door.ask("GET", path, &[BEARER], "");
        assert_eq!(answer.status, 405, "{answer:?}");
        assert!(answer.head.contains("allow: post"), "{answer:?}");
    }
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = scene.door.ask(method, "/api/v1/config", &[BEARER], "");
        assert_eq!(answer.status, 405, "{method}: {answer:?}");
        assert!(answer.head.contains("allow: get, head"), "{answer:?}");
    }
    assert_eq!(scene.door.raw(b"GARBAGE\r\n\r\n").status, 400);
    assert_eq!(scene.state(), before);
}
