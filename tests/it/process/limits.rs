//! Limits: at each one new connections wait or are refused, those that are in are untouched, and it recovers.

use std::io::{Read, Write};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::bare::Bare;
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Tls, close, connect, drain, trusting};
use crate::support::procfs::{eventually, open_files, resident_kib};
use crate::support::stage::{Lines, NAME, Stage, certified, config};

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
fn out_of_file_descriptors_it_serves_those_it_has_and_recovers() {
    let backend = ByHand::new();
    let pki = certified();
    let text = config(&[backend.address], Lines::default());
    let mut bare = Bare::start(pki.folder(), &text, "ulimit -n 60");
    let trust = Tls::BOTH.map(|tls| trusting(&pki.ca(), tls).into());
    let mut client = Client::silent(bare.address, &trust[1], NAME);
    client.handshake().unwrap();
    let mut server = backend.accept();
    let waiting: Vec<_> = (0..100).map(|_| connect(bare.address)).collect();
    eventually("every descriptor is taken", || (open_files(bare.pid()) >= 60).then_some(()));
    for _ in 0..100 {
        client.send(b"ping").unwrap();
        server.read_exact(&mut [0; 4]).unwrap();
        server.write_all(b"pong").unwrap();
        assert_eq!(client.read_exact(4), b"pong");
    }
    drop(waiting);
    for trust in &trust {
        let mut late = Client::silent(bare.address, trust, NAME);
        late.handshake().unwrap();
        late.send(b"late").unwrap();
        backend.accept().read_exact(&mut [0; 4]).unwrap();
    }
    drop((client, server));
    bare.stop();
    let lines = bare.last_lines();
    let told = lines.lines().filter(|line| line.contains("no file descriptors left")).count();
    assert_eq!(told, 1, "a line a minute: {lines}");
}

#[test]
fn a_thousand_idle_connections_are_held_in_little_memory() {
    // The test holds two ends of each connection, the proxy the other two.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let backend = ByHand::new();
    for tls in Tls::BOTH {
        // A fresh one for each: memory that was used once is not given back.
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
