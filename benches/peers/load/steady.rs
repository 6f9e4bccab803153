//! Load without pause until it is stopped: each client begins again as soon as it is done. Must not know: how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Fault;
use super::session::Session;
use super::slow;
use super::target::Target;
use super::work::{connection, pull, push, site};

/// The bytes that one order moves. The next is given when they have arrived, which the other connections bridge.
const ORDER: u64 = 4 << 20;
const PIECE: u32 = 128 * 1024;
const RECORD: usize = 16 * 1024;
/// The longest time from the stop until everything that was begun is done.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steady {
    /// Connect, one byte there and back, end.
    Connections {
        at_once: u64,
    },
    Downloads {
        connections: u64,
    },
    Uploads {
        connections: u64,
    },
    /// A byte of a ClientHello in each second.
    Slow {
        connections: u64,
    },
}

/// A load that runs. Dropping it ends it at once.
pub(crate) struct Pressing {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    open: Arc<AtomicU64>,
    clients: JoinSet<Result<(), Fault>>,
}

impl Steady {
    pub(crate) async fn start(self, target: &Target) -> Result<Pressing, Fault> {
        let (stop, done, open) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let mut clients = JoinSet::new();
        let (Self::Connections { at_once: count }
        | Self::Downloads { connections: count }
        | Self::Uploads { connections: count }
        | Self::Slow { connections: count }) = self;
        for number in 0..count {
            let (client, target) = (target.client()?, target.clone());
            let (stop, done, open) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(&open));
            let name = site(&target, number).name.clone();
            let mut session = match self {
                Self::Connections { .. } | Self::Slow { .. } => None,
                _ => Some(Session::open(&target, &client, name, true).await?),
            };
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let units = match (self, &mut session) {
                        (Self::Downloads { .. }, Some(session)) => pull(session, ORDER, PIECE).await?,
                        (Self::Uploads { .. }, Some(session)) => push(session, ORDER, RECORD).await?,
                        (Self::Slow { .. }, _) => slow::connection(&target, &stop, &open).await.map(|()| 1)?,
                        _ => connection(&target, &client, number, false).await.map(|()| 1)?,
                    };
                    done.fetch_add(units, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Ok(Pressing { stop, done, open, clients })
    }
}

impl Pressing {
    /// Connections or bytes until now.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many slow clients are connected now; 0 for other loads.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Ends it, and returns the number of connections or bytes, or the first fault.
    pub(crate) async fn stop(mut self) -> Result<u64, Fault> {
        self.stop.store(true, Ordering::Relaxed);
        let gather = async {
            while let Some(ended) = self.clients.join_next().await {
                ended.map_err(std::io::Error::other)??;
            }
            Ok::<(), Fault>(())
        };
        timeout(PATIENCE, gather).await.map_err(|_| Fault::Late("the end of the load", PATIENCE))??;
        Ok(self.done.load(Ordering::Relaxed))
    }
}
