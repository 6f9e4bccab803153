//! Keeps what is known of the pools' servers current, on a thread and a runtime of its own, so that neither busy workers
//! nor a reload hold up a health check. Must not know: who uses the pools, how a check is made.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::backend::condition::{Health, State};
use crate::backend::health::Check;
use crate::backend::pool::Pool;
use crate::backend::server::Server;
use crate::net::address::Address;

/// Ends its thread when dropped.
#[derive(Debug)]
pub struct Upkeep {
    /// Only the newest matters, and one comes with each reload.
    pools: Option<UnboundedSender<Vec<Arc<Pool>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    pub fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (pools, coming) = mpsc::unbounded_channel();
        let thread = thread::Builder::new().name("upkeep".into()).spawn(move || runtime.block_on(keep(coming)))?;
        Ok(Self { pools: Some(pools), thread: Some(thread) })
    }

    /// From now on these pools are kept, and no others. Checks that are the same go on as if nothing had happened.
    pub fn follow(&self, pools: &[Arc<Pool>]) {
        if let Some(sender) = &self.pools
            && sender.send(pools.to_vec()).is_err()
        {
            tracing::error!("health checks have ended");
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.pools = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("health checks had panicked");
        }
    }
}

async fn keep(mut coming: UnboundedReceiver<Vec<Arc<Pool>>>) {
    let mut checks = Checks::default();
    while let Some(pools) = coming.recv().await {
        checks.follow(&pools);
    }
}

/// The checks that are being made.
#[derive(Default)]
struct Checks(HashMap<(Arc<str>, Address), Running>);

struct Running {
    server: Arc<Server>,
    check: Arc<Check>,
    _task: Task,
}

/// Ends when dropped.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Checks {
    fn follow(&mut self, pools: &[Arc<Pool>]) {
        let mut before = std::mem::take(&mut self.0);
        for pool in pools {
            for member in &pool.members().list {
                let key = (Arc::clone(pool.name()), member.server.address.clone());
                let running = before.remove(&key).filter(|running| Arc::ptr_eq(&running.server, &member.server));
                match (&pool.check, running) {
                    (Some(check), Some(running)) if check.identity == running.check.identity => {
                        self.0.insert(key, running);
                    }
                    (Some(check), _) => {
                        let running = Running::start(Arc::clone(pool.name()), &member.server, check);
                        self.0.insert(key, running);
                    }
                    // Nobody asks any more: what was said last means nothing.
                    (None, _) => member.server.unchecked(),
                }
            }
        }
    }
}

impl Running {
    fn start(backend: Arc<str>, server: &Arc<Server>, check: &Arc<Check>) -> Self {
        server.check_begins();
        let task = tokio::spawn(check_on(backend, Arc::clone(server), Arc::clone(check)));
        Self { server: Arc::clone(server), check: Arc::clone(check), _task: Task(task.abort_handle()) }
    }
}

/// Checks a server again and again.
async fn check_on(backend: Arc<str>, server: Arc<Server>, check: Arc<Check>) {
    let mut next = Instant::now();
    loop {
        sleep_until(next).await;
        next = Instant::now() + check.interval + by_chance(check.jitter);
        if server.state() == State::Maint {
            continue;
        }
        let result = check.run(&server.address).await;
        let reason = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
        tracing::debug!(%backend, server = %server.address, passed = result.is_ok(), %reason, "checked");
        let before = server.health();
        let judged = server.checked(&result, &check);
        if let Some(left) = judged.expires {
            let days = left / 86_400;
            tracing::warn!(%backend, server = %server.address, days, "the server's certificate expires soon");
        }
        let Some(unsaid) = judged.tell else { continue };
        match (server.health(), before) {
            (Health::Down, _) => {
                tracing::warn!(%backend, server = %server.address, %reason, unsaid, "server is down");
            }
            // That it is as it should be from the beginning is no news.
            (Health::Up, Health::Unknown) => tracing::debug!(%backend, server = %server.address, "server is up"),
            _ => tracing::info!(%backend, server = %server.address, unsaid, "server is up"),
        }
    }
}

fn by_chance(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}
