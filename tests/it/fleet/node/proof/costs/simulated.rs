//! Many nodes in one process: each has the machines of a node and of a candidate for the lead over a client of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tlsgate::etcd::{Etcd, Settings};
use tlsgate::fleet::drive::{Hands, drive};
use tlsgate::fleet::key;
use tlsgate::fleet::leader::Leader;
use tlsgate::fleet::machine::Machine;
use tlsgate::fleet::node::{Identity, Node};
use tlsgate::fleet::part::{PartName, Parts, Plain};
use tlsgate::fleet::record::{Record, Root};
use tlsgate::fleet::seal::Seal;
use tlsgate::fleet::secret;
use tlsgate::fleet::transfer::{self, Here};
use tlsgate::fleet::tree::index::Index;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::fleet::node::Scene;
use crate::support::PATIENCE;

/// All of them. Dropping it ends them.
pub(super) struct Crowd {
    all: Vec<Arc<Shown>>,
    stop: Option<watch::Sender<()>>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Shown {
    is_connected: AtomicU64,
    release: AtomicU64,
}

/// What all of them have.
struct Means {
    seal: Arc<Seal>,
    parts: Parts,
    /// The lists of the last release that was fetched.
    known: Mutex<Option<Index>>,
    /// What has to be fetched of each release.
    missing: tokio::sync::Mutex<HashMap<String, Vec<PartName>>>,
}

impl Crowd {
    /// Returns when all of them are registered.
    pub(super) fn new(scene: &Scene, count: usize) -> Self {
        let settings = Settings {
            endpoints: scene.store.urls(),
            prefix: "/tlsgate/test".into(),
            ca: None,
            identity: None,
            user: None,
            timeout: Duration::from_secs(10),
        };
        let text = std::fs::read_to_string(scene.path("fleet.key")).unwrap();
        let secret = secret::of_fleet(&secret::parse(&text).unwrap()[0], &settings.prefix).unwrap();
        let secret = secret.as_slice();
        let means = Arc::new(Means {
            seal: Arc::new(Seal::new(&[secret]).unwrap()),
            parts: Parts::new(&[secret]).unwrap(),
            known: Mutex::default(),
            missing: tokio::sync::Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = watch::channel(());
        let mut all = Vec::new();
        for number in 0..count {
            let shown = Arc::new(Shown::default());
            all.push(Arc::clone(&shown));
            let mut settings = settings.clone();
            // As if each had its own order.
            settings.endpoints.rotate_left(number % 3);
            let etcd = Etcd::new(&settings).unwrap();
            let identity = Identity {
                name: format!("simulated{number}"),
                machine: format!("machine {number}"),
                process: format!("process {number}"),
            };
            let leader = Leader::new(Arc::clone(&means.seal), identity.name.clone(), None, || None);
            let node = Node::new(Arc::clone(&means.seal), identity, None);
            let player = Player { etcd: etcd.clone(), means: Arc::clone(&means), shown };
            runtime.spawn(run(node, etcd.clone(), player, stopped.clone()));
            runtime.spawn(run(leader, etcd, Idle, stopped.clone()));
        }
        let crowd = Self { all, stop: Some(stop), runtime: Some(runtime) };
        crowd.serves(1);
        crowd
    }

    /// Waits until all of them are connected and serve this release. So many take their time on a small machine.
    pub(super) fn serves(&self, release: u64) {
        let end = Instant::now() + PATIENCE * 10;
        while !self.all_serve(release) {
            assert!(Instant::now() < end, "never: all of them serve release {release}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn all_serve(&self, release: u64) -> bool {
        let serves = |shown: &Arc<Shown>| {
            shown.is_connected.load(Ordering::Relaxed) == 1 && shown.release.load(Ordering::Relaxed) == release
        };
        self.all.iter().all(serves)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

async fn run<M: Machine + Send, H: Hands<M>>(mut machine: M, etcd: Etcd, mut hands: H, mut stop: watch::Receiver<()>) {
    let stopped = async {
        let _ = stop.changed().await;
    };
    drive(&mut machine, &etcd, &mut hands, stopped).await;
}

struct Player {
    etcd: Etcd,
    means: Arc<Means>,
    shown: Arc<Shown>,
}

impl Player {
    /// Fetches what is missing of a release: the first one finds out what that is. Of the first release, only one fetches it.
    async fn fetch(&self, root: &Root) -> Result<(), String> {
        let Means { parts, known, missing, .. } = &*self.means;
        let mut all = missing.lock().await;
        if let Some(names) = all.get(&root.0).cloned() {
            drop(all);
            let keys: Vec<String> = names.iter().map(key::part).collect();
            for entry in self.etcd.get(&keys).await.map_err(|trouble| trouble.to_string())? {
                let name = PartName(entry.key.strip_prefix(key::PARTS).unwrap().to_owned());
                parts.open(&name, &entry.value.unwrap()).map_err(|error| error.to_string())?;
            }
            return Ok(());
        }
        let here = Recording { index: known.lock().unwrap().clone(), pieces: Mutex::default() };
        let read = transfer::get(&self.etcd, parts, root, &here).await.map_err(|error| error.to_string())?;
        // The lists that are new, and the pieces.
        let new = match &here.index {
            None => Vec::new(),
            Some(last) => {
                let lists = read.index.lists().filter(|name| last.list(name).is_none()).cloned();
                lists.chain(here.pieces.into_inner().unwrap()).collect()
            }
        };
        all.insert(root.0.clone(), new);
        *known.lock().unwrap() = Some(read.index);
        Ok(())
    }
}

/// Takes note of the pieces that are not here.
struct Recording {
    index: Option<Index>,
    pieces: Mutex<Vec<PartName>>,
}

impl Here for Recording {
    fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    fn has_files(&self) -> bool {
        true
    }

    async fn pieces(&self, names: &[PartName]) -> Vec<(PartName, Plain)> {
        self.pieces.lock().unwrap().extend_from_slice(names);
        Vec::new()
    }
}

impl Hands<Node> for Player {
    async fn build(&mut self, root: &Root) -> Result<(), String> {
        self.fetch(root).await
    }

    async fn serve(&mut self, _: &Record) -> Result<(), String> {
        Ok(())
    }

    async fn forget(&mut self, _: &Root) {}

    async fn restore(&mut self, _: &Record) -> Result<(), String> {
        Ok(())
    }

    fn seen(&mut self, node: &mut Node, _: Option<&str>) -> bool {
        self.shown.is_connected.store(u64::from(node.is_connected()), Ordering::Relaxed);
        self.shown.release.store(node.serving().map_or(0, |record| record.number), Ordering::Relaxed);
        true
    }
}

/// A candidate that does nothing.
struct Idle;

impl Hands<Leader> for Idle {
    fn seen(&mut self, _: &mut Leader, _: Option<&str>) -> bool {
        true
    }
}
