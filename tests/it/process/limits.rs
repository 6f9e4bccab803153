//! Limits: at each one new connections wait or are refused, established ones are untouched, and accepting resumes.

use std::io::Read;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::by_hand::ByHand;
use crate::support::client::{Tls, close, connect, drain};
use crate::support::procfs::{eventually, resident_kib};
use crate::support::stage::{Lines, Stage};

#[test]
fn beyond_max_connections_clients_are_refused_until_there_is_room() {
    let backend = ByHand::new();
    let stage = Stage::new(&[backend.address], Lines { listener: "max_connections = 2", ..Lines::default() });
    let (mut first, mut its_server) = stage.joined(&backend, Tls::V12);
    let (mut second, mut other_server) = stage.joined(&backend, Tls::V13);
    for _ in 0..50 {
        let mut refused = connect(stage.address());
        assert_eq!(drain(&mut refused).0, b"");
        assert_eq!(stage.outcome(close(refused)), "connection_limit");
    }
    for (client, server) in [(&mut first, &mut its_server), (&mut second, &mut other_server)] {
        client.send(b"still in").unwrap();
        server.read_exact(&mut [0; 8]).unwrap();
    }
    drop(its_server);
    first.close_notify().unwrap();
    assert_eq!(stage.outcome(first.close()), "completed");
    let mut third = eventually("there is room again", || {
        let mut client = stage.silent(Tls::V13);
        client.handshake().ok().map(|()| client)
    });
    third.send(b"in").unwrap();
    backend.accept().read_exact(&mut [0; 2]).unwrap();
    assert!(backend.is_untouched());
}

#[test]
fn a_thousand_idle_connections_are_held_in_little_memory() {
    // The test holds two ends of each connection, the proxy the other two.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let backend = ByHand::new();
    for tls in Tls::BOTH {
        // A new process for each: memory that was used once is not given back.
        let stage = Stage::plain(backend.address);
        drop(stage.joined(&backend, tls));
        stage.proxy.records(1);
        let before = resident_kib(stage.proxy.pid());
        let mut idle: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (mut client, mut server) = stage.joined(&backend, tls);
                client.send(b"once").unwrap();
                server.read_exact(&mut [0; 4]).unwrap();
                (client, server)
            })
            .collect();
        let grown = resident_kib(stage.proxy.pid()).saturating_sub(before);
        println!("{CONNECTIONS} idle connections, {tls:?}: {:.1} KiB each", grown as f64 / CONNECTIONS as f64);
        assert!(grown < 100 * CONNECTIONS, "{grown} KiB");
        for (client, server) in &mut idle {
            client.send(b"still here").unwrap();
            server.read_exact(&mut [0; 10]).unwrap();
        }
    }
}

const CONNECTIONS: u64 = 1000;
