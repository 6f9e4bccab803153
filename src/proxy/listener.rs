//! Accepts connections on one socket, and keeps accepting whatever happens to any of them.
//! Must not know: what is done with a connection, where the socket came from.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::limit::room::Room;
use crate::net::address::Address;
use crate::net::listen::Acceptor;
use crate::net::stream::Stream;
use crate::observe::access::log::AccessLog;
use crate::observe::access::record::ConnectionId;
use crate::observe::metrics::Metrics;
use crate::proxy::admission::{Admitted, House};
use crate::proxy::connection::{self, Accepted};
use crate::proxy::entry::Entry;
use crate::proxy::pulse::Pulse;
use crate::proxy::workers::Workers;
use crate::snapshot::Current;

/// What every connection of this process shares.
#[derive(Clone)]
pub struct Shared {
    pub current: Arc<Current>,
    pub log: AccessLog,
    pub metrics: Arc<Metrics>,
    pub workers: Workers,
    pub ids: Arc<Ids>,
    /// For how many connections there are descriptors.
    pub room: Arc<Room>,
    /// When trouble with accepting was last told of, by any worker.
    pub told: Arc<Mutex<Option<Instant>>>,
    /// Held by each connection: when every clone is gone, all have ended.
    pub alive: mpsc::Sender<()>,
}

/// Numbers the connections of one run of the process.
#[derive(Debug)]
pub struct Ids {
    run: u32,
    next: AtomicU64,
}

impl Ids {
    pub fn new(run: u32) -> Self {
        Self { run, next: AtomicU64::new(1) }
    }

    fn next(&self) -> ConnectionId {
        ConnectionId { run: self.run, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Accepts for the listener of that name, on worker number `here`, until `stop` says so or its sender is gone.
pub async fn accept(socket: Acceptor, here: usize, name: Arc<str>, shared: Shared, mut stop: watch::Receiver<bool>) {
    let mut pulse = Pulse::default();
    let mut trouble = Trouble { pause: Duration::ZERO, told: Arc::clone(&shared.told) };
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = pulse.over() => continue,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                trouble.over();
                pulse.beat();
                start(stream, peer, socket.path(), &name, here, &shared);
                if shared.room.is_full() {
                    // Who has to give way to the next one, or has given way to this one, goes first.
                    yield_now().await;
                }
            }
            Err(error) => {
                let pause = trouble.met(&error, &name);
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
    }
}

fn start(stream: Stream, peer: Address, path: Option<&Path>, name: &Arc<str>, here: usize, shared: &Shared) {
    let snapshot = shared.current.load();
    let Some(listener) = snapshot.listener(name) else { return };
    let (log, metrics) = (shared.log.clone(), Arc::clone(&shared.metrics));
    let mut entry = Entry::new(shared.ids.next(), Arc::clone(name), peer.clone(), log, metrics);
    if let Some(path) = path {
        entry.came_to(Address::Unix(path.to_owned()));
    }
    let house = House { room: &shared.room, snapshot: &snapshot };
    let admitted = match &listener.trusted_proxies {
        Some(trusted) => Admitted::proxied(house, listener, trusted, &peer),
        None => Admitted::direct(house, listener, &peer),
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(ending) => return entry.refuse(ending, &listener.admission),
    };
    let assignment = shared.workers.assign(here);
    let elsewhere = assignment.elsewhere(here);
    let kept = (assignment, shared.alive.clone());
    let accepted = Box::new(Accepted { admitted, entry, listener: Arc::clone(listener), kept });
    // A panic ends this task only; its entry is logged as the unwinding drops it.
    match elsewhere {
        None => drop(tokio::spawn(connection::serve(stream, accepted))),
        Some(worker) => {
            let parked = stream.park();
            worker.spawn(async move {
                match parked.resume() {
                    Ok(stream) => connection::serve(stream, accepted).await,
                    Err(error) => tracing::error!(%error, "cannot serve on another worker"),
                }
            });
        }
    }
}

/// Errors of accept: how long to wait, and how often to say so.
struct Trouble {
    pause: Duration,
    told: Arc<Mutex<Option<Instant>>>,
}

impl Trouble {
    fn over(&mut self) {
        self.pause = Duration::ZERO;
    }

    fn met(&mut self, error: &io::Error, listener: &str) -> Duration {
        match Errno::from_io_error(error) {
            // The peer gave up while it was queued, or the network hiccuped (accept(2)): the next one may be fine.
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
                self.tell(
                    listener,
                    error,
                    "no file descriptors left, new connections wait; raise the limit (ulimit -n, LimitNOFILE)",
                );
            }
            _ => self.tell(listener, error, "cannot accept, new connections wait"),
        }
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pause
    }

    fn tell(&self, listener: &str, error: &io::Error, what: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= QUIET) {
            *told = Some(Instant::now());
            tracing::warn!(%listener, %error, "{what}");
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// One line a minute.
const QUIET: Duration = Duration::from_secs(60);
