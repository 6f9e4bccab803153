//! Requests that are too long, too slow or too many at a time.

use std::io::Write;

use super::{ADD, JSON, Scene, TOKEN};
use crate::support::http::Response;

#[test]
fn what_is_too_long_is_refused() {
    let scene = Scene::tcp();
    let before = scene.state();
    let long = "x".repeat(1 << 20);
    let head = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n");
    // The answer may arrive, or the connection may be cut while the client still sends.
    let mut stream = scene.door.connect();
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let huge = "x".repeat(100 << 20);
    for path in [ADD, "/api/v1/reload"] {
        assert_eq!(scene.change("POST", path, &huge).status, 413);
    }
    assert_eq!(scene.door.ask("POST", ADD, &[JSON], &huge).status, 401, "the token is checked first");
    let chunks = format!("{:x}\r\n{huge}\r\n0\r\n\r\n", huge.len());
    let head = format!(
        "POST {ADD} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(scene.door.raw(format!("{head}{chunks}").as_bytes()).status, 413);
    let most = format!("{{\"x\": \"{}\"}}", "x".repeat((1 << 20) - 9));
    assert_eq!(scene.change("POST", ADD, &most).status, 400, "a body of exactly 1 MiB is read");
    assert_eq!(scene.state(), before);
}

#[test]
fn a_client_that_stops_in_a_request_is_not_waited_for() {
    let scene = Scene::tcp();
    let before = scene.state();
    let slow = |sent: String| {
        let mut stream = scene.door.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        stream
    };
    let mut heads: Vec<_> = (0..10).map(|_| slow("GET /livez HTTP/1.1\r\nHost: ".to_owned())).collect();
    let bodies: Vec<_> = (0..10)
        .map(|_| slow(format!("POST {ADD} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{")))
        .collect();
    assert_eq!(scene.door.get("/readyz").status, 200, "others are served meanwhile");
    for body in bodies {
        assert_eq!(Response::read(body).status, 408);
    }
    for head in &mut heads {
        let mut answer = Vec::new();
        head.read_to_end(&mut answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(scene.state(), before);
}

#[test]
fn requests_beyond_the_limit_wait_their_turn() {
    let scene = Scene::tcp();
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let mut stream = scene.door.connect();
            stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            stream
        })
        .collect();
    assert!(!scene.served("a.test").is_empty(), "clients are served meanwhile");
    for stream in asking {
        assert_eq!(Response::read(stream).status, 200);
    }
}
