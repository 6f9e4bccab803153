//! Many clients that take as much memory as they can: they ask for a large answer and never read it.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ClientConfig;
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::client::{Client, connect, patient};
use crate::support::stream::Stream;

/// The first byte that a client sends decides: an echo, or a large answer.
pub(super) fn backend() -> Backend {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Small buffers, which its connections inherit: what the kernel holds is not what is measured here.
    SockRef::from(&listener).set_send_buffer_size(16 * 1024).unwrap();
    Backend::on(listener, serve)
}

/// Behind a route that passes TLS through, the first byte is part of the ClientHello: every answer is large, once there is
/// one more byte after [`HELLO`] of them.
pub(super) fn backend_behind_tls() -> Backend {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).set_send_buffer_size(16 * 1024).unwrap();
    Backend::on(listener, |mut tcp| {
        tcp.read_exact(&mut [0; 1])?;
        answer(&mut tcp)
    })
}

fn serve(mut tcp: TcpStream) -> Result<()> {
    let mut first = [0];
    tcp.read_exact(&mut first)?;
    if first == *b"L" {
        return answer(&mut tcp);
    }
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match tcp.read(&mut buffer)? {
            0 => return Ok(()),
            count => tcp.write_all(&buffer[..count])?,
        }
    }
}

fn answer(tcp: &mut TcpStream) -> Result<()> {
    let piece = [7; 16 * 1024];
    for _ in 0..ANSWER / piece.len() {
        tcp.write_all(&piece)?;
    }
    // The client never reads all of it; this waits until the connection ends.
    tcp.set_read_timeout(None)?;
    tcp.read(&mut [0; 1]).map(drop)
}

/// A connection for which neither kernel keeps much: the segments are short, and so is what is kept for them.
pub(super) fn narrow(address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    socket.set_tcp_mss(1000)?;
    socket.connect_timeout(&address.into(), PATIENCE)?;
    let tcp = TcpStream::from(socket);
    patient(&tcp);
    Ok(tcp)
}

/// Opens that many connections, several at a time, and returns those that did not fail.
pub(super) fn many(count: usize, open: impl Fn(usize) -> Result<TcpStream> + Sync) -> Vec<TcpStream> {
    let next = AtomicUsize::new(0);
    let part = || {
        let mut opened = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return opened;
            }
            opened.extend(open(number).ok());
        }
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(part)).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

/// Asks for a large answer over TLS, and keeps only the connection.
pub(super) fn asks(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Result<TcpStream> {
    let mut client = Client::on(narrow(address)?, config, name);
    client.handshake()?;
    client.send(b"L")?;
    Ok(client.tcp)
}

/// Transfers that go on, byte for byte, until they are stopped.
pub(super) struct Good {
    stop: Arc<AtomicBool>,
    /// How many pieces have come back.
    pub(super) pieces: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Good {
    /// Each client is established, and sends pieces of a stream through an echo and compares what comes back. `begin` is
    /// sent first.
    pub(super) fn start(clients: Vec<Client>, begin: &[u8]) -> Self {
        let (stop, pieces) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let one = |(number, mut client): (usize, Client)| {
            client.send(begin).unwrap();
            let (stop, pieces) = (Arc::clone(&stop), Arc::clone(&pieces));
            thread::spawn(move || {
                let seed = u8::try_from(number).unwrap();
                let (mut there, mut back) = (Stream::new(seed), Stream::new(seed));
                while !stop.load(Ordering::Relaxed) {
                    let piece = there.next(PIECE).to_vec();
                    client.send(&piece).unwrap();
                    back.check(&client.read_exact(piece.len()));
                    pieces.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(1));
                }
                client.close_notify().unwrap();
                assert_eq!(client.read_to_end().0, b"");
            })
        };
        let threads = clients.into_iter().enumerate().map(one).collect();
        Self { stop, pieces, threads }
    }

    /// Ends all of them. None has failed.
    pub(super) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// Connections that send nothing.
pub(super) fn silent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| connect(address)).collect()
}

/// This process has both ends of many connections.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

const AT_ONCE: usize = 8;
/// Far more than both kernels and the proxy keep of it.
const ANSWER: usize = 4 << 20;
/// What the echo's way surely has room for.
const PIECE: usize = 8 * 1024;
