//! What a node does outside the store: fetches releases, has them built, bound and served, and keeps the one that is served.
//!
//! Must not know: when that is done.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::config::located::ConfigError;
use crate::etcd::Etcd;
use crate::fleet::drained::Drained;
use crate::fleet::drive::Hands;
use crate::fleet::node::Node;
use crate::fleet::record::{Record, Root};
use crate::fleet::transfer;
use crate::member::canary::{Counting, Watch};
use crate::member::drains::Drains;
use crate::member::kept::House;
use crate::member::releases;
use crate::member::secrets::Secrets;
use crate::member::status::{Handle, Refused};
use crate::reload::control::{Control, Spoiled};

mod errors;
pub(super) mod looked;
mod prepared;

use errors::reason;
use looked::Looked;

/// The hands of this process.
pub(super) struct Own {
    pub(super) state: PathBuf,
    pub(super) house: Arc<House>,
    pub(super) secrets: Secrets,
    pub(super) etcd: Etcd,
    pub(super) node: String,
    pub(super) control: Control,
    pub(super) board: Handle,
    /// What is served now.
    pub(super) serving: Record,
    /// What was served before: its folder stays, so that a way back costs nothing.
    pub(super) before: Option<Root>,
    /// What was built and is held.
    pub(super) built: BTreeSet<Root>,
    pub(super) spoils: mpsc::UnboundedSender<Spoiled>,
    pub(super) spoiled: mpsc::UnboundedReceiver<Spoiled>,
    /// The servers that are out of rotation on all nodes, as they are on the disk.
    pub(super) drained: Drained,
    pub(super) drains: Drains,
    /// Reads how handshakes have ended.
    pub(super) counting: Counting,
    pub(super) watch: Watch,
    /// The record of what is served is not on the disk.
    pub(super) forgetful: Option<Forgetful>,
    /// The last trouble that was logged.
    pub(super) known: (Option<String>, Option<String>),
    pub(super) looked: Looked,
    /// Somebody has asked to try again.
    pub(super) retry: Arc<AtomicBool>,
}

/// That a record could not be kept.
pub(super) struct Forgetful {
    reason: String,
    tried: Instant,
    is_over: Arc<AtomicBool>,
}

impl Forgetful {
    fn new(reason: String) -> Self {
        Self { reason, tried: Instant::now(), is_over: Arc::default() }
    }

    fn trouble(&self) -> String {
        format!("after a restart it would begin with an earlier release: {}", self.reason)
    }
}

impl Hands<Node> for Own {
    async fn build(&mut self, root: &Root) -> Result<(), String> {
        let built = self.prepare(root).await;
        match &built {
            Ok(()) => {
                tracing::info!(release = %short(root), "a release of the fleet is prepared");
                self.built.insert(root.clone());
                self.board.note(|status| status.counts.prepared += 1);
            }
            Err(reason) => {
                tracing::error!(release = %short(root), %reason, "a release of the fleet is refused, everything stays as it is");
                self.note_refused(root, reason);
            }
        }
        built
    }

    async fn serve(&mut self, record: &Record) -> Result<(), String> {
        let served = self.put_into_force(record).await;
        match &served {
            Ok(()) => {
                let (number, by, note) = (record.number, &record.by, &record.note);
                tracing::info!(release = number, root = %short(record.root_for(&self.node)), %by, %note, "a release of the fleet is served");
                self.board.note(|status| {
                    status.counts.served += 1;
                    status.release = record.clone();
                    status.since = Timestamp::now();
                });
            }
            Err(reason) => {
                tracing::error!(release = record.number, %reason, "a release of the fleet cannot be served, everything stays as it is");
                self.board.note(|status| status.counts.failed += 1);
            }
        }
        served
    }

    async fn forget(&mut self, root: &Root) {
        self.built.remove(root);
        if root != self.serving.root_for(&self.node) {
            // The process is ending if this fails.
            let _ = self.control.let_go(&releases::configuration(&self.state, root)).await;
            tracing::info!(release = %short(root), "a release of the fleet is not needed any longer");
        }
        self.clear().await;
    }

    async fn restore(&mut self, record: &Record) -> Result<(), String> {
        tracing::warn!(release = record.number, "etcd has an older release than this node serves: it is put back");
        let roots: BTreeSet<Root> = record.roots().cloned().collect();
        for root in roots {
            let files = self.kept(&root).await?;
            // A store that has lost one thing may have lost others: nothing is relied on.
            let (put, _) =
                transfer::mend(&self.etcd, &self.secrets.parts, &files).await.map_err(|error| error.to_string())?;
            if put != root {
                return Err(format!(
                    "release {} was published with another secret of the fleet than the one that seals now: publish it again",
                    record.number
                ));
            }
        }
        Ok(())
    }

    fn seen(&mut self, machine: &mut Node, trouble: Option<&str>) -> bool {
        while let Ok(Spoiled { file, errors }) = self.spoiled.try_recv() {
            self.spoil(machine, &file, &errors);
        }
        if self.retry.swap(false, Ordering::Relaxed) {
            machine.retry();
        }
        self.drain(machine.drained());
        self.remember_at_last();
        self.look_after();
        if let Some(reason) = self.judged() {
            machine.unwell(reason.to_owned());
        }
        let own = machine.trouble().or_else(|| self.forgetful.as_ref().map(Forgetful::trouble));
        let now = (trouble.map(str::to_owned), own);
        self.log(&now);
        let connected = machine.is_connected();
        let status = self.board.status();
        if (status.connected, &status.etcd_trouble, &status.trouble) != (connected, &now.0, &now.1) {
            self.board.note(|status| {
                status.connected = connected;
                (status.etcd_trouble, status.trouble) = now.clone();
            });
        }
        self.known = now;
        true
    }
}

impl Own {
    async fn put_into_force(&mut self, record: &Record) -> Result<(), String> {
        let root = record.root_for(&self.node).clone();
        let last = self.serving.root_for(&self.node).clone();
        // Before it is served: a process that is killed in between starts with what all others serve. A full disk is no reason to
        // serve something else than all others, who count on this node.
        let remembered = self.remember(record).await;
        if root != last {
            if let Err(reason) = self.commit(&root).await {
                if remembered.is_ok() {
                    self.remember(&self.serving).await?;
                }
                return Err(reason);
            }
            self.built.remove(&root);
            self.before = Some(last);
        }
        self.serving = record.clone();
        self.looked.stop();
        // Now, since a disk may keep it waiting below, and what ends meanwhile belongs to this release.
        let _ = self.judged();
        self.forgetful = remembered.err().map(Forgetful::new);
        self.clear().await;
        Ok(())
    }

    /// Why what this node serves as a canary is not good.
    fn judged(&mut self) -> Option<&str> {
        self.watch.look((&self.serving, &self.node), Instant::now(), || (self.counting)())
    }

    /// Tries again to keep the record of what is served, now and then, and not on this thread, which renews the lease.
    fn remember_at_last(&mut self) {
        let Some(forgetful) = &mut self.forgetful else { return };
        if forgetful.is_over.load(Ordering::Relaxed) {
            tracing::info!(release = self.serving.number, "the record of the release is kept at last");
            self.forgetful = None;
        } else if forgetful.tried.elapsed() >= AGAIN {
            forgetful.tried = Instant::now();
            let (house, secrets) = (Arc::clone(&self.house), self.secrets.clone());
            let (record, is_over) = (self.serving.clone(), Arc::clone(&forgetful.is_over));
            spawn_blocking(move || {
                if house.serve(&record, &secrets).is_ok() {
                    is_over.store(true, Ordering::Relaxed);
                }
            });
        }
    }

    async fn commit(&mut self, root: &Root) -> Result<(), String> {
        let file = releases::configuration(&self.state, root);
        let committed = self.control.commit(&file).await.map_err(|stopping| stopping.to_string())?;
        match committed {
            Ok(()) => Ok(()),
            // What was served before was not held, and is built in a moment.
            Err(errors) if errors.is_empty() => {
                self.prepare(root).await?;
                let again = self.control.commit(&file).await.map_err(|stopping| stopping.to_string())?;
                again.map_err(|errors| reason(&errors))
            }
            Err(errors) => Err(reason(&errors)),
        }
    }

    async fn remember(&self, record: &Record) -> Result<(), String> {
        let (house, record, secrets) = (Arc::clone(&self.house), record.clone(), self.secrets.clone());
        aside(move || house.serve(&record, &secrets)).await
    }

    /// Removes the folders of releases that are not needed.
    async fn clear(&self) {
        let needed = self.serving.roots().chain(&self.before).chain(&self.built).cloned().collect();
        let house = Arc::clone(&self.house);
        let _ = aside(move || {
            house.shelf.clear(&needed);
            Ok(())
        })
        .await;
    }

    /// Lets go of all that is held.
    pub(super) async fn let_all_go(&mut self) {
        for root in std::mem::take(&mut self.built) {
            let _ = self.control.let_go(&releases::configuration(&self.state, &root)).await;
        }
    }

    fn spoil(&mut self, machine: &mut Node, file: &Path, errors: &[ConfigError]) {
        let root = self.built.iter().find(|root| releases::configuration(&self.state, root) == file).cloned();
        let Some(root) = root else { return };
        let reason = reason(errors);
        tracing::error!(release = %short(&root), %reason, "a release that was prepared cannot be served any longer");
        self.built.remove(&root);
        self.note_refused(&root, &reason);
        machine.spoiled(&root, reason);
    }

    /// Takes servers out of rotation, and puts them back, as on all nodes.
    fn drain(&mut self, drained: &Drained) {
        self.drains.apply(drained, &self.control.current.load());
        if self.drained != *drained {
            self.drained = drained.clone();
            let (house, drained, secrets) = (Arc::clone(&self.house), drained.clone(), self.secrets.clone());
            // Nobody waits for it: etcd has it, too.
            drop(spawn_blocking(move || {
                if let Err(error) = house.keep_drained(&drained, &secrets) {
                    tracing::warn!(%error, "which servers are out of rotation on all nodes cannot be kept");
                }
            }));
        }
    }

    fn note_refused(&self, root: &Root, reason: &str) {
        let refused = Refused { root: root.0.clone(), reason: reason.to_owned(), at: Timestamp::now() };
        self.board.note(|status| {
            status.counts.refused += 1;
            status.refused = Some(refused.clone());
        });
    }

    /// Logs what has changed.
    fn log(&self, (etcd, own): &(Option<String>, Option<String>)) {
        match (&self.known.0, etcd) {
            (before, Some(reason)) if before.as_ref() != Some(reason) => {
                tracing::warn!(%reason, "the fleet's etcd does not answer as it should; what is served goes on");
            }
            (Some(_), None) => tracing::info!("the fleet's etcd answers again"),
            _ => {}
        }
        match (&self.known.1, own) {
            (before, Some(reason)) if before.as_ref() != Some(reason) => {
                tracing::error!(%reason, "this node does not take part in the fleet as it should");
            }
            (Some(_), None) => tracing::info!("this node takes part in the fleet as it should again"),
            _ => {}
        }
    }
}

/// For people: enough to tell one release from another.
pub(super) fn short(root: &Root) -> &str {
    root.0.get(..SHOWN).unwrap_or(&root.0)
}

/// Does work that waits for a disk on another thread: the lease has to be renewed meanwhile.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// How long it waits before it tries again to keep something.
const AGAIN: Duration = Duration::from_secs(10);

/// Digits of a release's root.
const SHOWN: usize = 12;
