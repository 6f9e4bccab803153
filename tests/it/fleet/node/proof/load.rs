//! Clients that do full handshakes without pause, one on each node, and check each: no handshake fails, no node goes back to an
//! earlier release, none mixes two, and none ever serves what was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustls::ClientConfig;
use rustls::client::Resumption;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::support::client::{Client, connect};
use crate::support::procfs::eventually;

/// The certificate with number `n` is for the `n`th of them, and round again.
pub(super) const NAMES: [&str; 3] = ["a.test", "b.test", "c.test"];

pub(super) fn name_of(certificate: u64) -> &'static str {
    NAMES[usize::try_from(certificate).unwrap() % NAMES.len()]
}

/// See the file.
pub(super) struct Load {
    known: Arc<Known>,
    stations: BTreeMap<&'static str, Station>,
}

/// What clients know of certificates.
#[derive(Default)]
struct Known {
    done: AtomicBool,
    /// The one that may come next.
    expected: AtomicU64,
    /// Those that were not published.
    refused: Mutex<BTreeSet<u64>>,
}

/// A node with its client.
struct Station {
    /// Locked during each handshake; `None`: the client waits.
    address: Arc<Mutex<Option<SocketAddr>>>,
    /// When each certificate was seen first.
    seen: Arc<Mutex<BTreeMap<u64, Instant>>>,
    handshakes: Arc<AtomicU64>,
    client: Option<JoinHandle<()>>,
}

impl Load {
    pub(super) fn new() -> Self {
        Self { known: Arc::default(), stations: BTreeMap::new() }
    }

    /// Sends a client to a node, or sends it there again: what it has seen before still counts.
    pub(super) fn at(&mut self, node: &'static str, trusting: &ClientConfig, address: SocketAddr) {
        if let Some(station) = self.stations.get(node) {
            *station.address.lock().unwrap() = Some(address);
            return;
        }
        let (address, seen) = (Arc::new(Mutex::new(Some(address))), Arc::default());
        let handshakes = Arc::new(AtomicU64::new(0));
        let mut config = trusting.clone();
        // A resumed session shows the certificate of its first handshake.
        config.resumption = Resumption::disabled();
        let knocking = Knocking {
            node,
            config: Arc::new(config),
            known: Arc::clone(&self.known),
            address: Arc::clone(&address),
            seen: Arc::clone(&seen),
            handshakes: Arc::clone(&handshakes),
        };
        let client = Some(thread::Builder::new().name(node.into()).spawn(move || knocking.go_on()).unwrap());
        self.stations.insert(node, Station { address, seen, handshakes, client });
    }

    /// Calls the client of a node off, and returns when it has ended its last handshake.
    pub(super) fn leave(&self, node: &str) {
        *self.stations[node].address.lock().unwrap() = None;
    }

    /// This certificate may be seen from now on.
    pub(super) fn expects(&self, certificate: u64) {
        self.known.expected.store(certificate, Ordering::Release);
    }

    /// This certificate was not published.
    pub(super) fn never(&self, certificate: u64) {
        self.known.refused.lock().unwrap().insert(certificate);
    }

    /// Waits until this certificate was seen on every node.
    pub(super) fn sees(&self, certificate: u64) {
        for (node, station) in self.there() {
            let seen = || station.seen.lock().unwrap().contains_key(&certificate).then_some(());
            eventually(&format!("{node} serves certificate {certificate}"), || self.is_fine(seen));
        }
    }

    /// Waits until more handshakes were done on every node.
    pub(super) fn goes_on(&self) {
        for (node, station) in self.there() {
            let before = station.handshakes.load(Ordering::Acquire);
            let more = || (station.handshakes.load(Ordering::Acquire) >= before + ENOUGH).then_some(());
            eventually(&format!("clients go on at {node}"), || self.is_fine(more));
        }
    }

    /// What `look` finds, as long as no client has failed.
    fn is_fine<T>(&self, look: impl Fn() -> Option<T>) -> Option<T> {
        let failed =
            self.stations.iter().find(|(_, station)| station.client.as_ref().is_none_or(JoinHandle::is_finished));
        assert!(failed.is_none(), "the client of {} has failed, see above", failed.unwrap().0);
        look()
    }

    /// The nodes that have clients now.
    fn there(&self) -> impl Iterator<Item = (&'static str, &Station)> {
        // It is locked for ever if the client has failed, which whoever waits for it finds out.
        let is_there = |station: &Station| station.address.lock().is_ok_and(|address| address.is_some());
        self.stations.iter().map(|(node, station)| (*node, station)).filter(move |(_, station)| is_there(station))
    }

    /// Ends all clients, none of which may have failed. Returns what each has seen, and when for the first time.
    pub(super) fn ends(&mut self) -> Vec<BTreeMap<u64, Instant>> {
        self.known.done.store(true, Ordering::Release);
        let mut all = Vec::new();
        for (node, mut station) in std::mem::take(&mut self.stations) {
            let ended = station.client.take().unwrap().join();
            assert!(ended.is_ok(), "the client of {node} has failed, see above");
            let seen = station.seen.lock().unwrap().clone();
            let refused = self.known.refused.lock().unwrap().clone();
            let wrong: Vec<&u64> = seen.keys().filter(|certificate| refused.contains(certificate)).collect();
            assert!(wrong.is_empty(), "{node} has served what was not published: {wrong:?}");
            println!("{node}: {} handshakes", station.handshakes.load(Ordering::Acquire));
            all.push(seen);
        }
        all
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.known.done.store(true, Ordering::Release);
        for client in self.stations.values_mut().filter_map(|station| station.client.take()) {
            let _ = client.join();
        }
    }
}

/// One client.
struct Knocking {
    node: &'static str,
    config: Arc<ClientConfig>,
    known: Arc<Known>,
    address: Arc<Mutex<Option<SocketAddr>>>,
    seen: Arc<Mutex<BTreeMap<u64, Instant>>>,
    handshakes: Arc<AtomicU64>,
}

impl Knocking {
    fn go_on(&self) {
        let mut newest = 0;
        for turn in 0_usize.. {
            if self.known.done.load(Ordering::Acquire) {
                break;
            }
            let address = self.address.lock().unwrap();
            let Some(there) = *address else {
                drop(address);
                // It is called off for as long as its node is gone.
                thread::sleep(std::time::Duration::from_millis(10));
                continue;
            };
            // Mostly that of the next certificate, so that it is seen as soon as it is served.
            let name = match turn % 4 {
                3 => NAMES[turn / 4 % NAMES.len()],
                _ => name_of(self.known.expected.load(Ordering::Acquire)),
            };
            let certificate = self.shake_hands(there, name);
            drop(address);
            assert_eq!(name_of(certificate), name, "a certificate for another name");
            let floor = self.floor(newest, name);
            assert!(certificate >= floor, "{}: certificate {certificate} for {name} after {newest}", self.node);
            newest = newest.max(certificate);
            self.handshakes.fetch_add(1, Ordering::Release);
        }
    }

    /// Returns the number of the certificate.
    fn shake_hands(&self, there: SocketAddr, name: &str) -> u64 {
        let mut client = Client::on(connect(there), &self.config, name);
        client.handshake().unwrap_or_else(|error| panic!("{}: a handshake failed: {error}", self.node));
        let now = Instant::now();
        let leaf = &client.tls.peer_certificates().unwrap()[0];
        let (_, certificate) = X509Certificate::from_der(leaf).unwrap();
        let number = certificate.subject().iter_common_name().next().unwrap().as_str().unwrap().parse().unwrap();
        self.seen.lock().unwrap().entry(number).or_insert(now);
        client.send(b"ping").unwrap();
        assert_eq!(client.read_exact(4), b"ping");
        client.close_notify().unwrap();
        number
    }

    /// The certificate for this name in the release that a client has seen the newest certificate of.
    fn floor(&self, newest: u64, name: &str) -> u64 {
        let refused = self.known.refused.lock().unwrap();
        (1..=newest).rev().find(|number| name_of(*number) == name && !refused.contains(number)).unwrap_or(0)
    }
}

/// Handshakes that show that clients are served.
const ENOUGH: u64 = 3;
