//! Every byte counts: lost, added or changed ones are noticed at both ends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::backend::{Death, Server};
use crate::exchange::{Shape, Task};
use crate::material::server_side;
use crate::serving::{Broken, serve};
use crate::session::Session;
use crate::support::client::{Client, Tls, connect, trusting};
use crate::support::pki::Pki;
use crate::support::stream::Stream;

const NAME: &str = "server.test";
const TASKS: [Task; 3] = [
    Task { shape: Shape::Messages, seed: 7, up: 30, down: 0 },
    Task { shape: Shape::InTurn, seed: 8, up: 300_000, down: 200_000 },
    Task { shape: Shape::AfterEnd, seed: 9, up: 100_000, down: 3_000_000 },
];

#[test]
fn with_a_correct_peer_every_task_succeeds() {
    let pki = Pki::new();
    let server = Server::new(Ipv4Addr::LOCALHOST, Some(Arc::new(server_side(&pki, NAME))));
    for tls in Tls::BOTH {
        let config = Arc::new(trusting(&pki.ca(), tls));
        for task in TASKS {
            let mut session = Session::new(Client::on(connect(server.address), &config, NAME));
            session.begin().unwrap();
            assert_eq!(session.server, Some(server.address));
            let done = session.perform(task, Duration::ZERO);
            done.unwrap_or_else(|failure| panic!("{tls:?}, {task:?}: {failure:?}"));
        }
    }
    assert!(server.corruptions().is_empty());
}

/// What a server finds wrong with a client that sends these bytes and ends in an orderly way.
fn found(sent: &[u8]) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sent = sent.to_vec();
    let client = thread::spawn(move || {
        let mut tcp = connect(address);
        // The server may have closed already.
        let _ = tcp.write_all(&sent).and_then(|()| tcp.shutdown(Shutdown::Write));
        let _ = tcp.read_to_end(&mut Vec::new());
    });
    let (mut tcp, _) = listener.accept().unwrap();
    let served = serve(&mut tcp, address);
    drop(tcp);
    client.join().unwrap();
    match served {
        Ok(()) => None,
        Err(Broken::Corrupted(what)) => Some(what),
        Err(Broken::Aborted) => panic!("aborted"),
    }
}

#[test]
fn a_server_notices_what_no_client_has_sent() {
    let task = Task { shape: Shape::AfterEnd, seed: 4, up: 70_000, down: 10 };
    let mut stream = Stream::new(task.seed);
    let mut right = task.head().to_vec();
    while right.len() < task.head().len() + 70_000 {
        let left = task.head().len() + 70_000 - right.len();
        right.extend_from_slice(stream.next(left));
    }
    assert_eq!(found(&right), None);
    assert_eq!(found(b""), None, "a client that leaves");
    let changed = |at: usize| {
        let mut bytes = right.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (what, bytes, expected) in [
        ("the first byte", changed(0), "for a task"),
        ("a byte", changed(60_000), "wrong bytes"),
        ("the last byte", changed(right.len() - 1), "wrong bytes"),
        ("one is lost", [&right[..500], &right[501..]].concat(), "wrong bytes"),
        ("one is doubled", [&right[..500], &right[499..]].concat(), "wrong bytes"),
        ("one is missing at the end", right[..right.len() - 1].to_vec(), "an orderly end"),
        ("half a task", right[..5].to_vec(), "an orderly end"),
        ("one more at the end", [&right[..], b"x"].concat(), "after the end"),
    ] {
        let found = found(&bytes).unwrap_or_else(|| panic!("not noticed: {what}"));
        assert!(found.contains(expected), "{what}: {found}");
    }
}

#[test]
fn a_client_notices_a_server_that_is_killed() {
    for death in [Death::Reset, Death::Fin] {
        let pki = Pki::new();
        let server = Server::new(Ipv4Addr::LOCALHOST, Some(Arc::new(server_side(&pki, NAME))));
        let config = Arc::new(trusting(&pki.ca(), Tls::V12));
        let mut session = Session::new(Client::on(connect(server.address), &config, NAME));
        session.begin().unwrap();
        server.kill(death);
        assert!(session.perform(TASKS[1], Duration::ZERO).is_err_and(|failure| !failure.is_corruption), "{death:?}");
        assert!(TcpStream::connect(server.address).is_err(), "it still listens");
        // It comes back under its address, and was not at fault.
        server.revive();
        let mut session = Session::new(Client::on(connect(server.address), &config, NAME));
        session.begin().and_then(|()| session.perform(TASKS[0], Duration::ZERO)).unwrap();
        assert!(server.corruptions().is_empty(), "{death:?}");
    }
}
