//! `max_connection_age`: connections end in an orderly way when they are old enough, and others do not.

use std::io::{Read, Write};

use super::greet;
use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, drain};
use crate::support::stage::{Lines, Stage};

#[test]
fn an_old_connection_ends_politely() {
    let backend = ByHand::new();
    let stage = stage(&backend, "max_connection_age = \"500ms\"");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        client.send(b"question").unwrap();
        server.read_exact(&mut [0; 8]).unwrap();
        // For longer than the age and the time for which a connection has to be quiet.
        std::thread::sleep(std::time::Duration::from_millis(1700));
        server.write_all(b"answer in full").unwrap();
        assert_eq!(client.read_to_end(), (b"answer in full".to_vec(), Ending::Fin), "{tls:?}");
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "max_age");
    }
}

#[test]
fn one_whose_server_does_not_answer_is_cut_after_the_shutdown_timeout() {
    let backend = ByHand::new();
    let top = "[runtime]\nshutdown_timeout = \"300ms\"\n";
    let lines = Lines { top, listener: "max_connection_age = \"100ms\"", backend: "" };
    let stage = Stage::new(&[backend.address], lines);
    let (mut client, _server) = stage.joined(&backend, Tls::V13);
    client.send(b"question").unwrap();
    assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin));
    assert_eq!(stage.outcome(client.close()), "max_age");
}

#[test]
fn a_route_has_its_own_and_a_reload_changes_it_for_new_connections_only() {
    let backend = ByHand::new();
    let route = "\n[[listener.route]]\nserver_names = [\"main.test\"]\nmax_connection_age = ";
    let top = "[admin]\nlisten=\"unix:admin.sock\"\n";
    let config = |age: &str| {
        let listener = format!("max_connection_age = \"1ms\"{route}{age:?}\n");
        crate::support::stage::config(&[backend.address], Lines { top, listener: &listener, backend: "" })
    };
    let lines = format!("max_connection_age = \"1ms\"{route}\"1h\"\n");
    let stage = Stage::new(&[backend.address], Lines { top, listener: &lines, backend: "" });
    let (mut old, mut of_old) = stage.joined(&backend, Tls::V13);
    greet(&mut old, &mut of_old);
    std::fs::write(stage.pki.folder().join("tlsgate.toml"), config("200ms")).unwrap();
    let door = crate::support::http::Door::unix(stage.pki.folder());
    let answer = door.ask("POST", "/api/v1/reload", &[], "");
    let change = "listener \"main\": route \"main.test\": max_connection_age = \"200ms\" (was \"1h\")";
    assert!(answer.body.contains(&change.replace('"', "\\\"")), "{answer:?}");
    let (mut new, mut of_new) = stage.joined(&backend, Tls::V13);
    assert_eq!(new.read_to_end(), (Vec::new(), Ending::Fin));
    assert_eq!(drain(&mut of_new), (Vec::new(), Ending::Reset));
    assert_eq!(stage.outcome(new.close()), "max_age");
    // The old one is older than that, and goes on.
    greet(&mut old, &mut of_old);
    drop(of_old);
    old.close_notify().unwrap();
    assert_eq!(stage.outcome(old.close()), "completed");
}

fn stage(backend: &ByHand, listener: &str) -> Stage {
    Stage::new(&[backend.address], Lines { listener, ..Lines::default() })
}
