//! Sits between a client and a server, passes everything on, and keeps the first record of each side. The server's
//! answer to a ClientHello is in the clear, so an alert is read here and not from the client's report of it.

use std::io::{Read, Write, copy};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::PATIENCE;

/// The recorded bytes of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    /// The ClientHello in its records; less, or nothing, from a client that gave up.
    pub(crate) hello: Vec<u8>,
    /// The client's address as the server saw it: no other connection has that address.
    pub(crate) address: IpAddr,
}

pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Connection>>,
    news: Condvar,
}

#[derive(Default)]
struct Connection {
    recording: Option<Recording>,
    /// The server's first record; less, or nothing, from a server that closed.
    answer: Option<Vec<u8>>,
}

impl Recorder {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let at = {
                    let mut connections = ours.connections.lock().unwrap();
                    connections.push(Connection::default());
                    connections.len() - 1
                };
                let shared = Arc::clone(&ours);
                thread::spawn(move || pass(client, server, &shared, at));
            }
        });
        Self { address, shared }
    }

    /// The recording of connection number `at`, counted from 0.
    pub(crate) fn recording(&self, at: usize) -> Recording {
        self.wait(at, |connection| connection.recording.clone())
    }

    /// The alert with which the server answered the ClientHello of that connection, if its first record is one.
    pub(crate) fn alert(&self, at: usize) -> Option<u8> {
        alert_in(&self.wait(at, |connection| connection.answer.clone()))
    }

    /// The number of connections so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    fn wait<T>(&self, at: usize, found: impl Fn(&Connection) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut connections = self.shared.connections.lock().unwrap();
        loop {
            if let Some(found) = connections.get(at).and_then(&found) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "connection {at} did not come, or had no answer");
            connections = self.shared.news.wait_timeout(connections, left).unwrap().0;
        }
    }
}

impl Shared {
    fn note(&self, at: usize, note: impl FnOnce(&mut Connection)) {
        note(&mut self.connections.lock().unwrap()[at]);
        self.news.notify_all();
    }
}

fn pass(mut client: TcpStream, server: SocketAddr, shared: &Shared, at: usize) {
    let mut server = connect(server);
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    let address = server.local_addr().unwrap().ip();
    let hello = first_record(&mut client, &mut server);
    shared.note(at, |connection| connection.recording = Some(Recording { hello, address }));
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = thread::spawn(move || {
        let _ = copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let answer = first_record(&mut server, &mut client);
    shared.note(at, |connection| connection.answer = Some(answer));
    let _ = copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    let _ = up.join();
}

/// Passes bytes on until a record is whole, and returns them.
fn first_record(from: &mut TcpStream, to: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while !is_whole(&bytes) {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                bytes.extend_from_slice(&buffer[..count]);
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        }
    }
    bytes
}

/// From an address of its own: the kernel reuses ports after a while.
fn connect(server: SocketAddr) -> TcpStream {
    // 127.16.0.0 and up; Linux accepts all of 127.0.0.0/8 on loopback.
    static LAST: AtomicU32 = AtomicU32::new(0x7f10_0000);
    let own = Ipv4Addr::from(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((own, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

/// Whether the first record is complete. No client of the tests needs more for its hello.
fn is_whole(bytes: &[u8]) -> bool {
    let length = bytes.get(3..5).map(|length| usize::from(length[0]) << 8 | usize::from(length[1]));
    length.is_some_and(|length| bytes.len() >= 5 + length)
}

/// The description of a fatal alert in the clear (RFC 8446 section 6).
fn alert_in(record: &[u8]) -> Option<u8> {
    match record {
        [21, 3, _, 0, 2, 2, description, ..] => Some(*description),
        _ => None,
    }
}
