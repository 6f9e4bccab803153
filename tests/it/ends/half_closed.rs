//! Once one side has ended its data, silence has a limit of its own; bytes that still flow the other way have none.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, connect, drain, port};
use crate::support::stage::{Lines, Stage};

#[test]
fn a_peer_that_has_ended_and_gets_no_answer_is_cut_and_neither_side_takes_it_for_an_end() {
    let backend = ByHand::new();
    let stage = limited(&backend, "", "200ms");
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        client.close_notify().unwrap();
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
        assert_ne!(client.read_to_end().1, Ending::CloseNotify, "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "half_closed_timeout");
        assert_eq!(ending_of(server), Ending::Reset, "{tls:?}");

        let (mut client, server) = stage.joined(&backend, tls);
        server.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read_to_end(), (Vec::new(), Ending::CloseNotify));
        assert_eq!(ending_of(server), Ending::Reset, "{tls:?}");
        assert_eq!(stage.outcome(client.close()), "half_closed_timeout");
    }
}

#[test]
fn what_is_passed_through_is_reset_on_both_sides() {
    let backend = ByHand::new();
    let stage = limited(&backend, PASSED, "200ms");
    for client_first in [true, false] {
        let (client, server) = passed(&stage, &backend);
        let from = port(&client);
        let (first, mut second) = if client_first { (client, server) } else { (server, client) };
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(drain(&mut second), (Vec::new(), Ending::Fin));
        assert_eq!([first, second].map(ending_of), [Ending::Reset; 2]);
        assert_eq!(stage.outcome(from), "half_closed_timeout");
    }
}

#[test]
fn a_connection_that_is_open_on_both_sides_may_be_silent_for_longer() {
    let backend = ByHand::new();
    let stage = limited(&backend, "", "50ms");
    let (mut client, mut server) = stage.joined(&backend, Tls::V13);
    let (mut ended, _server) = stage.joined(&backend, Tls::V13);
    ended.close_notify().unwrap();
    // Its limit has passed by now, and so has the limit of the other connection, if it had one.
    assert_eq!(stage.outcome(ended.port()), "half_closed_timeout");
    client.send(b"ping").unwrap();
    server.read_exact(&mut [0; 4]).unwrap();
    server.write_all(b"pong").unwrap();
    assert_eq!(client.read_exact(4), b"pong");
}

#[test]
fn an_answer_that_takes_longer_than_the_limit_comes_in_full() {
    let backend = ByHand::new();
    let (terminated, through) = (limited(&backend, "", "2s"), limited(&backend, PASSED, "2s"));
    thread::scope(|scope| {
        for tls in Tls::BOTH {
            let (mut client, mut server) = terminated.joined(&backend, tls);
            client.close_notify().unwrap();
            assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
            scope.spawn(move || answer(server));
            scope.spawn(move || assert_eq!(client.read_to_end(), (vec![b'.'; TICKS], Ending::CloseNotify)));
        }
        let (mut client, mut server) = passed(&through, &backend);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
        scope.spawn(move || answer(server));
        scope.spawn(move || assert_eq!(drain(&mut client), (vec![b'.'; TICKS], Ending::Fin)));
    });
}

fn answer(mut server: TcpStream) {
    for _ in 0..TICKS {
        thread::sleep(TICK);
        server.write_all(b".").unwrap();
    }
}

/// How a connection ends after one of its sides has ended its data: only a write shows a reset.
fn ending_of(mut tcp: TcpStream) -> Ending {
    match drain(&mut tcp).1 {
        Ending::Fin => {
            // After the peer's end, only a write reports a reset.
            let wrote = (0..100).try_for_each(|_| {
                thread::yield_now();
                tcp.write_all(b"x")
            });
            if wrote.is_err() { Ending::Reset } else { Ending::Fin }
        }
        other => other,
    }
}

fn limited(backend: &ByHand, listener: &str, limit: &str) -> Stage {
    let listener = format!("{listener}half_close_timeout = \"{limit}\"");
    Stage::new(&[backend.address], Lines { listener: &listener, ..Lines::default() })
}

/// A client whose hello was passed through, and the backend's side of the connection.
fn passed(stage: &Stage, backend: &ByHand) -> (TcpStream, TcpStream) {
    let mut client = Client::on(connect(stage.address()), stage.config(Tls::V13), "through.test");
    let hello = client.flight();
    client.tcp.write_all(&hello).unwrap();
    let mut server = backend.accept();
    server.read_exact(&mut vec![0; hello.len()]).unwrap();
    (client.tcp, server)
}

const PASSED: &str = "route = [{ server_names = [\"through.test\"], mode = \"passthrough\" }]\n";

// This test is about time itself: one and a half times the limit in all, in steps of an eighth of the limit.
const TICK: Duration = Duration::from_millis(250);
const TICKS: usize = 12;
