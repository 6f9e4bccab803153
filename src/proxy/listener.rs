//! Accepts connections on one socket, and continues whatever happens to any of them.
//! Must not know: what is done with a connection, where the socket comes from.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::live::registry::Registry;
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::net::listen::Acceptor;
use crate::net::stream::Parked;
use crate::observe::access::log::AccessLog;
use crate::observe::access::record::ConnectionId;
use crate::observe::metrics::Metrics;
use crate::pressure::Pressure;
use crate::proxy::admission::{Admitted, House};
use crate::proxy::connection::{self, Accepted};
use crate::proxy::ending::Ending;
use crate::proxy::entry::Entry;
use crate::proxy::heartbeat::Heartbeats;
use crate::proxy::pulse::Pulse;
use crate::proxy::workers::Workers;
use crate::snapshot::{Current, Listener, Snapshot};

/// What every connection of this process shares.
#[derive(Clone)]
pub struct Shared {
    /// The current snapshot of the configuration.
    pub current: Arc<Current>,
    pub log: AccessLog,
    pub metrics: Arc<Metrics>,
    pub workers: Workers,
    pub ids: Arc<Ids>,
    /// The open connections, for who lists or closes them.
    pub live: Arc<Registry>,
    /// How much memory there is, and permits for as many connections as there are descriptors for.
    pub pressure: Arc<Pressure>,
    /// When any worker last warned that it cannot accept.
    pub warned: Arc<Mutex<Option<Instant>>>,
    /// Who asks whether accepting goes on.
    pub heartbeats: Heartbeats,
    /// Each connection holds a clone: when all clones are dropped, all connections have ended.
    pub alive: mpsc::Sender<()>,
}

/// Numbers the connections of one run of the process.
#[derive(Debug)]
pub struct Ids {
    run: u32,
    next: AtomicU64,
}

impl Ids {
    /// Starts at 1. `run` tells this process apart from earlier ones in the log.
    pub fn new(run: u32) -> Self {
        Self { run, next: AtomicU64::new(1) }
    }

    fn next(&self) -> ConnectionId {
        ConnectionId { run: self.run, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Where connections are accepted.
#[derive(Debug, Clone)]
pub struct Site {
    /// The listener's name, as of when accepting began.
    pub listener: Arc<str>,
    pub endpoint: Endpoint,
}

impl Site {
    /// Whose connections come here now. An address may have got to another listener, or the listener another name, before
    /// whoever accepts under the old one has heard of it; its clients are the new one's.
    fn listener<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Arc<Listener>> {
        match self.endpoint.is_any_port() {
            true => snapshot.listener(&self.listener),
            false => snapshot.listener_at(&self.endpoint),
        }
    }
}

/// Accepts there, on worker number `here`, until `stop` is true or its sender is dropped.
pub async fn accept(socket: Acceptor, here: usize, site: Site, shared: Shared, mut stop: watch::Receiver<bool>) {
    let name = &site.listener;
    let mut heartbeat = shared.heartbeats.join(|| format!("listener {name:?} on worker {here}"));
    let mut pulse = Pulse::default();
    let mut in_a_row = 0;
    let mut trouble = Trouble { pause: Duration::ZERO, warned: Arc::clone(&shared.warned) };
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = pulse.over() => continue,
            () = heartbeat.answer() => continue,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((parked, peer)) => {
                trouble.over();
                pulse.beat();
                start(parked, peer, socket.path(), &site, here, &shared);
                in_a_row += 1;
                // Whoever is established must not wait for all that arrive at the same time. And connections that were
                // asked to give way run first, so that their permits are free for the next one.
                if in_a_row >= MOST_IN_A_ROW || shared.pressure.room.is_full() {
                    in_a_row = 0;
                    yield_now().await;
                }
            }
            Err(error) => {
                let pause = trouble.met(&error, name);
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
    }
}

fn start(parked: Parked, peer: Address, path: Option<&Path>, site: &Site, here: usize, shared: &Shared) {
    let snapshot = shared.current.load();
    // A reload can have removed the listener while its socket was still open.
    let Some(listener) = site.listener(&snapshot) else { return };
    let name = &listener.name;
    let (log, metrics) = (shared.log.clone(), Arc::clone(&shared.metrics));
    let mut entry =
        Entry::new(shared.ids.next(), Arc::clone(name), listener.labels.clone(), peer.clone(), log, metrics);
    if let Some(path) = path {
        entry.came_to(Address::Unix(path.to_owned()));
    }
    let house = House { pressure: &shared.pressure, snapshot: &snapshot };
    let admitted = match &listener.trusted_proxies {
        Some(trusted) => Admitted::proxied(house, listener, trusted, &peer),
        None => Admitted::direct(house, listener, &peer),
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(ending) => return entry.refuse(ending, &listener.admission),
    };
    let assignment = shared.workers.assign(here);
    let (elsewhere, gate) = (assignment.elsewhere(here), assignment.gate());
    // What is passed through costs no signature, and only the ClientHello shows what is.
    if listener.ways.terminates_all() && !gate.admits(listener.handling.handshake_timeout) {
        return entry.refuse(Ending::overloaded(), &listener.admission);
    }
    entry.list(&shared.live, assignment.number());
    let kept = (assignment, shared.alive.clone());
    let accepted = Box::new(Accepted { admitted, entry, listener: Arc::clone(listener), gate, kept });
    // A panic ends this task only. Unwinding drops its entry, which logs it.
    match elsewhere {
        None => match parked.resume() {
            Ok(stream) => drop(tokio::spawn(connection::serve(stream, accepted))),
            Err(error) => tracing::error!(%error, "cannot watch a connection"),
        },
        Some(worker) => drop(worker.spawn(async move {
            match parked.resume() {
                Ok(stream) => connection::serve(stream, accepted).await,
                Err(error) => tracing::error!(%error, "cannot watch a connection on another worker"),
            }
        })),
    }
}

/// Errors of accept: how long to wait after one, and how often to warn.
struct Trouble {
    pause: Duration,
    warned: Arc<Mutex<Option<Instant>>>,
}

impl Trouble {
    fn over(&mut self) {
        self.pause = Duration::ZERO;
    }

    fn met(&mut self, error: &io::Error, listener: &str) -> Duration {
        match Errno::from_io_error(error) {
            // The peer gave up while it was queued, or the network failed for a moment (accept(2)): the next accept may
            // succeed, so there is no pause.
            Some(
                Errno::CONNABORTED
                | Errno::INTR
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTUNREACH,
            ) => {
                tracing::debug!(%listener, %error, "accept");
                return Duration::ZERO;
            }
            Some(Errno::MFILE | Errno::NFILE) => {
                self.warn(
                    listener,
                    error,
                    "no file descriptors left, new connections wait; raise the limit (ulimit -n, LimitNOFILE)",
                );
            }
            _ => self.warn(listener, error, "cannot accept, new connections wait"),
        }
        // The socket stays readable while connections are queued: without a pause this would be a busy loop.
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pause
    }

    fn warn(&self, listener: &str, error: &io::Error, what: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|warned| warned.elapsed() >= QUIET) {
            *warned = Some(Instant::now());
            tracing::warn!(%listener, %error, "{what}");
        }
    }
}

/// So many connections are accepted before the worker polls its other sockets.
const MOST_IN_A_ROW: usize = 16;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// At most one warning in this time, from all workers together.
const QUIET: Duration = Duration::from_secs(60);
