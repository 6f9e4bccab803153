//! Peers that do not read for a while: nothing is lost, the other side is slowed down, and memory is bounded.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::RwLock;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, Scope};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::receive;
use crate::support::PATIENCE;
use crate::support::by_hand::{ByHand, narrow};
use crate::support::client::{Client, Ending, RECORD, Tls, patient};
use crate::support::procfs::resident_kib;
use crate::support::stage::{NAME, Stage};
use crate::support::stream::Stream;

#[test]
fn clients_that_read_late_lose_nothing_and_cost_little_memory() {
    let backend = ByHand::new().narrow();
    let stage = Stage::plain(backend.address);
    late(&stage, |scope, round, held, stalled| {
        let (mut client, server) = joined(&stage, &backend, round);
        let writer = scope.spawn(move || {
            let (tcp, mut kept) = (server.try_clone().unwrap(), Kept { tcp: server, rest: Vec::new() });
            let written = write(&tcp, |piece| kept.send(piece), &stalled, held);
            tcp.shutdown(Shutdown::Write).unwrap();
            written
        });
        scope.spawn(move || {
            drop(held.read());
            let mut ending = None;
            let read = receive(Stream::new(0), |buffer| {
                client.read(buffer).unwrap_or_else(|end| {
                    ending = Some(end);
                    0
                })
            });
            assert_eq!((read, ending), (writer.join().unwrap(), Some(Ending::CloseNotify)));
        });
    });
}

#[test]
fn a_backend_that_reads_late_loses_nothing_and_costs_little_memory() {
    let backend = ByHand::new().narrow();
    let stage = Stage::plain(backend.address);
    late(&stage, |scope, round, held, stalled| {
        let (mut client, mut server) = joined(&stage, &backend, round);
        let writer = scope.spawn(move || {
            let tcp = client.tcp.try_clone().unwrap();
            let written = write(&tcp, |piece| client.send(piece), &stalled, held);
            client.close_notify().unwrap();
            (written, client)
        });
        scope.spawn(move || {
            drop(held.read());
            let read = receive(Stream::new(0), |buffer| server.read(buffer).unwrap());
            assert_eq!(read, writer.join().unwrap().0);
        });
    });
}

/// Starts a hundred connections, each of which reports when it has stalled and then waits for the lock; and measures
/// the proxy's memory meanwhile.
fn late(stage: &Stage, start: impl for<'s> Fn(&'s Scope<'s, '_>, usize, &'s RwLock<()>, Sender<()>)) {
    let before = resident_kib(stage.proxy.pid());
    let hold = RwLock::new(());
    thread::scope(|scope| {
        let held = hold.write().unwrap();
        let (stalled, all_stalled) = channel();
        for round in 0..CONNECTIONS {
            start(scope, round, &hold, stalled.clone());
        }
        for _ in 0..CONNECTIONS {
            all_stalled.recv_timeout(PATIENCE).expect("a connection does not stall");
        }
        is_bounded(stage, before);
        // All together: the kernel retransmits after as long as it has waited already, so
        // one after the other these times would double again and again.
        drop(held);
    });
    is_bounded(stage, before);
}

/// A connection with small kernel buffers at both ends.
fn joined(stage: &Stage, backend: &ByHand, round: usize) -> (Client, TcpStream) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    narrow(&socket);
    socket.connect(&stage.address().into()).unwrap();
    let mut client = Client::on(socket.into(), stage.config(Tls::BOTH[round % 2]), NAME);
    patient(&client.tcp);
    client.handshake().unwrap();
    (client, backend.accept())
}

/// Writes the stream until a write stalls, reports it, waits for the lock, and writes some more. A piece that stalls is
/// kept by `send`, and goes out with the next. Returns the number of bytes.
fn write(tcp: &TcpStream, mut send: impl FnMut(&[u8]) -> Result<()>, stalled: &Sender<()>, held: &RwLock<()>) -> usize {
    let (mut stream, mut written) = (Stream::new(0), 0);
    let mut more = || {
        let piece = stream.next(RECORD);
        written += piece.len();
        assert!(written < MOST, "the write never stalls");
        send(piece)
    };
    tcp.set_write_timeout(Some(STALL)).unwrap();
    let error = loop {
        if let Err(error) = more() {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    stalled.send(()).unwrap();
    drop(held.read());
    patient(tcp);
    for _ in 0..MORE {
        more().unwrap();
    }
    written
}

/// A plain connection that keeps the rest of a stalled write, as TLS clients do.
struct Kept {
    tcp: TcpStream,
    rest: Vec<u8>,
}

impl Kept {
    fn send(&mut self, piece: &[u8]) -> Result<()> {
        self.rest.extend_from_slice(piece);
        while !self.rest.is_empty() {
            let written = self.tcp.write(&self.rest)?;
            self.rest.drain(..written);
        }
        Ok(())
    }
}

fn is_bounded(stage: &Stage, before: u64) {
    let grown = resident_kib(stage.proxy.pid()).saturating_sub(before);
    println!("{CONNECTIONS} connections: {grown} KiB more");
    assert!(grown < 50 * 1024, "{grown} KiB");
}

const CONNECTIONS: usize = 100;
/// More than all kernel buffers on the way can hold.
const MOST: usize = 128 << 20;
/// Pieces that are written after the stall.
const MORE: usize = 100;
/// A write without progress for this long is stalled.
const STALL: Duration = Duration::from_millis(500);
