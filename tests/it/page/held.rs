//! Forms whose bodies do not come: whoever may make no change keeps nobody from making one.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::{Scene, TOKEN};
use crate::support::PATIENCE;
use crate::support::http::Response;

/// Begins a form, and returns the line with which it is answered: "100 Continue" means that its body is waited for.
fn begun(scene: &Scene, path: &str, more: &str, length: usize) -> (BufReader<TcpStream>, String) {
    let mut stream = TcpStream::connect(scene.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = scene.address;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nConnection: close\r\n{more}\
         Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (mut stream, mut line) = (BufReader::new(stream), String::new());
    stream.read_line(&mut line).unwrap();
    (stream, line)
}

#[test]
fn strangers_who_hold_sign_ins_keep_no_operator_out() {
    let scene = Scene::troubled();
    let body = format!("token={TOKEN}");
    let mut held: Vec<_> = (0..MANY).map(|_| begun(&scene, "/sign-in", "", body.len())).collect();
    for (_, line) in &held {
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n", "every one of them is waited for");
    }
    let bearer = format!("Bearer {TOKEN}");
    let metrics = scene.door.get("/metrics").body;
    assert!(metrics.contains("tlsgate_admin_changes 0\n"), "{metrics}");
    let reloaded = scene.door.ask("POST", "/api/v1/reload", &[("Authorization", &*bearer)], "");
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    let (cookie, secret) = scene.session();
    let changed = scene.post("/change/reload", &[("Cookie", &*cookie)], &format!("secret={secret}"));
    assert_eq!(changed.status, 303, "{changed:?}");
    // The last of them has been waited for all the time.
    let (mut last, _) = held.pop().unwrap();
    last.get_mut().write_all(body.as_bytes()).unwrap();
    // The empty line of the interim answer comes first.
    last.read_line(&mut String::new()).unwrap();
    assert_eq!(Response::read(last).status, 303);
}

#[test]
fn a_session_whose_token_is_another_one_now_is_refused_before_its_body_is_waited_for() {
    let scene = Scene::troubled();
    let (cookie, _) = scene.session();
    let session = format!("Cookie: {cookie}\r\n");
    let (held, line) = begun(&scene, "/change/reload", &session, 1000);
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    let metrics = scene.door.get("/metrics").body;
    for line in ["tlsgate_admin_changes 1\n", "tlsgate_admin_page_sessions 1\n"] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    drop(held);
    std::fs::write(scene.pki.folder().join("token"), "another-token-that-is-long").unwrap();
    let (_, line) = begun(&scene, "/change/reload", &session, 1000);
    assert!(line.starts_with("HTTP/1.1 401 "), "{line}");
}

#[test]
fn a_form_with_a_token_is_short() {
    let scene = Scene::troubled();
    let with = |more: usize| format!("token={TOKEN}&more={}", "x".repeat(more));
    assert_eq!(scene.post("/sign-in", &[], &with(1000)).status, 303);
    assert_eq!(scene.post("/sign-in", &[], &with(16 << 10)).status, 413);
    let (_, line) = begun(&scene, "/sign-in", "", (16 << 10) + 1);
    assert!(line.starts_with("HTTP/1.1 413 "), "{line}");
}

/// More than changes can wait for their turn at one time.
const MANY: usize = 40;
