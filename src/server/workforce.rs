//! The worker threads, on which connections are served. Must not know: what is served.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{self, Handle};
use tokio::sync::watch;

use crate::config::values::Workers;
use crate::gate::Gate;
use crate::tls::crypto;

/// The workers. Each is a thread with a runtime of its own; a connection stays on the worker that serves it first.
pub(super) struct Workforce {
    pub(super) handles: Vec<Handle>,
    /// The gate of each, in the same order.
    pub(super) gates: Vec<Arc<Gate>>,
    threads: Vec<JoinHandle<()>>,
    dismiss: watch::Sender<bool>,
}

impl Workforce {
    pub(super) fn hire(workers: Workers) -> std::io::Result<Self> {
        let count = match workers {
            Workers::Count(count) => count,
            Workers::Auto => thread::available_parallelism().map_or(1, usize::from),
        };
        let (dismiss, dismissed) = watch::channel(false);
        let mut workforce = Self { handles: Vec::new(), gates: Vec::new(), threads: Vec::new(), dismiss };
        for number in 0..count {
            let gate = Arc::<Gate>::default();
            let polled = Arc::clone(&gate);
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .event_interval(TASKS)
                .on_thread_unpark(move || polled.polled())
                .build()?;
            workforce.handles.push(runtime.handle().clone());
            workforce.gates.push(gate);
            let mut dismissed = dismissed.clone();
            workforce.threads.push(thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                crypto::warm_up();
                // A dropped sender also ends the worker.
                let _ = runtime.block_on(dismissed.wait_for(|dismissed| *dismissed));
            })?);
        }
        Ok(workforce)
    }

    /// Cuts every connection, and waits for the threads to end.
    pub(super) fn dismiss(self) {
        // It fails only if every worker has ended already.
        let _ = self.dismiss.send(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker has panicked");
            }
        }
    }
}

/// After so many tasks a worker polls its sockets, even if others are ready. tokio's default is 61; a task of a few dozen
/// microseconds makes that milliseconds.
const TASKS: u32 = 16;
