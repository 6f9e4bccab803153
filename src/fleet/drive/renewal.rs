//! Keeps a lease: renews it each third of its time, on a task of its own, so that nothing else holds it up. Must not know:
//! what was put with it.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};

use crate::etcd::{Etcd, Trouble};
use crate::fleet::store::Lease;

/// How long a machine that has gone counts as alive. It is renewed each third of it.
pub const TTL: Duration = Duration::from_secs(10);

/// What has become of a renewal.
#[derive(Debug)]
pub(super) enum Renewal {
    Done,
    /// It was done, and what was read before may not be true.
    Restart(Trouble),
    /// It is tried again.
    Failed(String),
    /// The lease is lost. There are no more renewals.
    Lost,
}

/// Renews until it is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) lease: Lease,
    pub(super) renewals: mpsc::UnboundedReceiver<Renewal>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// `asked`: when the lease was asked for, at the latest.
    pub(super) fn new(etcd: &Etcd, lease: Lease, asked: Instant, time: Duration) -> Self {
        let (sender, renewals) = mpsc::unbounded_channel();
        let task = tokio::spawn(keep(etcd.clone(), lease, asked, time, sender));
        Self { lease, renewals, task }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(etcd: Etcd, lease: Lease, asked: Instant, time: Duration, to: mpsc::UnboundedSender<Renewal>) {
    // A renewal counts from when it was sent: etcd cannot have begun to count before.
    let mut last = asked;
    let mut wait_until = last + time / 3;
    loop {
        sleep_until(wait_until).await;
        let (sent, end) = (Instant::now(), last + time);
        let renewal = match timeout_at(end, etcd.keep(lease)).await {
            Ok(Ok(())) => Renewal::Done,
            Ok(Err(trouble @ Trouble::Restart(_))) => Renewal::Restart(trouble),
            Ok(Err(Trouble::LeaseEnded)) | Err(_) => Renewal::Lost,
            Ok(Err(trouble)) => Renewal::Failed(trouble.to_string()),
        };
        match renewal {
            Renewal::Done | Renewal::Restart(_) => {
                last = sent;
                wait_until = last + time / 3;
            }
            Renewal::Failed(_) => wait_until = Instant::now() + AGAIN,
            Renewal::Lost => {}
        }
        let is_lost = matches!(renewal, Renewal::Lost);
        if to.send(renewal).is_err() || is_lost {
            return;
        }
    }
}

/// Before a renewal that has failed is tried again, at another member.
const AGAIN: Duration = Duration::from_millis(300);
