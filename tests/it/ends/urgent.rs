//! Urgent data (RFC 9293 section 3.8.5) ends a read of the kernel's before the socket is empty. The data behind it is
//! passed on all the same, without waiting for more. The urgent byte itself is not part of the stream.

use std::io::{Read, Write};
use std::net::TcpStream;

use socket2::SockRef;

use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Tls, connect};
use crate::support::stage::{Lines, Stage};
use crate::support::stream::bytes;

#[test]
fn what_is_behind_urgent_data_comes_without_more_where_tls_is_terminated() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    for tls in Tls::BOTH {
        let (mut client, mut server) = stage.joined(&backend, tls);
        for _ in 0..3 {
            let halted = Halted::new(&stage);
            client.send(b"before").unwrap();
            urgent(&client.tcp);
            client.send(b"behind").unwrap();
            drop(halted);
            let mut came = [0; 12];
            server.read_exact(&mut came).unwrap();
            assert_eq!(&came, b"beforebehind", "{tls:?}");

            let halted = Halted::new(&stage);
            server.write_all(b"before").unwrap();
            urgent(&server);
            server.write_all(b"behind").unwrap();
            drop(halted);
            assert_eq!(client.read_exact(12), b"beforebehind", "{tls:?}");
        }
    }
}

#[test]
fn what_is_behind_urgent_data_comes_without_more_where_it_is_passed_through() {
    let backend = ByHand::new();
    let listener = "route = [{ server_names = [\"through.test\"], mode = \"passthrough\" }]";
    let stage = Stage::new(&[backend.address], Lines { listener, ..Lines::default() });
    let mut client = Client::on(connect(stage.address()), stage.config(Tls::V13), "through.test");
    let hello = client.flight();
    client.tcp.write_all(&hello).unwrap();
    let (mut server, mut client) = (backend.accept(), client.tcp);
    server.read_exact(&mut vec![0; hello.len()]).unwrap();
    // A few bytes are copied; many go through a pipe.
    for size in [10, 100_000] {
        let (before, behind) = (bytes(size), bytes(size + 1));
        for _ in 0..3 {
            across(&stage, &mut client, &mut server, &before, &behind);
            across(&stage, &mut server, &mut client, &before, &behind);
        }
    }
}

fn across(stage: &Stage, from: &mut TcpStream, to: &mut TcpStream, before: &[u8], behind: &[u8]) {
    let halted = Halted::new(stage);
    from.write_all(before).unwrap();
    urgent(from);
    from.write_all(behind).unwrap();
    drop(halted);
    let mut came = vec![0; before.len() + behind.len()];
    to.read_exact(&mut came).unwrap();
    assert!(came == [before, behind].concat());
}

fn urgent(tcp: &TcpStream) {
    assert_eq!(SockRef::from(tcp).send_out_of_band(b"!").unwrap(), 1);
}

/// The proxy sleeps while this value lives: then it finds everything that has arrived meanwhile in one piece.
struct Halted<'a>(&'a Stage);

impl<'a> Halted<'a> {
    fn new(stage: &'a Stage) -> Self {
        stage.proxy.signal("STOP");
        Self(stage)
    }
}

impl Drop for Halted<'_> {
    fn drop(&mut self) {
        self.0.proxy.signal("CONT");
    }
}
