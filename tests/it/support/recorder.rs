//! Stands between a client and a server, passes everything on, and keeps each client's first words.

use std::io::{Read, Write, copy};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::PATIENCE;

/// What was heard of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// The ClientHello in its records; less, or nothing, from a client that gave up.
    pub(crate) hello: Vec<u8>,
    /// Where the server saw it come from: no other connection has that address.
    pub(crate) address: IpAddr,
}

pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Vec<Option<Heard>>>,
    news: Condvar,
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
                    let mut heard = ours.heard.lock().unwrap();
                    heard.push(None);
                    heard.len() - 1
                };
                let shared = Arc::clone(&ours);
                thread::spawn(move || pass(client, server, |heard| shared.note(at, heard)));
            }
        });
        Self { address, shared }
    }

    /// What was heard of the connection that came as number `at`, counted from 0.
    pub(crate) fn heard(&self, at: usize) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = self.shared.heard.lock().unwrap();
        loop {
            if let Some(Some(found)) = heard.get(at) {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "connection {at} did not come");
            heard = self.shared.news.wait_timeout(heard, left).unwrap().0;
        }
    }

    /// How many have connected.
    pub(crate) fn count(&self) -> usize {
        self.shared.heard.lock().unwrap().len()
    }
}

impl Shared {
    fn note(&self, at: usize, heard: Heard) {
        self.heard.lock().unwrap()[at] = Some(heard);
        self.news.notify_all();
    }
}

fn pass(mut client: TcpStream, server: SocketAddr, note: impl FnOnce(Heard)) {
    let mut server = connect(server);
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    let address = server.local_addr().unwrap().ip();
    let mut hello = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&hello) {
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                hello.extend_from_slice(&buffer[..count]);
                if server.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        }
    }
    note(Heard { hello, address });
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = thread::spawn(move || {
        let _ = copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let _ = copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    let _ = up.join();
}

/// From an address of its own: a port comes again after a while.
fn connect(server: SocketAddr) -> TcpStream {
    static LAST: AtomicU32 = AtomicU32::new(0x7f10_0000);
    let own = Ipv4Addr::from(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((own, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

/// Whether the first record is there. No client of the tests needs more for its hello.
fn is_whole(bytes: &[u8]) -> bool {
    let length = bytes.get(3..5).map(|length| usize::from(length[0]) << 8 | usize::from(length[1]));
    length.is_some_and(|length| bytes.len() >= 5 + length)
}
