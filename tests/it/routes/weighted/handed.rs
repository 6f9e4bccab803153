//! What an operator has changed through the API is in force after an upgrade in place (USR2) as well, and a change in the middle of
//! it is never lost without an answer that says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{JSON, ROUTE, SPLIT, Scene, letter, text};
use crate::process::upgrade::Successor;
use crate::support::backend::Backend;
use crate::support::dns::{Dns, Record};
use crate::support::http::Door;
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::stage::Stage;

/// Asks for a successor, and waits until it is the one that answers.
fn replaced(proxy: &Proxy, door: &Door) -> Successor {
    let successor = Successor::of(proxy);
    eventually("it answers", || {
        let answer = door.get("/api/v1/status");
        let is_it = || answer.json()["pid"].as_u64() == successor.pid().parse().ok();
        (answer.status == 200 && is_it()).then_some(())
    });
    successor
}

#[test]
fn weights_are_those_of_before() {
    let (blue, green) = (letter(b'b'), letter(b'g'));
    let scene = Scene::open(SPLIT, "", [blue.address, green.address]);
    scene.set(0, 100);
    let _successor = replaced(&scene.proxy, &scene.door);
    assert_eq!(scene.weights(), [0, 100]);
    for _ in 0..20 {
        assert_eq!(scene.asks([127, 0, 0, 1].into()), b"g");
    }
    // And a reload keeps them, as ever.
    scene.reload(SPLIT, "", [blue.address, green.address]);
    assert_eq!(scene.weights(), [0, 100]);
}

#[test]
fn a_file_with_another_list_replaces_them() {
    let servers = [letter(b'b').address, letter(b'g').address];
    let scene = Scene::open(SPLIT, "", servers);
    scene.set(0, 100);
    let other = SPLIT.replace("95", "90");
    std::fs::write(scene.pki.folder().join("tlsgate.toml"), text(&other, "", servers)).unwrap();
    let _successor = replaced(&scene.proxy, &scene.door);
    assert_eq!(scene.weights(), [90, 5]);
}

#[test]
fn a_change_in_the_middle_counts_or_is_refused() {
    let scene = Scene::open(SPLIT, "", [letter(b'b').address, letter(b'g').address]);
    let (over, last) = (AtomicBool::new(false), std::sync::Mutex::new(0));
    let _successor = thread::scope(|scope| {
        scope.spawn(|| {
            // The heaviest is 1000.
            for weight in (1..=1000).cycle() {
                let body = json!({ "weights": { "blue": weight, "green": 1 } }).to_string();
                let answer = scene.door.ask("PUT", ROUTE, &[JSON], &body);
                match answer.status {
                    200 => *last.lock().unwrap() = weight,
                    503 => assert!(!answer.error().is_empty(), "{answer:?}"),
                    _ => panic!("{answer:?}"),
                }
                if over.load(Ordering::Acquire) {
                    break;
                }
            }
        });
        eventually("some are set", || (*last.lock().unwrap() > 5).then_some(()));
        let successor = replaced(&scene.proxy, &scene.door);
        over.store(true, Ordering::Release);
        successor
    });
    assert_eq!(scene.weights(), [*last.lock().unwrap(), 1]);
}

#[test]
fn changes_go_on_where_nobody_takes_over() {
    let servers = [letter(b'b').address, letter(b'g').address];
    let scene = Scene::open(SPLIT, "", servers);
    scene.set(0, 100);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = text(SPLIT, "", servers);
    let more = text.replace("\"127.0.0.1:0\"", &format!("[\"127.0.0.1:0\", \"{}\"]", taken.local_addr().unwrap()));
    assert_ne!(more, text);
    std::fs::write(scene.pki.folder().join("tlsgate.toml"), more).unwrap();
    // It asks for what was changed, and fails after that: another program listens there.
    scene.proxy.signal("USR2");
    scene.proxy.log_line("no other process has taken over, everything stays as it is");
    scene.set(1, 1);
    assert_eq!(scene.weights(), [1, 1]);
}

#[test]
fn servers_that_are_out_of_rotation_stay_out() {
    let (one, other) = (Backend::echo(), Backend::echo());
    let dns = Dns::start(3600);
    dns.set("web.test", &[Record::A([127, 0, 0, 1].into())]);
    let found = Backend::echo();
    let port = found.address.port();
    let top = format!("[resolver]\nnameservers = \"{}\"\n", dns.address);
    let servers = format!("\"{}\", \"{}\", \"dns:web.test:{port}\"", one.address, other.address);
    let stage = Stage::with(&top, &servers, "");
    let door = stage.door();
    let states = [(one.address, "drain"), (other.address, "maint"), (found.address, "drain")];
    let shown = || {
        let backends = door.get("/api/v1/backends").json();
        let servers: Vec<Value> = backends["backends"][0]["servers"].as_array().unwrap().clone();
        states.map(|(address, _)| {
            let server = servers.iter().find(|server| server["address"] == address.to_string());
            server.and_then(|server| server["state"].as_str()).unwrap_or_default().to_owned()
        })
    };
    eventually("the name is looked up", || shown().iter().all(|state| state == "ready").then_some(()));
    for (address, state) in states {
        set(&door, &address.to_string(), state);
    }
    let wanted = states.map(|(_, state)| state.to_owned());
    assert_eq!(shown(), wanted);
    let _successor = replaced(&stage.proxy, &door);
    // It is not in rotation for a moment, neither.
    eventually("the name is looked up again", || {
        let states = shown();
        assert!(states.iter().zip(&wanted).all(|(is, wanted)| is.is_empty() || is == wanted), "{states:?}");
        (states == wanted).then_some(())
    });
}

fn set(door: &Door, server: &str, state: &str) {
    let path = format!("/api/v1/backends/servers/{server}/state");
    let answer = door.ask("PUT", &path, &[JSON], &json!({ "state": state }).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}
