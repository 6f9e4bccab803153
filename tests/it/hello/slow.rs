//! Slow clients are cut at `handshake_timeout`, which nothing that they do extends, and affect no others.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, close, connect, drain};
use crate::support::stage::{Lines, Stage};

#[test]
fn silent_and_trickling_clients_are_cut_while_a_good_one_is_served() {
    let echo = Backend::echo();
    let stage = short(echo.address);
    let mut silent: Vec<TcpStream> = (0..20).map(|_| connect(stage.address())).collect();
    let mut trickling: Vec<(TcpStream, Vec<u8>)> = Vec::new();
    for tls in Tls::BOTH {
        for _ in 0..10 {
            let mut client = stage.silent(tls);
            let hello = client.flight();
            client.tcp.write_all(&hello[..1]).unwrap();
            trickling.push((client.tcp, hello));
        }
    }
    for tls in Tls::BOTH {
        let mut good = stage.client(tls);
        good.send(b"good").unwrap();
        assert_eq!(good.read_exact(4), b"good");
    }
    // One byte at a time would take minutes for the whole hello.
    for (tcp, _) in &trickling {
        tcp.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    }
    let mut sent = 1;
    let mut ports = Vec::new();
    while !trickling.is_empty() {
        trickling.retain_mut(|(tcp, hello)| {
            let live = !is_closed(tcp) && tcp.write_all(&hello[sent..=sent]).is_ok();
            if !live {
                ports.push(tcp.local_addr().unwrap().port());
            }
            live
        });
        sent += 1;
    }
    for tcp in &mut silent {
        assert_eq!(drain(tcp).0, b"");
    }
    ports.extend(silent.into_iter().map(close));
    assert_eq!(ports.len(), 40);
    for port in ports {
        assert_eq!(stage.outcome(port), "hello_timeout");
    }
}

#[test]
fn a_good_client_is_served_while_slow_ones_are_held() {
    let echo = Backend::echo();
    let stage = Stage::new(&[echo.address], Lines { listener: "handshake_timeout = \"10m\"", ..Lines::default() });
    let mut slow: Vec<TcpStream> = (0..100).map(|_| connect(stage.address())).collect();
    for at in 0..200 {
        let mut client = stage.silent(Tls::BOTH[at % 2]);
        let hello = client.flight();
        // A part of the hello; or all of it, and nothing after the server's answer.
        client.tcp.write_all(if at < 100 { &hello[..hello.len() / 2] } else { &hello }).unwrap();
        slow.push(client.tcp);
    }
    for tls in Tls::BOTH {
        let mut good = stage.client(tls);
        good.send(b"good").unwrap();
        assert_eq!(good.read_exact(4), b"good");
    }
    for tcp in &mut slow {
        tcp.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert!(!is_closed(tcp));
    }
}

#[test]
fn a_client_that_stops_after_the_server_hello_is_cut() {
    let backend = ByHand::new();
    let stage = short(backend.address);
    for tls in Tls::BOTH {
        let mut client = stage.silent(tls);
        let hello = client.flight();
        client.tcp.write_all(&hello).unwrap();
        let (flight, ending) = drain(&mut client.tcp);
        assert!(flight.starts_with(&[22, 3, 3]), "the server's flight");
        assert_ne!(ending, Ending::CloseNotify);
        assert_eq!(stage.outcome(client.close()), "handshake_timeout", "{tls:?}");
    }
    assert!(backend.is_untouched());
}

#[test]
fn a_client_that_trickles_after_the_server_hello_is_cut() {
    let backend = ByHand::new();
    let stage = short(backend.address);
    for tls in Tls::BOTH {
        let mut client = stage.silent(tls);
        let hello = client.flight();
        client.tcp.write_all(&hello).unwrap();
        client.tls.read_tls(&mut client.tcp).unwrap();
        client.tcp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // The header of a long handshake record, and then a byte from time to time.
        client.tcp.write_all(&[22, 3, 3, 0x3f, 0xff]).unwrap();
        while !is_closed(&mut client.tcp) && client.tcp.write_all(&[0]).is_ok() {}
        assert_eq!(stage.outcome(client.close()), "handshake_timeout", "{tls:?}");
    }
    assert!(backend.is_untouched());
}

fn short(server: std::net::SocketAddr) -> Stage {
    Stage::new(&[server], Lines { listener: "handshake_timeout = \"1s\"", ..Lines::default() })
}

/// Whether the other side has closed; waits as long as the read timeout allows.
fn is_closed(tcp: &mut TcpStream) -> bool {
    loop {
        match tcp.read(&mut [0; 4096]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}
