//! Servers that are killed and brought back. Must not know: what clients do, when it is done.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

use crate::serving::{Broken, serve};

/// How the kernel ends the connections of a killed process: with a reset where there is unread data, with a FIN
/// elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    Reset,
    Fin,
}

/// A server with one address for ever.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    life: Mutex<Option<Life>>,
    corruptions: Arc<Mutex<Vec<(Instant, String)>>>,
}

struct Life {
    listener: TcpListener,
    open: Arc<Open>,
    accepting: JoinHandle<()>,
}

/// The connections of one life.
#[derive(Default)]
struct Open {
    /// `None` after its death.
    streams: Mutex<Option<HashMap<u64, TcpStream>>>,
    last: AtomicU64,
}

impl Server {
    /// On a loopback address of its own, so that no other socket takes its port while it is down.
    pub(crate) fn new(host: Ipv4Addr, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, tls, life: Mutex::default(), corruptions: Arc::default() };
        server.live(listener);
        server
    }

    /// Closes its listener and all its connections, in the middle of whatever they do.
    pub(crate) fn kill(&self, death: Death) {
        let Some(life) = self.life.lock().unwrap().take() else { return };
        // Wakes the thread that accepts (Linux: shutdown(2) on a listening socket). What waits to be accepted is reset.
        let _ = SockRef::from(&life.listener).shutdown(Shutdown::Both);
        let streams = life.open.streams.lock().unwrap().take().unwrap_or_default();
        for stream in streams.into_values() {
            let _ = match death {
                Death::Reset => rustix::net::connect_unspec(&stream).map_err(io::Error::from),
                Death::Fin => stream.shutdown(Shutdown::Both),
            };
        }
        let _ = life.accepting.join();
    }

    /// Listens again, on the same address.
    pub(crate) fn revive(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => return self.live(listener),
                Err(error) => assert!(Instant::now() < deadline, "{} cannot listen again: {error}", self.address),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it has received that no client has sent.
    pub(crate) fn corruptions(&self) -> Vec<(Instant, String)> {
        std::mem::take(&mut self.corruptions.lock().unwrap())
    }

    fn live(&self, listener: TcpListener) {
        let open = Arc::new(Open { streams: Mutex::new(Some(HashMap::new())), last: AtomicU64::new(0) });
        let (accepting, shared, tls) = (listener.try_clone().unwrap(), Arc::clone(&open), self.tls.clone());
        let (address, corruptions) = (self.address, Arc::clone(&self.corruptions));
        let accepting = thread::spawn(move || {
            for stream in accepting.incoming().map_while(Result::ok) {
                let (open, tls, corruptions) = (Arc::clone(&shared), tls.clone(), Arc::clone(&corruptions));
                thread::spawn(move || {
                    if let Some(Broken::Corrupted(what)) = converse(stream, &open, tls, address) {
                        corruptions.lock().unwrap().push((Instant::now(), format!("server {address}: {what}")));
                    }
                });
            }
        });
        *self.life.lock().unwrap() = Some(Life { listener, open, accepting });
    }
}

/// Serves one connection; returns how it broke, unless the server was killed meanwhile.
fn converse(stream: TcpStream, open: &Open, tls: Option<Arc<ServerConfig>>, own: SocketAddr) -> Option<Broken> {
    let number = open.last.fetch_add(1, Ordering::Relaxed);
    let kept = stream.try_clone().ok()?;
    match open.streams.lock().unwrap().as_mut() {
        Some(streams) => drop(streams.insert(number, kept)),
        None => {
            let _ = rustix::net::connect_unspec(&stream);
            return None;
        }
    }
    let served = served(stream, tls, own);
    // Its handle is removed only now: until then the connection can be killed.
    let is_alive = open.streams.lock().unwrap().as_mut().map(|streams| streams.remove(&number)).is_some();
    served.err().filter(|_| is_alive)
}

fn served(mut stream: TcpStream, tls: Option<Arc<ServerConfig>>, own: SocketAddr) -> Result<(), Broken> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match tls {
        None => serve(&mut stream, own),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            serve(&mut StreamOwned::new(connection, stream), own)
        }
    }
}

/// A loopback address that other programs on this machine are unlikely to use.
pub(crate) fn own_address(last: u8) -> Ipv4Addr {
    let [high, low] = u16::try_from(std::process::id() % 0xf000).unwrap_or_default().to_be_bytes();
    Ipv4Addr::new(127, 0x40 | (high & 0x3f), low, last)
}

/// More than every time limit of the program under test.
const PATIENCE: Duration = Duration::from_secs(60);
