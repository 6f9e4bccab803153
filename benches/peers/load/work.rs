//! The work of one measurement: prepared first, then run, bounded in count and time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Fault;
use super::backend::{DONE, Order};
use super::pattern;
use super::session::Session;
use super::target::{Site, Target};

/// The longest that one measurement may take.
const LIMIT: Duration = Duration::from_secs(180);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Connect, one byte there and back, end: the total number, and how many at the same time.
    Connections { count: u64, at_once: u64 },
    /// Each connection sends `amount` bytes in records of `record` bytes.
    Push { connections: u64, amount: u64, record: usize },
    /// Each connection receives `amount` bytes, which the backend writes in pieces of `piece` bytes.
    Pull { connections: u64, amount: u64, piece: u32 },
    /// Each connection sends a request and waits for the answer, `rounds` times.
    Answers { connections: u64, rounds: u64, request: u32, answer: u64 },
}

impl Work {
    /// What is counted: connections, bytes or answers.
    pub(crate) fn units(self) -> u64 {
        match self {
            Self::Connections { count, .. } => count,
            Self::Push { connections, amount, .. } | Self::Pull { connections, amount, .. } => connections * amount,
            Self::Answers { connections, rounds, .. } => connections * rounds,
        }
    }

    /// Opens the connections that must exist before.
    pub(crate) async fn prepare(self, target: &Target) -> Result<Ready, Fault> {
        let connections = match self {
            Self::Connections { at_once, .. } => {
                let mut clients = Vec::new();
                for number in 0..at_once {
                    let client = target.client()?;
                    if target.terms.resumed {
                        connection(target, &client, number, true).await?;
                    }
                    clients.push(client);
                }
                return Ok(Ready { work: self, target: target.clone(), clients, sessions: Vec::new() });
            }
            Self::Push { connections, .. } | Self::Pull { connections, .. } | Self::Answers { connections, .. } => {
                connections
            }
        };
        let client = target.client()?;
        let mut sessions = Vec::new();
        for _ in 0..connections {
            let mut session = Session::open(target, &client, site(target, 0).name.clone(), true).await?;
            if let Self::Answers { request, answer, .. } = self {
                session.send(&Order::Answer { request, answer }.bytes()).await?;
            }
            sessions.push(session);
        }
        Ok(Ready { work: self, target: target.clone(), clients: Vec::new(), sessions })
    }
}

/// Prepared work.
pub(crate) struct Ready {
    work: Work,
    target: Target,
    clients: Vec<Arc<ClientConfig>>,
    sessions: Vec<Session>,
}

impl Ready {
    /// Runs it, and returns the number of units.
    pub(crate) async fn run(self) -> Result<u64, Fault> {
        let done = match self.work {
            Work::Connections { count, .. } => {
                let next = Arc::new(AtomicU64::new(0));
                let tasks = self.clients.into_iter().map(|client| {
                    let (next, target) = (Arc::clone(&next), self.target.clone());
                    async move {
                        let mut done = 0;
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= count {
                                return Ok(done);
                            }
                            connection(&target, &client, number, false).await?;
                            done += 1;
                        }
                    }
                });
                all(tasks).await?
            }
            Work::Push { amount, record, .. } => {
                all(self.sessions.into_iter().map(|mut s| async move { push(&mut s, amount, record).await })).await?
            }
            Work::Pull { amount, piece, .. } => {
                all(self.sessions.into_iter().map(|mut s| async move { pull(&mut s, amount, piece).await })).await?
            }
            Work::Answers { rounds, request, answer, .. } => {
                all(self.sessions.into_iter().map(|s| answers(s, rounds, request, answer))).await?
            }
        };
        let expected = self.work.units();
        if done == expected { Ok(done) } else { Err(Fault::Short { expected, found: done }) }
    }
}

/// Waits for all of them, and adds up their units.
pub(crate) async fn all<F>(tasks: impl Iterator<Item = F>) -> Result<u64, Fault>
where
    F: Future<Output = Result<u64, Fault>> + Send + 'static,
{
    let mut running: JoinSet<_> = tasks.collect();
    let gather = async {
        let mut done = 0;
        while let Some(ended) = running.join_next().await {
            done += ended.map_err(std::io::Error::other)??;
        }
        Ok(done)
    };
    timeout(LIMIT, gather).await.map_err(|_| Fault::Late("the work", LIMIT))?
}

/// One connection: one byte there and back, and the end by both.
pub(crate) async fn connection(
    target: &Target,
    client: &Arc<ClientConfig>,
    number: u64,
    first: bool,
) -> Result<(), Fault> {
    let mut session = Session::open(target, client, site(target, number).name.clone(), first).await?;
    session.send(&Order::Echo.bytes()).await?;
    session.receive_exactly(&[Order::ECHO]).await?;
    session.close().await
}

/// The same order of names in every run, which no cache can predict.
pub(crate) fn site(target: &Target, number: u64) -> &Site {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let count = target.sites.len().max(1) as u64;
    &target.sites[usize::try_from(mixed % count).unwrap_or(0)]
}

pub(crate) async fn push(session: &mut Session, amount: u64, record: usize) -> Result<u64, Fault> {
    session.send(&Order::Sink { amount }.bytes()).await?;
    session.stream(amount, record).await?;
    session.receive_exactly(&[DONE]).await?;
    Ok(amount)
}

pub(crate) async fn pull(session: &mut Session, amount: u64, piece: u32) -> Result<u64, Fault> {
    session.send(&Order::Source { amount, piece }.bytes()).await?;
    session.receive_pattern(amount).await?;
    Ok(amount)
}

async fn answers(mut session: Session, rounds: u64, request: u32, answer: u64) -> Result<u64, Fault> {
    let message: Vec<u8> = (0..u64::from(request)).step_by(pattern::SPAN).fold(Vec::new(), |mut message, offset| {
        let length = pattern::SPAN.min(request as usize - message.len());
        message.extend_from_slice(pattern::at(offset, length));
        message
    });
    for _ in 0..rounds {
        session.send(&message).await?;
        session.receive_pattern(answer).await?;
    }
    Ok(rounds)
}
