//! Round trips of an open loop on connections that exist: each is due at its moment, and its latency is counted from
//! then, whether or not it could be sent. A stall of the proxy delays every round trip that falls into it, as it would
//! delay the requests of independent users; clients that wait for an answer before they ask again would see it once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::arrivals::Pace;
use super::backend::Order;
use super::latencies::Latencies;
use super::session::Session;
use super::target::Target;
use super::{Fault, pattern};

/// Bytes in each direction.
const SIZE: usize = 64;
/// The longest run.
const LIMIT: Duration = Duration::from_secs(150);
/// The longest time for the last answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Open connections, each with one round trip behind it.
pub(crate) struct Pings {
    sessions: Vec<Session>,
}

impl Pings {
    pub(crate) async fn open(target: &Target, connections: usize) -> Result<Self, Fault> {
        let client = target.client()?;
        let site = target.sites.first().ok_or(Fault::Record("no name to ask for"))?;
        let mut sessions = Vec::new();
        for _ in 0..connections {
            let mut session = Session::open(target, &client, site.name.clone(), true).await?;
            session.send(&Order::Aside { request: SIZE as u32, answer: SIZE as u64 }.bytes()).await?;
            ping(&mut session).await?;
            sessions.push(session);
        }
        Ok(Self { sessions })
    }

    /// So many round trips in a second until it is stopped, or for 150 seconds. Waits for the answers that are due then.
    pub(crate) async fn run(self, rate: f64, stop: &AtomicBool) -> Result<Latencies, Fault> {
        let (sender, mut free) = mpsc::unbounded_channel();
        let sender = Arc::new(sender);
        let count = self.sessions.len();
        for session in self.sessions {
            let _ = sender.send(Ok((session, None)));
        }
        let mut latencies = Latencies::default();
        let mut pace = Pace::start(rate, LIMIT)?;
        while let Some((due, _)) = pace.next().await {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let (mut session, latency) = next(&mut free).await?;
            latency.into_iter().for_each(|latency| latencies.add(latency));
            let sender = Arc::clone(&sender);
            tokio::spawn(async move {
                let ended = ping(&mut session).await;
                let _ = sender.send(ended.map(|()| (session, Some(due.elapsed()))));
            });
        }
        for _ in 0..count {
            next(&mut free).await?.1.into_iter().for_each(|latency| latencies.add(latency));
        }
        Ok(latencies)
    }
}

/// A connection that is free, and the latency of its last round trip.
type Free = Result<(Session, Option<Duration>), Fault>;

async fn next(free: &mut mpsc::UnboundedReceiver<Free>) -> Free {
    let next = timeout(PATIENCE, free.recv()).await.map_err(|_| Fault::Late("a round trip", PATIENCE))?;
    next.unwrap_or(Err(Fault::Record("no connection is left")))
}

async fn ping(session: &mut Session) -> Result<(), Fault> {
    session.send(pattern::at(0, SIZE)).await?;
    session.receive_pattern(SIZE as u64).await
}
