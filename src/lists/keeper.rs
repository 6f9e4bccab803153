//! Keeps lists: its own thread and runtime, so that neither the data path nor a reload waits for a server of lists. Must not
//! know: who is judged by them, who shows the status.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use crate::acme::clock::Clock;
use crate::background;
use crate::lists::settings::Settings;
use crate::lists::status::Status;
use crate::tls::trust::lists::seen::Seen;

mod house;
mod one;
mod run;

use run::{Plan, Tools};

/// Fetches at the same time: each needs a connection and looks up a name.
pub const MOST_AT_ONCE: usize = run::MOST_AT_ONCE;

/// Keeps lists until it is dropped.
#[derive(Debug)]
pub struct Keeper {
    plans: mpsc::UnboundedSender<Plan>,
    board: Arc<ArcSwap<Status>>,
    /// The thread ends when this is dropped.
    running: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// For those who show the status.
#[derive(Debug, Clone)]
pub struct Handle(Arc<ArcSwap<Status>>);

impl Handle {
    /// What is known now.
    pub fn status(&self) -> Arc<Status> {
        self.0.load_full()
    }
}

impl Keeper {
    /// Starts the thread, with nothing to keep. Each new list is signalled through `nudge`; where its queue is full, the
    /// signals in it are enough. An error where the system has no thread or descriptor left.
    pub fn start(seen: Arc<Seen>, nudge: mpsc::Sender<()>) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (plans, coming) = mpsc::unbounded_channel();
        let (running, stopped) = oneshot::channel();
        let board = Arc::new(ArcSwap::from_pointee(Status::default()));
        let tools = Tools { seen, nudge, clock: Clock::default(), board: Arc::clone(&board) };
        let keep = move || {
            // Signatures take the processor's time, and clients must not wait for it.
            background::step_back();
            runtime.block_on(run::run(tools, coming, stopped));
            // A look-up of a name may still run, and nobody needs its result.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("lists".into()).spawn(keep)?;
        Ok(Self { plans, board, running: Some(running), thread: Some(thread) })
    }

    /// Keeps these lists from now on, and no others. It looks at the files of the CAs again, too.
    pub fn follow(&self, settings: Arc<Settings>) {
        // The thread ends before this only if it panics, which is logged at the end.
        let _ = self.plans.send(Plan::Follow(settings));
    }

    /// Fetches at once what has failed: somebody has asked for it.
    pub fn retry(&self) {
        let _ = self.plans.send(Plan::Retry);
    }

    /// For those who show the status.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.board))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of lists of revoked certificates has panicked");
        }
    }
}
