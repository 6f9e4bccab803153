//! This process as a node of a fleet: takes what is published, and answers whether it can serve it. Its own thread and runtime,
//! so that neither the data path nor a reload waits for etcd. Must not know: who shows the state, how a release is built.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use tokio::runtime;
use tokio::sync::{oneshot, watch};

use crate::acme::share::Others;
use crate::background;
use crate::config::validate::fleet::Fleet;
use crate::fleet::record::Record;
use crate::reload::control::Control;

pub mod canary;
mod drains;
mod hands;
pub mod kept;
pub mod leading;
pub mod orders;
pub mod releases;
mod run;
pub mod secrets;
mod shelf;
pub mod start;
pub mod status;

use canary::Counting;
use drains::Drains;
use leading::Leading;
use orders::Places;
use run::{Plan, Task};
use status::{Counts, Handle, Status};

/// What a process takes part with.
#[derive(Debug, Clone)]
pub struct Joining {
    pub fleet: Arc<Fleet>,
    /// What it serves from its start on.
    pub record: Record,
}

/// Takes part until it is dropped.
#[derive(Debug)]
pub struct Member {
    plans: watch::Sender<Plan>,
    board: Handle,
    leading: Leading,
    /// The thread ends when this is dropped.
    running: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    /// Starts the thread. An error where the system has no thread or descriptor left.
    pub fn start(
        Joining { fleet, record }: Joining,
        control: Control,
        (places, others, counting): (Places, Others, Counting),
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let board = Handle::new(Status {
            node: fleet.node.clone(),
            etcd: fleet.etcd.endpoints.clone(),
            prefix: fleet.etcd.prefix.clone(),
            connected: false,
            etcd_trouble: None,
            leader: None,
            leader_trouble: None,
            trouble: None,
            release: record.clone(),
            since: Timestamp::now(),
            counts: Counts::default(),
            refused: None,
        });
        let (plans, coming) = watch::channel(Plan { fleet, retries: 0 });
        let (running, stopped) = oneshot::channel();
        let (fence, leading) = leading::channel();
        let process = kept::id().ok_or_else(|| io::Error::other("the system provides no random bytes"))?;
        let task = Task {
            process,
            control,
            board: board.clone(),
            serving: record,
            fence,
            leading: leading.clone(),
            drains: Drains::default(),
            counting,
            watch: canary::Watch::default(),
            places,
            others,
        };
        let take_part = move || {
            // What is fetched is opened and proved, and clients must not wait for it.
            background::step_back();
            runtime.block_on(run::run(task, coming, stopped));
            // A disk may not answer, and nobody needs its answer.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("fleet".into()).spawn(take_part)?;
        Ok(Self { plans, board, leading, running: Some(running), thread: Some(thread) })
    }

    /// From now on these settings count.
    pub fn follow(&self, fleet: &Arc<Fleet>) {
        self.plans.send_if_modified(|plan| {
            let differs = plan.fleet != *fleet;
            plan.fleet = Arc::clone(fleet);
            differs
        });
        self.board.note(|status| {
            status.node.clone_from(&fleet.node);
            status.etcd.clone_from(&fleet.etcd.endpoints);
            status.prefix.clone_from(&fleet.etcd.prefix);
        });
    }

    /// Somebody has asked for it: what has failed is tried again, and files are looked at.
    pub fn retry(&self) {
        self.plans.send_modify(|plan| plan.retries += 1);
    }

    /// For those who do what only the leader does.
    pub fn leading(&self) -> Leading {
        self.leading.clone()
    }

    /// For those who show the state.
    pub fn handle(&self) -> Handle {
        self.board.clone()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that takes part in the fleet has panicked");
        }
    }
}
