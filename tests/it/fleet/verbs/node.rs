//! A node that is played: it takes part in the fleet, and in its lead, by the real machines over real etcd, and builds and serves
//! nothing.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tlsgate::etcd::{Etcd, Settings};
use tlsgate::fleet::drive::{Hands, drive};
use tlsgate::fleet::leader::Leader;
use tlsgate::fleet::node::{Identity, Node};
use tlsgate::fleet::record::{Record, Root};
use tlsgate::fleet::seal::Seal;
use tlsgate::fleet::secret;
use tokio::sync::Notify;

use super::{Fleet, read};
use crate::support::procfs::eventually;

/// What it does with a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Ready,
    Refuses(String),
    /// Says nothing.
    Silent,
    /// Is ready, and never done with serving it.
    Stuck,
}

#[derive(Debug)]
struct Shared {
    part: Part,
    is_connected: bool,
    /// Whether somebody leads.
    is_led: bool,
    serving: Option<Record>,
    drained: Vec<String>,
}

/// Dropping it ends it, and its lease.
pub(super) struct Played {
    shared: Arc<Mutex<Shared>>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    ended: Receiver<()>,
}

struct Player(Arc<Mutex<Shared>>);

impl Hands<Node> for Player {
    async fn build(&mut self, _: &Root) -> Result<(), String> {
        let part = self.0.lock().unwrap().part.clone();
        match part {
            Part::Ready | Part::Stuck => Ok(()),
            Part::Refuses(reason) => Err(reason),
            Part::Silent => std::future::pending().await,
        }
    }

    async fn serve(&mut self, _: &Record) -> Result<(), String> {
        let part = self.0.lock().unwrap().part.clone();
        match part {
            Part::Stuck => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn forget(&mut self, _: &Root) {}

    async fn restore(&mut self, _: &Record) -> Result<(), String> {
        Ok(())
    }

    fn seen(&mut self, node: &mut Node, _: Option<&str>) -> bool {
        let mut shared = self.0.lock().unwrap();
        shared.is_connected = node.is_connected();
        shared.serving = node.serving().cloned();
        let out = node.drained().all().filter(|one| one.is_drained);
        shared.drained = out.map(|one| format!("{}/{}", one.backend, one.server)).collect();
        true
    }
}

/// The same node as a candidate for the lead.
struct Candidate(Arc<Mutex<Shared>>);

impl Hands<Leader> for Candidate {
    fn seen(&mut self, leader: &mut Leader, _: Option<&str>) -> bool {
        self.0.lock().unwrap().is_led = leader.leading().is_some() && leader.ring().is_some();
        true
    }
}

impl Played {
    /// Returns when it is registered, and somebody leads.
    pub(super) fn new(fleet: &Fleet, name: &str, part: Part) -> Self {
        let shared = Shared { part, is_connected: false, is_led: false, serving: None, drained: Vec::new() };
        let (shared, stop) = (Arc::new(Mutex::new(shared)), Arc::new(Notify::new()));
        let settings = Settings {
            endpoints: fleet.store.urls(),
            prefix: "/tlsgate/test".into(),
            ca: None,
            identity: None,
            user: None,
            timeout: Duration::from_secs(5),
        };
        let secret = read(&fleet.path("fleet.key"));
        let secrets = secret::parse(&secret).unwrap();
        let secrets: Vec<_> =
            secrets.iter().map(|secret| secret::of_fleet(secret, &settings.prefix).unwrap()).collect();
        let secrets: Vec<&[u8]> = secrets.iter().map(|secret| secret.as_slice()).collect();
        let seal = Arc::new(Seal::new(&secrets).unwrap());
        let identity = Identity { name: name.into(), machine: format!("machine of {name}"), process: "played".into() };
        let (mut player, stopped) = (Player(Arc::clone(&shared)), Arc::clone(&stop));
        let mut candidate = Candidate(Arc::clone(&shared));
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let etcd = Etcd::new(&settings).unwrap();
                let mut leader = Leader::new(Arc::clone(&seal), identity.name.clone(), None, || Some("played".into()));
                let (is_over, over) = tokio::sync::oneshot::channel::<()>();
                let node = async {
                    drive(&mut Node::new(seal, identity, None), &etcd, &mut player, stopped.notified()).await;
                    drop(is_over);
                };
                let over = async {
                    let _ = over.await;
                };
                tokio::join!(node, drive(&mut leader, &etcd, &mut candidate, over));
            });
            drop(end);
        });
        let played = Self { shared, stop, thread: Some(thread), ended };
        eventually("it is registered, and somebody leads", || {
            let shared = played.shared.lock().unwrap();
            (shared.is_connected && shared.is_led).then_some(())
        });
        played
    }

    pub(super) fn plays(&self, part: Part) {
        self.shared.lock().unwrap().part = part;
    }

    /// The number of the release that it serves.
    pub(super) fn serves(&self) -> Option<u64> {
        self.shared.lock().unwrap().serving.as_ref().map(|record| record.number)
    }

    pub(super) fn drained(&self) -> Vec<String> {
        self.shared.lock().unwrap().drained.clone()
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.stop.notify_one();
        let _ = self.ended.recv_timeout(Duration::from_secs(30));
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}
