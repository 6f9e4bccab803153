//! An open loop of short connections: each begins when it is due, whatever has become of those before, and its client
//! gives up when its patience ends. Must not know: how much the proxy can do.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};

use super::Fault;
use super::arrivals::{Arrivals, Pace};
use super::backend::Order;
use super::latencies::Latencies;
use super::session::Session;
use super::target::Target;
use super::work::site;

/// The longest time for the end of a connection whose byte came back.
const CLOSING: Duration = Duration::from_secs(2);

/// What is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// Connections in a second.
    pub(crate) rate: f64,
    pub(crate) patience: Duration,
    /// Connections that are due before this are not counted: a queue needs time to form.
    pub(crate) warm_up: Duration,
    /// From the end of the warm-up.
    pub(crate) lasts: Duration,
}

/// What became of those that are counted.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    /// From the moment when the connection was due until its byte was back.
    pub(crate) in_time: Latencies,
    /// Ended by the proxy before the byte was back.
    pub(crate) refused: u64,
    /// Not done when patience ended.
    pub(crate) late: u64,
    /// How long after its moment each was begun: the load's own fault.
    pub(crate) begun_late: Latencies,
}

impl Offered {
    pub(crate) fn arrivals(&self) -> u64 {
        self.in_time.len() as u64 + self.refused + self.late
    }
}

enum End {
    InTime(Duration),
    Refused,
    Late,
}

impl Offer {
    /// Runs it, and waits until each connection has ended.
    pub(crate) async fn run(self, target: &Target) -> Result<Offered, Fault> {
        let client = target.client()?;
        let found = Arc::<Mutex<Offered>>::default();
        let limit = self.warm_up + self.lasts;
        // Keys are made before anything is due: at many times of what a proxy can do, they would be too much for the load.
        let begun = (1..=Arrivals::count_within(self.rate, limit)).map(|number| begin(target, &client, number));
        let mut begun = begun.collect::<Result<Vec<_>, Fault>>()?.into_iter();
        let (mut pace, mut clients) = (Pace::start(self.rate, limit)?, JoinSet::new());
        while let (Some((due, moment)), Some(begun)) = (pace.next().await, begun.next()) {
            let (target, found) = (target.clone(), Arc::clone(&found));
            clients.spawn(async move {
                let late = due.elapsed();
                let (end, session) = attempt(&target, begun, due, self.patience).await?;
                if moment >= self.warm_up {
                    found.lock().unwrap_or_else(PoisonError::into_inner).count(end, late);
                }
                if let Some(session) = session {
                    let _ = timeout(CLOSING, session.close()).await;
                }
                Ok::<(), Fault>(())
            });
            while let Some(ended) = clients.try_join_next() {
                ended.map_err(std::io::Error::other)??;
            }
        }
        while let Some(ended) = clients.join_next().await {
            ended.map_err(std::io::Error::other)??;
        }
        Ok(std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Offered {
    fn count(&mut self, end: End, late: Duration) {
        self.begun_late.add(late);
        match end {
            End::InTime(latency) => self.in_time.add(latency),
            End::Refused => self.refused += 1,
            End::Late => self.late += 1,
        }
    }
}

fn begin(target: &Target, client: &Arc<ClientConfig>, number: u64) -> Result<UnbufferedClientConnection, Fault> {
    Ok(UnbufferedClientConnection::new(Arc::clone(client), site(target, number).name.clone())?)
}

/// One client: connects, sends a byte, and waits for it.
async fn attempt(
    target: &Target,
    begun: UnbufferedClientConnection,
    due: Instant,
    patience: Duration,
) -> Result<(End, Option<Session>), Fault> {
    let there_and_back = async {
        let mut session = Session::open_begun(target, begun).await?;
        session.send(&Order::Echo.bytes()).await?;
        session.receive_exactly(&[Order::ECHO]).await?;
        Ok(session)
    };
    match timeout_at((due + patience).into(), there_and_back).await {
        Ok(Ok(session)) => Ok((End::InTime(due.elapsed()), Some(session))),
        Ok(Err(fault)) if is_refusal(&fault) => Ok((End::Refused, None)),
        Ok(Err(fault)) => Err(fault),
        Err(_) => Ok((End::Late, None)),
    }
}

/// Whether the proxy has ended the connection: by a reset, by its end, or by an alert, in the handshake or after it.
fn is_refusal(fault: &Fault) -> bool {
    match fault {
        Fault::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected
                | ErrorKind::UnexpectedEof
        ),
        Fault::Refused(rustls::Error::AlertReceived(_)) => true,
        Fault::Short { found, .. } => *found == 0,
        _ => false,
    }
}
