//! `idle_timeout` ends connections on which nothing moves, and no others.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, drain};
use crate::support::procfs::eventually;
use crate::support::stage::{Lines, Stage};

#[test]
fn an_idle_connection_is_cut_and_neither_side_takes_it_for_an_end() {
    let backend = ByHand::new();
    let stage = short(&backend, "300ms");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        let port = client.port();
        client.send(b"last words").unwrap();
        assert_eq!(drain(&mut server), (b"last words".to_vec(), Ending::Reset), "{tls:?}");
        assert_ne!(client.read_to_end().1, Ending::CloseNotify, "{tls:?}");
        assert_eq!(stage.outcome(port), "idle_timeout");
    }
}

#[test]
fn a_connection_that_is_half_closed_may_not_idle_either() {
    let backend = ByHand::new();
    let stage = short(&backend, "300ms");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        client.close_notify().unwrap();
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
        assert_ne!(client.read_to_end().1, Ending::CloseNotify, "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "idle_timeout");

        let (mut client, mut server) = stage.joined(&backend, tls);
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify));
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Reset), "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "idle_timeout");
    }
}

#[test]
fn a_client_that_does_not_read_its_answer_is_cut() {
    let backend = ByHand::new();
    let stage = short(&backend, "300ms");
    for tls in Tls::BOTH {
        let (client, mut server) = stage.joined(&backend, tls);
        while server.write_all(&[7; 100_000]).is_ok() {}
        assert_eq!(stage.outcome(client.close()), "idle_timeout", "{tls:?}");
    }
}

#[test]
fn what_a_client_does_not_read_does_not_stay_in_the_kernel() {
    let backend = ByHand::new();
    let stage = short(&backend, "300ms");
    let clients = Tls::BOTH.map(|tls| {
        let (client, mut server) = stage.joined(&backend, tls);
        while server.write_all(&[7; 100_000]).is_ok() {}
        client
    });
    for client in clients {
        let port = client.port();
        // After an ordinary close, the kernel would go on trying for minutes.
        let error = eventually("a reset", || client.tcp.take_error().unwrap());
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(stage.outcome(port), "idle_timeout");
    }
}

#[test]
fn a_client_that_has_read_all_gets_an_ordinary_end() {
    let backend = ByHand::new();
    let stage = short(&backend, "300ms");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        server.write_all(&[7; 100_000]).unwrap();
        assert_eq!(client.read_exact(100_000), [7; 100_000]);
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::Fin), "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "idle_timeout");
    }
}

#[test]
fn a_backend_that_does_not_read_is_cut() {
    let backend = ByHand::new();
    let stage = short(&backend, "300ms");
    for tls in Tls::BOTH {
        let (mut client, _server) = stage.joined(&backend, tls);
        while client.send(&[7; 100_000]).is_ok() {}
        assert_eq!(stage.outcome(client.close()), "idle_timeout", "{tls:?}");
    }
}

#[test]
fn bytes_in_one_direction_alone_keep_a_connection() {
    let backend = ByHand::new();
    let stage = short(&backend, "2s");
    thread::scope(|scope| {
        for tls in Tls::BOTH {
            let (mut client, mut server) = stage.joined(&backend, tls);
            scope.spawn(move || {
                for _ in 0..TICKS {
                    thread::sleep(TICK);
                    client.send(b".").unwrap();
                }
                server.read_exact(&mut [0; TICKS]).unwrap();
                server.write_all(b"!").unwrap();
                assert_eq!(client.read_exact(1), b"!");
            });
            let (mut client, mut server) = stage.joined(&backend, tls);
            scope.spawn(move || {
                for _ in 0..TICKS {
                    thread::sleep(TICK);
                    server.write_all(b".").unwrap();
                }
                client.read_exact(TICKS);
                client.send(b"!").unwrap();
                server.read_exact(&mut [0]).unwrap();
            });
        }
    });
}

fn short(backend: &ByHand, idle: &str) -> Stage {
    let listener = format!("idle_timeout = \"{idle}\"");
    Stage::new(&[backend.address], Lines { listener: &listener, ..Lines::default() })
}

// This test is about time itself: one and a half times the limit in all, in steps of an eighth of the limit.
const TICK: Duration = Duration::from_millis(250);
const TICKS: usize = 12;
