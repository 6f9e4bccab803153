//! The task of a node: waits until the folder is its own, then takes part in the fleet, and begins again where what it was set
//! to has changed. Must not know: what it does as a part of the fleet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use crate::acme::share::Others;
use crate::config::validate::fleet::Fleet;
use crate::etcd::Etcd;
use crate::files;
use crate::fleet::drained::Drained;
use crate::fleet::drive::drive;
use crate::fleet::node::{Identity, Node};
use crate::fleet::record::Record;
use crate::member::canary::{Counting, Watch};
use crate::member::drains::Drains;
use crate::member::hands::Own;
use crate::member::hands::looked::Looked;
use crate::member::kept::{self, House};
use crate::member::leading::{self, Candidate, Fence, Leading};
use crate::member::orders::{self, Places};
use crate::member::secrets::{self, Secrets};
use crate::member::status::Handle;
use crate::reload::control::Control;
use crate::tls::crypto::sha256;

/// What the task is given at its start.
pub(super) struct Task {
    /// Identifies the process.
    pub(super) process: String,
    pub(super) control: Control,
    pub(super) board: Handle,
    /// What the process serves.
    pub(super) serving: Record,
    /// Tells whether this node leads.
    pub(super) fence: watch::Sender<Option<Fence>>,
    pub(super) leading: Leading,
    pub(super) drains: Drains,
    /// Reads how handshakes have ended.
    pub(super) counting: Counting,
    pub(super) watch: Watch,
    /// Where challenges of authorities are answered.
    pub(super) places: Places,
    /// Those who order certificates.
    pub(super) others: Others,
}

/// What is asked of the task.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) fleet: Arc<Fleet>,
    /// How often somebody has asked to try again.
    pub(super) retries: u64,
}

/// What it takes part with. Another one means to begin again.
#[derive(PartialEq)]
struct Means {
    fleet: Arc<Fleet>,
    secrets: Secrets,
    /// Of the files for etcd.
    files: [u8; 32],
}

/// All that can fail before it takes part: then it waits, and tries again.
struct Begun {
    etcd: Etcd,
    state: PathBuf,
    house: Arc<House>,
    /// Who this machine is.
    machine: String,
    means: Means,
}

/// Runs until the sender of `stopped` is dropped.
pub(super) async fn run(mut task: Task, mut plans: watch::Receiver<Plan>, mut stopped: oneshot::Receiver<()>) {
    let mut house = None;
    loop {
        let fleet = Arc::clone(&plans.borrow_and_update().fleet);
        match begin(&mut house, &fleet) {
            Ok(begun) => {
                if !take_part(&mut task, begun, &mut plans, &mut stopped).await {
                    return;
                }
            }
            Err(reason) => {
                note(&task.board, reason);
                tokio::select! {
                    _ = &mut stopped => return,
                    changed = plans.changed() => if changed.is_err() { return },
                    // The process before this one, from which it takes over, has the folder yet.
                    () = sleep(AGAIN) => {}
                }
            }
        }
    }
}

/// Opens what it takes to take part.
fn begin(house: &mut Option<(PathBuf, Arc<House>)>, fleet: &Arc<Fleet>) -> Result<Begun, String> {
    let state = fleet.directory().map_err(|error| error.to_string())?.value.clone();
    let opened = match house.take().filter(|(path, _)| *path == state) {
        Some(same) => same,
        None => {
            let opened = House::open(&state)?;
            (state.clone(), Arc::new(opened))
        }
    };
    let means = Means::read(fleet)?;
    let machine = opened.1.machine()?;
    let etcd = Etcd::new(&fleet.etcd).map_err(|error| error.to_string())?;
    let house = Arc::clone(&house.insert(opened).1);
    Ok(Begun { etcd, state, house, machine, means })
}

/// Takes part until it has to begin again (`true`), or to end.
async fn take_part(
    task: &mut Task,
    Begun { etcd, state, house, machine, means }: Begun,
    plans: &mut watch::Receiver<Plan>,
    stopped: &mut oneshot::Receiver<()>,
) -> bool {
    let fleet = Arc::clone(&means.fleet);
    remember(&house, &state, &task.serving, &means.secrets);
    let identity = Identity { name: fleet.node.clone(), machine, process: task.process.clone() };
    let drained = house.drained(&means.secrets);
    let node = Node::new(Arc::clone(&means.secrets.seal), identity, Some(task.serving.clone()));
    let mut node = node.with_drained(drained.clone());
    let retry = Arc::new(AtomicBool::new(false));
    let mut hands = hands(task, &means, (&etcd, house, &state), (drained, &retry));
    let candidate = Candidate {
        house: Arc::clone(&hands.house),
        seal: Arc::clone(&means.secrets.seal),
        name: fleet.node.clone(),
        board: task.board.clone(),
        fence: &task.fence,
    };
    let mut goes_on = true;
    let stop = async {
        let mut changed = pin!(changed(plans, &means, &retry));
        tokio::select! {
            _ = stopped => goes_on = false,
            is_there = &mut changed => goes_on = is_there,
        }
    };
    let sharing = orders::Means {
        state,
        node: fleet.node.clone(),
        seal: Arc::clone(&means.secrets.seal),
        board: task.board.clone(),
        leading: task.leading.clone(),
        places: task.places.clone(),
        others: &mut task.others,
    };
    let (is_over, over) = oneshot::channel::<()>();
    let (is_over_too, over_too) = oneshot::channel::<()>();
    let node = async {
        drive(&mut node, &etcd, &mut hands, stop).await;
        drop((is_over, is_over_too));
    };
    let share = orders::share(sharing, &etcd, async { drop(over_too.await) });
    tokio::join!(node, leading::stand(candidate, &etcd, over), share);
    (task.serving, task.drains) = (hands.serving.clone(), std::mem::take(&mut hands.drains));
    task.watch = std::mem::take(&mut hands.watch);
    if goes_on {
        hands.let_all_go().await;
    }
    task.board.note(|status| status.connected = false);
    goes_on
}

/// What the node does things with.
fn hands(
    task: &mut Task,
    means: &Means,
    (etcd, house, state): (&Etcd, Arc<House>, &Path),
    (drained, retry): (Drained, &Arc<AtomicBool>),
) -> Own {
    let (spoils, spoiled) = mpsc::unbounded_channel();
    Own {
        state: state.to_owned(),
        house,
        secrets: means.secrets.clone(),
        etcd: etcd.clone(),
        node: means.fleet.node.clone(),
        control: task.control.clone(),
        board: task.board.clone(),
        serving: task.serving.clone(),
        before: None,
        built: BTreeSet::new(),
        spoils,
        spoiled,
        drained,
        drains: std::mem::take(&mut task.drains),
        counting: Arc::clone(&task.counting),
        watch: std::mem::take(&mut task.watch),
        forgetful: None,
        known: (None, None),
        looked: Looked::default(),
        retry: Arc::clone(retry),
    }
}

/// Keeps which release is served. Only now: what a process cannot serve, the next one must not start from.
fn remember(house: &House, state: &Path, serving: &Record, secrets: &Secrets) {
    let kept = kept::record(state, secrets);
    if !kept.is_ok_and(|kept| kept.as_ref() == Some(serving))
        && let Err(reason) = house.serve(serving, secrets)
    {
        tracing::warn!(%reason, "which release is served cannot be kept: the next start does not know it");
    }
}

/// Waits until it has to begin again; `false` where nobody asks any longer.
async fn changed(plans: &mut watch::Receiver<Plan>, means: &Means, retry: &AtomicBool) -> bool {
    let mut retries = plans.borrow().retries;
    loop {
        if plans.changed().await.is_err() {
            return false;
        }
        let plan = plans.borrow_and_update().clone();
        let asked = plan.retries != retries;
        retries = plan.retries;
        if plan.fleet != means.fleet {
            return true;
        }
        // Files are looked at where somebody has asked for that.
        match asked.then(|| Means::read(&plan.fleet)) {
            Some(Ok(now)) if now != *means => return true,
            Some(Err(reason)) => {
                tracing::error!(%reason, "the node goes on with what it has read before");
            }
            Some(Ok(_)) => retry.store(true, Ordering::Relaxed),
            None => {}
        }
    }
}

impl Means {
    fn read(fleet: &Arc<Fleet>) -> Result<Self, String> {
        let secrets = secrets::read(&fleet.secret_file, &fleet.etcd.prefix).map_err(|error| error.to_string())?;
        if secrets.exposed {
            tracing::warn!(
                "{}: {}: every user of this machine can read the fleet's secret (expected mode 0640 or less)",
                fleet.secret_file.path,
                fleet.secret_file.value.display()
            );
        }
        let mut all = Vec::new();
        for file in &fleet.files {
            let read = files::read(&file.value, files::LARGEST_CERTIFICATES);
            let read = read.map_err(|error| file.error(format!("{}: {}", file.value.display(), files::reason(&error))));
            all.extend(sha256(&read.map_err(|error| error.to_string())?.bytes));
        }
        Ok(Self { fleet: Arc::clone(fleet), secrets, files: sha256(&all) })
    }
}

/// Notes why it does not take part; logs it once.
fn note(board: &Handle, reason: String) {
    if board.status().trouble.as_ref() != Some(&reason) {
        tracing::warn!(%reason, "this node does not take part in the fleet yet; what is served goes on");
        board.note(|status| {
            status.connected = false;
            status.trouble = Some(reason.clone());
        });
    }
}

/// How long it waits for the folder.
const AGAIN: Duration = Duration::from_secs(1);
