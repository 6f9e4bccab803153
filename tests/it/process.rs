//! Signals: after TERM and INT, connections under way may finish for a while; after a second one and after QUIT they
//! may not.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, Tls, drain};
use crate::support::procfs::eventually;
use crate::support::stage::{Lines, Stage};

mod descriptors;
mod http_01;
mod limits;
mod logs;
mod pipes;
mod servers;
mod spread;
mod start;
mod stuck;
pub(crate) mod upgrade;

#[test]
fn asked_to_stop_it_refuses_new_connections_and_finishes_those_it_has() {
    for signal in ["TERM", "INT"] {
        let backend = ByHand::new();
        let mut stage = Stage::plain(backend.address);
        let (mut client, mut server) = stage.joined(&backend, Tls::V13);
        drains(&stage, signal);
        exchange(&mut client, &mut server);
        client.close_notify().unwrap();
        assert_eq!(drain(&mut server), (Vec::new(), Ending::Fin));
        server.write_all(b"the end").unwrap();
        drop(server);
        assert_eq!(client.read_to_end(), (b"the end".to_vec(), Ending::CloseNotify));
        let port = client.close();
        assert_eq!(stage.proxy.wait().code(), Some(0), "{signal}");
        assert_eq!(stage.outcome(port), "completed");
    }
}

#[test]
fn a_client_that_was_let_in_before_may_still_begin() {
    let backend = ByHand::new();
    let mut stage = Stage::plain(backend.address);
    let mut early = stage.silent(Tls::V13);
    let hello = early.flight();
    early.tcp.write_all(&hello[..100]).unwrap();
    // Connections are accepted in order: when this one is accepted, so is the one before.
    let (client, server) = stage.joined(&backend, Tls::V13);
    drains(&stage, "TERM");
    early.tcp.write_all(&hello[100..]).unwrap();
    early.handshake().unwrap();
    let mut its_server = backend.accept();
    exchange(&mut early, &mut its_server);
    drop((client, server, early, its_server));
    assert_eq!(stage.proxy.wait().code(), Some(0));
}

#[test]
fn with_nothing_under_way_it_ends_at_once() {
    let backend = ByHand::new();
    let mut stage = Stage::plain(backend.address);
    stage.proxy.signal("TERM");
    assert_eq!(stage.proxy.wait().code(), Some(0));
}

#[test]
fn what_is_left_at_the_deadline_is_cut_and_the_exit_code_says_so() {
    for tls in Tls::BOTH {
        let backend = ByHand::new();
        let lines = Lines { top: "[runtime]\nshutdown_timeout = \"300ms\"", ..Lines::default() };
        let mut stage = Stage::new(&[backend.address], lines);
        let (mut client, mut server) = stage.joined(&backend, tls);
        exchange(&mut client, &mut server);
        stage.proxy.signal("TERM");
        assert_eq!(stage.proxy.wait().code(), Some(3));
        is_cut(&stage, client, &mut server);
    }
}

#[test]
fn a_second_signal_or_quit_cuts_what_is_left() {
    for signals in [&["TERM", "TERM"][..], &["INT", "TERM"], &["TERM", "INT"], &["TERM", "QUIT"], &["QUIT"]] {
        let backend = ByHand::new();
        let mut stage = Stage::plain(backend.address);
        let (mut client, mut server) = stage.joined(&backend, Tls::V13);
        exchange(&mut client, &mut server);
        if let [first, _] = signals {
            drains(&stage, first);
            exchange(&mut client, &mut server);
        }
        stage.proxy.signal(signals[signals.len() - 1]);
        assert_eq!(stage.proxy.wait().code(), Some(0), "{signals:?}");
        is_cut(&stage, client, &mut server);
    }
}

/// Sends the signal, and waits until new connections are refused.
fn drains(stage: &Stage, signal: &str) {
    stage.proxy.signal(signal);
    stage.proxy.log_line("no longer accepting");
    eventually("new connections are refused", || {
        let error = TcpStream::connect(stage.address()).err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
}

fn exchange(client: &mut Client, server: &mut TcpStream) {
    client.send(b"question").unwrap();
    server.read_exact(&mut [0; 8]).unwrap();
    server.write_all(b"answer").unwrap();
    assert_eq!(client.read_exact(6), b"answer");
}

/// Neither side takes it for an orderly end, and the log names it.
fn is_cut(stage: &Stage, mut client: Client, server: &mut TcpStream) {
    assert_ne!(client.read_to_end().1, Ending::CloseNotify);
    assert_eq!(drain(server), (Vec::new(), Ending::Reset), "what the backend sees");
    assert_eq!(stage.outcome(client.close()), "shutdown");
}
