//! Peers that do not read for a while: nothing is lost, the other side is slowed down, and memory stays bounded.

use std::io::{ErrorKind, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::support::PATIENCE;
use crate::support::by_hand::ByHand;
use crate::support::client::{Client, Ending, RECORD, Tls, drain, patient};
use crate::support::procfs::resident_kib;
use crate::support::stage::Stage;
use crate::support::stream::bytes;

#[test]
fn clients_that_read_late_lose_nothing_and_cost_little_memory() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let sent = bytes(SIZE);
    let before = resident_kib(stage.proxy.pid());
    thread::scope(|scope| {
        let (stalled, all_stalled) = channel();
        let mut late = Vec::new();
        for round in 0..CONNECTIONS {
            let (client, server) = stage.joined(&backend, Tls::BOTH[round % 2]);
            narrow(&client.tcp);
            narrow(&server);
            let ((go, gone), stalled, sent) = (channel(), stalled.clone(), &sent);
            scope.spawn(move || answer(server, sent, &stalled, &gone));
            late.push((client, go));
        }
        wait_for_all(&all_stalled);
        is_bounded(&stage, before);
        for (mut client, go) in late {
            drop(go);
            let (read, ending) = client.read_to_end();
            assert!(read == sent, "{} bytes of {SIZE}", read.len());
            assert_eq!(ending, Ending::CloseNotify);
        }
    });
    is_bounded(&stage, before);
}

#[test]
fn a_backend_that_reads_late_loses_nothing_and_costs_little_memory() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let sent = bytes(SIZE);
    let before = resident_kib(stage.proxy.pid());
    thread::scope(|scope| {
        let (stalled, all_stalled) = channel();
        let mut late = Vec::new();
        for round in 0..CONNECTIONS {
            let (client, server) = stage.joined(&backend, Tls::BOTH[round % 2]);
            narrow(&client.tcp);
            narrow(&server);
            let ((go, gone), stalled, sent) = (channel(), stalled.clone(), &sent);
            scope.spawn(move || ask(client, sent, &stalled, &gone));
            late.push((server, go));
        }
        wait_for_all(&all_stalled);
        is_bounded(&stage, before);
        for (mut server, go) in late {
            drop(go);
            let (read, ending) = drain(&mut server);
            assert!(read == sent, "{} bytes of {SIZE}", read.len());
            assert_eq!(ending, Ending::Fin);
        }
    });
    is_bounded(&stage, before);
}

/// The backend's side: writes until nothing goes on, says so, and writes the rest once `gone` is hung up.
fn answer(mut server: TcpStream, sent: &[u8], stalled: &Sender<()>, gone: &Receiver<()>) {
    server.set_write_timeout(Some(STALL)).unwrap();
    let mut written = 0;
    while !is_stalled(server.write(&sent[written..]).map(|count| written += count)) {}
    stalled.send(()).unwrap();
    let _ = gone.recv();
    patient(&server);
    server.write_all(&sent[written..]).unwrap();
    server.shutdown(Shutdown::Write).unwrap();
}

/// The same on the client's side. A piece that is stalled has been sealed, and goes with the next.
fn ask(mut client: Client, sent: &[u8], stalled: &Sender<()>, gone: &Receiver<()>) {
    client.tcp.set_write_timeout(Some(STALL)).unwrap();
    let mut pieces = sent.chunks(RECORD);
    while !is_stalled(client.send(pieces.next().expect("nothing holds it up"))) {}
    stalled.send(()).unwrap();
    let _ = gone.recv();
    patient(&client.tcp);
    pieces.for_each(|piece| client.send(piece).unwrap());
    client.close_notify().unwrap();
}

/// Little room in the kernel, so that it shows soon what the proxy does with what it cannot hand on.
fn narrow(tcp: &TcpStream) {
    let socket = SockRef::from(tcp);
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
}

fn is_stalled(written: Result<()>) -> bool {
    match written {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
            true
        }
    }
}

fn wait_for_all(stalled: &Receiver<()>) {
    for _ in 0..CONNECTIONS {
        stalled.recv_timeout(PATIENCE).expect("a connection does not stall");
    }
}

fn is_bounded(stage: &Stage, before: u64) {
    let grown = resident_kib(stage.proxy.pid()).saturating_sub(before);
    println!("{CONNECTIONS} connections: {grown} KiB more");
    assert!(grown < 50 * 1024, "{grown} KiB");
}

const CONNECTIONS: usize = 100;
/// For each connection, and more than the kernel has room for on the way.
const SIZE: usize = 8 << 20;
/// A write that does not get on for so long is stalled.
const STALL: Duration = Duration::from_millis(500);
