//! This node as a candidate for the lead: keeps the keys of session tickets where the listeners find them, and tells whether
//! this node leads.
//!
//! Must not know: what else a leader does.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Duration, sleep};

use crate::etcd::Etcd;
use crate::fleet::drive::{Hands, drive};
use crate::fleet::leader::Leader;
use crate::fleet::seal::Seal;
use crate::fleet::store::Revision;
use crate::fleet::tickets::Ring;
use crate::member::kept::House;
use crate::member::status::Handle;
use crate::tls::tickets::Secret;

/// What a transaction requires so that only the leader makes it: a key, and the revision of its last change.
pub type Fence = (String, Revision);

/// Whether this node leads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Leading(watch::Receiver<Option<Fence>>);

impl Leading {
    /// `None`: this node does not lead, as far as it knows.
    pub fn fence(&self) -> Option<Fence> {
        self.0.borrow().clone()
    }

    /// Waits until it changes; `false` where it never will again.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// Who tells whether this node leads, and who can be asked.
pub(super) fn channel() -> (watch::Sender<Option<Fence>>, Leading) {
    let (sender, receiver) = watch::channel(None);
    (sender, Leading(receiver))
}

/// A secret for a key of session tickets.
fn secret() -> Option<String> {
    Secret::new().map(|secret| secret.to_base64())
}

/// Writes keys of session tickets as they come, and not on the thread that renews the lease; until there is nobody who sends any.
async fn keep(house: Arc<House>, mut rings: watch::Receiver<Option<Ring>>) {
    while rings.changed().await.is_ok() {
        let Some(ring) = rings.borrow_and_update().clone() else { continue };
        loop {
            let (house, ring) = (Arc::clone(&house), ring.clone());
            let count = ring.keys.len();
            let kept = spawn_blocking(move || house.keep_tickets(&ring)).await;
            match kept.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(()) => tracing::info!(keys = count, "the keys of session tickets are those of the fleet"),
                Err(reason) => {
                    tracing::warn!(%reason, "the keys of session tickets cannot be kept, and are tried again");
                    tokio::select! {
                        () = sleep(AGAIN) => continue,
                        newer = rings.changed() => match newer {
                            Ok(()) => rings.mark_changed(),
                            Err(_) => return,
                        },
                    }
                }
            }
            break;
        }
    }
}

/// What a candidate needs.
pub(super) struct Candidate<'a> {
    pub(super) house: Arc<House>,
    pub(super) seal: Arc<Seal>,
    /// Of the node.
    pub(super) name: String,
    pub(super) board: Handle,
    pub(super) fence: &'a watch::Sender<Option<Fence>>,
}

/// Takes part until the sender of `over` is dropped.
pub(super) async fn stand(candidate: Candidate<'_>, etcd: &Etcd, over: oneshot::Receiver<()>) {
    let Candidate { house, seal, name, board, fence } = candidate;
    let ring = house.tickets();
    let (rings, coming) = watch::channel(ring.clone());
    let mut machine = Leader::new(seal, name, ring, secret);
    let leading = async {
        let mut own = Own { board, fence, rings, known: None };
        let over = async {
            let _ = over.await;
        };
        drive(&mut machine, etcd, &mut own, over).await;
        own.fence.send_replace(None);
    };
    tokio::join!(leading, keep(house, coming));
}

/// The hands of a candidate.
struct Own<'a> {
    board: Handle,
    fence: &'a watch::Sender<Option<Fence>>,
    /// What is kept, or is to be.
    rings: watch::Sender<Option<Ring>>,
    /// The last trouble that was logged.
    known: Option<String>,
}

impl Hands<Leader> for Own<'_> {
    fn seen(&mut self, machine: &mut Leader, trouble: Option<&str>) -> bool {
        let fence = machine.fence();
        self.fence.send_if_modified(|known| {
            let differs = *known != fence;
            if known.is_some() != fence.is_some() {
                let what = if fence.is_some() { "leads the fleet" } else { "does not lead the fleet any longer" };
                tracing::info!("this node {what}");
            }
            known.clone_from(&fence);
            differs
        });
        let leader = machine.leading().map(str::to_owned);
        // An etcd that is away keeps it from everything, and is reported by whoever takes what is published.
        let is_away = self.board.status().etcd_trouble.is_some();
        let trouble = machine.trouble().or_else(|| trouble.filter(|_| !is_away).map(str::to_owned));
        let status = self.board.status();
        if (&status.leader, &status.leader_trouble) != (&leader, &trouble) {
            self.board.note(|status| (status.leader, status.leader_trouble) = (leader.clone(), trouble.clone()));
        }
        if let Some(reason) = trouble.as_ref().filter(|reason| self.known.as_ref() != Some(*reason)) {
            tracing::error!(%reason, "this node cannot take the lead, or share keys of session tickets");
        }
        self.known = trouble;
        self.rings.send_if_modified(|known| {
            let differs = known.as_ref() != machine.ring();
            *known = machine.ring().cloned();
            differs
        });
        true
    }
}

/// How long it waits for a disk that takes nothing.
const AGAIN: Duration = Duration::from_secs(5);
