//! This node as a candidate for the lead: keeps the keys of session tickets where the listeners find them, and tells whether
//! this node leads.
//!
//! Must not know: what else a leader does.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Duration, sleep};

use crate::fleet::drive::Hands;
use crate::fleet::leader::Leader;
use crate::fleet::record::{Record, Root};
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
pub(super) fn secret() -> Option<String> {
    Secret::new().map(|secret| secret.to_base64())
}

/// Writes keys of session tickets as they come, and not on the thread that renews the lease; until there is nobody who sends any.
pub(super) async fn keep(house: Arc<House>, mut rings: watch::Receiver<Option<Ring>>) {
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

/// The hands of a candidate.
pub(super) struct Candidate {
    pub(super) board: Handle,
    pub(super) fence: watch::Sender<Option<Fence>>,
    /// What is kept, or is to be.
    pub(super) rings: watch::Sender<Option<Ring>>,
    /// The last trouble that was logged.
    pub(super) known: Option<String>,
}

impl Hands<Leader> for Candidate {
    async fn build(&mut self, _root: &Root) -> Result<(), String> {
        Ok(())
    }

    async fn serve(&mut self, _record: &Record) -> Result<(), String> {
        Ok(())
    }

    async fn forget(&mut self, _root: &Root) {}

    async fn restore(&mut self, _record: &Record) -> Result<(), String> {
        Ok(())
    }

    fn seen(&mut self, machine: &mut Leader, _trouble: Option<&str>) -> bool {
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
        if self.board.status().leader != leader {
            self.board.note(|status| status.leader.clone_from(&leader));
        }
        let trouble = machine.trouble();
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
