//! Runs the look-ups and health checks of all pools, on a thread and a runtime of its own, so that neither busy workers nor
//! a reload delay a check. Must not know: who uses the pools, how a check is made.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::backend::condition::{Health, State};
use crate::backend::discover::settings::Settings;
use crate::backend::discover::system::System;
use crate::backend::discover::{self, Source};
use crate::backend::health::check::Check;
use crate::backend::lookup::Lookup;
use crate::backend::pool::Pool;
use crate::backend::server::Server;
use crate::backend::verdict::LogLimit;
use crate::net::address::Address;

/// The running look-ups and checks. Dropping it ends their thread.
#[derive(Debug)]
pub struct Upkeep {
    /// Unbounded, since there is only one order for each reload.
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
    moved: watch::Receiver<()>,
}

/// The pools to look after.
struct Order {
    pools: Vec<Arc<Pool>>,
    resolver: Arc<Settings>,
}

impl Upkeep {
    /// Starts the thread, with nothing to do. An error where the system has no thread or descriptor left.
    pub fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (orders, coming) = mpsc::unbounded_channel();
        let (moves, moved) = watch::channel(());
        let kept = move || runtime.block_on(keep(coming, moves));
        let thread = thread::Builder::new().name("upkeep".into()).spawn(kept)?;
        Ok(Self { orders: Some(orders), thread: Some(thread), moved })
    }

    /// Looks after these pools from now on, and no others. Checks and look-ups that are the same as before continue without
    /// a break.
    pub fn follow(&self, pools: &[Arc<Pool>], resolver: &Arc<Settings>) {
        let order = Order { pools: pools.to_vec(), resolver: Arc::clone(resolver) };
        if let Some(orders) = &self.orders
            && orders.send(order).is_err()
        {
            tracing::error!("health checks and look-ups have ended");
        }
    }

    /// Changes whenever look-ups have added or removed servers.
    pub fn moved(&self) -> watch::Receiver<()> {
        self.moved.clone()
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        // The thread ends when the channel is closed.
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("health checks and look-ups have panicked");
        }
    }
}

async fn keep(mut orders: UnboundedReceiver<Order>, moves: watch::Sender<()>) {
    let (news, mut learned) = mpsc::channel(QUEUED);
    let (mut checks, mut lookups) = (
        Checks { running: HashMap::new(), start: Instant::now() },
        Lookups { running: HashMap::new(), news, system: Arc::default() },
    );
    let mut pools: HashMap<Arc<str>, Arc<Pool>> = HashMap::new();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(order) = order else { return };
                lookups.follow(&order.pools, &order.resolver);
                pools = order.pools.into_iter().map(|pool| (Arc::clone(pool.name()), pool)).collect();
                // Look-ups may have found servers that the new pools do not have yet.
                if pools.values().filter(|pool| pool.renew()).count() > 0 {
                    moves.send_replace(());
                }
                checks.follow(&pools);
            }
            // It cannot end: `lookups` keeps a sender.
            Some(backend) = learned.recv() => {
                if let Some(pool) = pools.get(&backend).filter(|pool| pool.renew()) {
                    moves.send_replace(());
                    checks.follow_one(pool);
                }
            }
        }
    }
}

/// The running look-ups.
struct Lookups {
    running: HashMap<(Arc<str>, Source), (Arc<Settings>, Arc<Lookup>, Task)>,
    /// Sends the names of backends whose servers have changed.
    news: mpsc::Sender<Arc<str>>,
    /// The system's files for resolving names.
    system: Arc<System>,
}

impl Lookups {
    fn follow(&mut self, pools: &[Arc<Pool>], resolver: &Arc<Settings>) {
        let mut before = std::mem::take(&mut self.running);
        for pool in pools {
            for lookup in &pool.lookups {
                let key = (Arc::clone(pool.name()), lookup.source.clone());
                let same = before.remove(&key).filter(|same| same.0 == *resolver && Arc::ptr_eq(&same.1, lookup));
                let running = same.unwrap_or_else(|| {
                    let backend = Arc::clone(pool.name());
                    let by = (Arc::clone(resolver), Arc::clone(&self.system));
                    let asking = look_up_again(backend, Arc::clone(lookup), by, self.news.clone());
                    let task = Task(tokio::spawn(asking).abort_handle());
                    (Arc::clone(resolver), Arc::clone(lookup), task)
                });
                self.running.insert(key, running);
            }
        }
    }
}

/// Looks up a source whenever its answer expires.
async fn look_up_again(
    backend: Arc<str>,
    lookup: Arc<Lookup>,
    (settings, system): (Arc<Settings>, Arc<System>),
    news: mpsc::Sender<Arc<str>>,
) {
    let (mut limit, mut pause) = (LogLimit::default(), settings.min_ttl);
    let mut without_port = Vec::new();
    loop {
        let before = lookup.found();
        let result = discover::look_up(&lookup.source, &settings, &system, &before).await;
        let had_trouble = lookup.trouble().is_some();
        let good = match result {
            Ok(answer) => {
                pause = settings.min_ttl;
                // One warning for each set of targets.
                if answer.without_port != without_port && !answer.without_port.is_empty() {
                    let (source, targets) = (&lookup.source, answer.without_port.join(", "));
                    tracing::warn!(%backend, %source, %targets, "SRV records with port 0 are ignored");
                }
                without_port = answer.without_port;
                let different = lookup.learn(Ok(answer.servers));
                if (different || had_trouble)
                    && let Some(unsaid) = limit.change(Instant::now().into_std())
                {
                    let (source, servers) = (&lookup.source, lookup.found().len());
                    tracing::info!(%backend, %source, servers, unsaid, "servers found");
                }
                // The receiver ends only with this task.
                if different && news.send(Arc::clone(&backend)).await.is_err() {
                    return;
                }
                answer.ttl
            }
            Err(reason) => {
                lookup.learn(Err(reason.clone()));
                if !had_trouble && let Some(unsaid) = limit.change(Instant::now().into_std()) {
                    let (source, servers) = (&lookup.source, before.len());
                    tracing::warn!(%backend, %source, servers, %reason, unsaid, "cannot be looked up, the servers found before stay in use");
                }
                pause = (pause * 2).min(settings.max_ttl);
                pause
            }
        };
        sleep_until(Instant::now() + good).await;
    }
}

/// The running checks.
struct Checks {
    /// By backend, and by address of the server.
    running: HashMap<Arc<str>, HashMap<Address, Running>>,
    /// From where the beats of [`on_the_beat`] are counted.
    start: Instant,
}

struct Running {
    server: Arc<Server>,
    check: Arc<Check>,
    _task: Task,
}

/// A task that is aborted when this is dropped.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Checks {
    fn follow(&mut self, pools: &HashMap<Arc<str>, Arc<Pool>>) {
        self.running.retain(|backend, _| pools.contains_key(backend));
        pools.values().for_each(|pool| self.follow_one(pool));
    }

    /// Starts and ends the checks of one backend's servers.
    fn follow_one(&mut self, pool: &Pool) {
        let mut before = self.running.remove(pool.name()).unwrap_or_default();
        let mut now = HashMap::new();
        for member in &pool.members().list {
            let address = &member.server.address;
            let running = before.remove(address).filter(|running| Arc::ptr_eq(&running.server, &member.server));
            let running = match (&pool.check, running) {
                (Some(check), Some(running)) if *check == running.check => running,
                (Some(check), _) => Running::start(Arc::clone(pool.name()), &member.server, check, self.start),
                // Without checks, a server that was down would stay down for ever.
                (None, _) => {
                    member.server.unchecked();
                    continue;
                }
            };
            now.insert(address.clone(), running);
        }
        self.running.insert(Arc::clone(pool.name()), now);
    }
}

impl Running {
    fn start(backend: Arc<str>, server: &Arc<Server>, check: &Arc<Check>, beats: Instant) -> Self {
        server.check_begins();
        let task = tokio::spawn(check_on(backend, Arc::clone(server), Arc::clone(check), beats));
        Self { server: Arc::clone(server), check: Arc::clone(check), _task: Task(task.abort_handle()) }
    }
}

/// Checks a server at each interval.
async fn check_on(backend: Arc<str>, server: Arc<Server>, check: Arc<Check>, beats: Instant) {
    let mut next = Instant::now();
    // The first checks of all servers are at the same time. A random first pause spreads the following ones.
    let mut pause = at_most(check.interval);
    loop {
        sleep_until(next).await;
        next = on_the_beat(Instant::now() + pause + at_most(check.jitter), beats, check.interval / BEATS);
        pause = check.interval;
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
        let Some(unsaid) = judged.log else { continue };
        match (server.health(), before) {
            (Health::Down, _) => {
                tracing::warn!(%backend, server = %server.address, %reason, unsaid, "server is down");
            }
            // At debug level: it is normal that a server is up at the start.
            (Health::Up, Health::Unknown) => tracing::debug!(%backend, server = %server.address, "server is up"),
            _ => tracing::info!(%backend, server = %server.address, unsaid, "server is up"),
        }
    }
}

/// A random time up to `most`.
fn at_most(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}

/// The next beat at or after `wanted`.
// Checks that begin at the same beat wake this thread once. Waking it for each check would cost up to twice as much.
fn on_the_beat(wanted: Instant, start: Instant, beat: Duration) -> Instant {
    let since = wanted.saturating_duration_since(start).as_nanos();
    let left = match since % beat.as_nanos().max(1) {
        0 => 0,
        over => beat.as_nanos() - over,
    };
    wanted + Duration::from_nanos(u64::try_from(left).unwrap_or(0))
}

/// The number of beats in an interval: enough to spread the checks over it.
const BEATS: u32 = 20;

/// How many changed backends may wait to be handled. After that, look-ups wait.
const QUEUED: usize = 64;

#[cfg(test)]
mod tests;
