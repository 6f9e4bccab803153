//! Wires the parts together: workers, sockets, reloads and an orderly end. Must not know: the command line.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use thiserror::Error;
use tokio::runtime::{self, Handle};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use crate::admin::Admin;
use crate::backend::upkeep::Upkeep;
use crate::config::decode::ConfigError;
use crate::config::validate::Config;
use crate::config::values::Workers;
use crate::net::address::Address;
use crate::observe::access::{AccessLog, Writer};
use crate::observe::metrics::Metrics;
use crate::proxy::listener::{Ids, Shared};
use crate::proxy::workers::Workers as Spread;
use crate::reload::control::{Command, Control};
use crate::reload::watch::Watch;
use crate::reload::{Origin, Reloader, Report};
use crate::tls::crypto;
use crate::tls::store::Trust;

mod gauges;
mod handover;
mod series;
mod signals;
mod sockets;

use handover::{Inherited, Name, Successor};
use series::Alive;
use signals::{Asked, Streams};
use sockets::Sockets;

pub use signals::Signals;

/// Why the program did not start. Nothing is left half-started.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("{}", lines(.0))]
    Config(Vec<ConfigError>),
    #[error("log: access: {0}")]
    AccessLog(std::io::Error),
    #[error("metrics: {0}")]
    Metrics(prometheus::Error),
    #[error("cannot start a worker: {0}")]
    Worker(std::io::Error),
    #[error("cannot take over from the process before this one: {0}")]
    Handover(std::io::Error),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every connection came to its own end, or the operator did not want to wait.
    Orderly,
    /// `shutdown_timeout` passed and connections were cut.
    DeadlinePassed,
}

/// A running proxy.
pub struct Server {
    reloader: Reloader<Sockets>,
    workers: Workforce,
    all_ended: mpsc::Receiver<()>,
    writer: Writer,
    metrics: Arc<Metrics>,
    control: Control,
    commands: mpsc::Receiver<Command>,
    admin: Option<Admin>,
    upkeep: Upkeep,
    watch: Watch,
    /// A file has changed.
    nudged: mpsc::Receiver<()>,
    /// The process that is about to take over.
    successor: Option<u32>,
}

impl Server {
    /// Builds, binds and starts to accept; warnings go to the log.
    pub fn start(origin: Origin, config: Config) -> Result<Self, StartError> {
        raise_file_limit();
        let mut inherited = Inherited::receive().map_err(StartError::Handover)?;
        let (log, writer) =
            AccessLog::open(&config.log.access, config.log.access_format).map_err(StartError::AccessLog)?;
        let metrics = Arc::new(Metrics::new().map_err(StartError::Metrics)?);
        let (counters, lost) = (Arc::clone(&metrics), log.lost());
        let exposition = move |control: &Control| {
            let gauges = gauges::text(control, &lost).unwrap_or_else(|error| format!("# {error}\n"));
            counters.text() + &gauges
        };
        // Before anything is loaded, so that who asks is told that there is nothing yet, rather than not heard.
        let its_socket = config.admin.listen.as_ref().and_then(|listen| inherited.take(&admin_name(&listen.value)));
        let admin = Admin::open(&config.admin, its_socket, Box::new(exposition))
            .map_err(|error| StartError::Config(vec![error]))?;
        let workers = Workforce::hire(config.runtime.workers).map_err(StartError::Worker)?;
        let (alive, all_ended) = mpsc::channel(1);
        let ids = Arc::new(Ids::new(std::process::id() ^ jiff::Timestamp::now().subsec_nanosecond().unsigned_abs()));
        let (handles, counted) = (workers.handles.clone(), Arc::clone(&metrics));
        // All that takes descriptors is there before anybody is told that it listens.
        let upkeep = Upkeep::start().map_err(StartError::Worker)?;
        let (nudge, nudged) = mpsc::channel(1);
        let watch = Watch::new(nudge);
        let mut reloader = Reloader::start(origin, config, |current| {
            let spread = Spread::new(&handles);
            let shared = Shared { current, log, metrics: counted, workers: spread, ids, told: Arc::default(), alive };
            Sockets::new(handles, shared, inherited)
        })
        .map_err(StartError::Config)?;
        reloader.sockets().accepting().map_err(StartError::Handover)?;
        admin.iter().for_each(Admin::take_over);
        let (control, commands) = reloader.control();
        upkeep.follow(control.current.load().pools(), &reloader.config().resolver);
        if let Some(admin) = &admin {
            admin.ready(control.clone());
        }
        tell_service_manager(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
        Ok(Self {
            reloader,
            workers,
            all_ended,
            writer,
            metrics,
            control,
            commands,
            admin,
            upkeep,
            watch,
            nudged,
            successor: None,
        })
    }

    /// Each listener's name with an address that it listens on; port 0 has become a real one.
    pub fn addresses(&mut self) -> Vec<(Arc<str>, Address)> {
        self.reloader.sockets().addresses()
    }

    /// A handle to look at the state and to ask for a change of it.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs until a signal ends it: TERM and INT let connections finish, a second one or QUIT does not. HUP, and a change
    /// of any file that was read, reload.
    pub fn run_until_signalled(mut self, signals: Signals) -> Ended {
        let (runtime, mut streams) = signals.into_parts();
        let ended = runtime.block_on(async {
            match self.run(&mut streams).await {
                Asked::Stop => {
                    tracing::info!("stopping now");
                    Ended::Orderly
                }
                _ => self.drain(&mut streams).await,
            }
        });
        self.refuse_commands();
        self.reloader.sockets().close();
        self.workers.dismiss();
        drop(self.admin);
        drop(self.upkeep);
        drop(self.reloader);
        self.writer.finish(LOG_PATIENCE);
        ended
    }

    /// Reloads when asked to, until asked for something else.
    async fn run(&mut self, streams: &mut Streams) -> Asked {
        let mut moved = self.upkeep.moved();
        let (taken_over, mut successors) = mpsc::channel(1);
        let mut reread = interval_at(tokio::time::Instant::now() + REREAD, REREAD);
        reread.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // What changes between reading a folder and watching it would go unnoticed: it is read again.
            while self.watch.follow(self.reloader.folders()) {
                self.reloader.reload(Trust::Stamps, "a file has changed");
            }
            self.upkeep.follow(self.control.current.load().pools(), &self.reloader.config().resolver);
            let mut waiting = Vec::new();
            let (trust, why) = tokio::select! {
                // It ends only with the process.
                Ok(()) = moved.changed() => {
                    self.forget_what_is_gone();
                    continue;
                }
                Some(command) = self.commands.recv() => match command {
                    Command::Drain => return Asked::Drain,
                    Command::Reload(reply) => {
                        waiting.push(reply);
                        (Trust::Bytes, "asked to")
                    }
                },
                asked = streams.next() => match asked {
                    Asked::Reload => (Trust::Bytes, "SIGHUP"),
                    Asked::ReopenLogs => {
                        self.reloader.sockets().reopen_log();
                        continue;
                    }
                    Asked::Upgrade => {
                        self.upgrade(taken_over.clone());
                        continue;
                    }
                    other => return other,
                },
                Some(taken_over) = successors.recv() => match taken_over {
                    Ok(pid) => {
                        tracing::info!(pid, "another process has taken over");
                        self.reloader.sockets().hand_over();
                        if let Some(admin) = self.admin.take() {
                            admin.hand_over();
                        }
                        return Asked::Drain;
                    }
                    Err(error) => {
                        tracing::error!("nobody has taken over, everything stays as it is: {error}");
                        self.successor = None;
                        continue;
                    }
                },
                _ = self.nudged.recv() => {
                    // Several files change together more often than alone.
                    sleep(SETTLE).await;
                    while self.nudged.try_recv().is_ok() {}
                    (Trust::Stamps, "a file has changed")
                }
                _ = reread.tick() => (Trust::Bytes, "read again"),
            };
            // Who asked meanwhile is answered by the same reload.
            while let Ok(command) = self.commands.try_recv() {
                match command {
                    Command::Drain => return Asked::Drain,
                    Command::Reload(reply) => waiting.push(reply),
                }
            }
            let report = Arc::new(self.reloader.reload(trust, why));
            if matches!(&*report, Report::Swapped(changes) if !changes.is_empty()) {
                self.forget_what_is_gone();
            }
            for reply in waiting {
                // Who no longer waits does not want to know.
                let _ = reply.send(Arc::clone(&report));
            }
        }
    }

    /// Ends the series of what is no longer there.
    fn forget_what_is_gone(&self) {
        let snapshot = self.control.current.load();
        let alive = Alive::of(&snapshot);
        self.metrics.prune(|labels| alive.has(labels));
    }

    /// Starts this program's new version with the sockets of this process, and tells `taken_over` what came of it.
    fn upgrade(&mut self, taken_over: mpsc::Sender<Result<u32, String>>) {
        if let Some(pid) = self.successor {
            tracing::warn!(pid, "another process is about to take over already");
            return;
        }
        let admin_name = self.reloader.config().admin.listen.as_ref().map(|listen| admin_name(&listen.value));
        let mut sockets = self.reloader.sockets().to_hand_over();
        sockets.extend(admin_name.zip(self.admin.as_ref().map(Admin::socket)));
        let started = Successor::start(&sockets).and_then(|successor| {
            let pid = successor.id();
            let wait = move || drop(taken_over.blocking_send(successor.wait_until_ready()));
            thread::Builder::new().name("handover".into()).spawn(wait)?;
            Ok(pid)
        });
        match started {
            Ok(pid) => {
                tracing::info!(pid, "starting another process to take over");
                self.successor = Some(pid);
            }
            Err(error) => tracing::error!(%error, "no other process can be started, everything stays as it is"),
        }
    }

    /// Who waits for an answer, and who asks from now on, is told that there will be none.
    fn refuse_commands(&mut self) {
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
    }

    /// Accepts no more and waits for the connections that there are.
    async fn drain(&mut self, streams: &mut Streams) -> Ended {
        let patience = self.reloader.config().runtime.shutdown_timeout;
        let shown = humantime::format_duration(patience);
        tracing::info!(timeout = %shown, "no longer accepting, waiting for connections to end");
        self.reloader.draining();
        if self.successor.is_none() {
            tell_service_manager(&[NotifyState::Stopping]);
        }
        self.reloader.sockets().close();
        self.refuse_commands();
        let all_ended = timeout(patience, self.all_ended.recv());
        tokio::pin!(all_ended);
        loop {
            tokio::select! {
                drained = &mut all_ended => {
                    if drained.is_ok() {
                        return Ended::Orderly;
                    }
                    tracing::warn!("shutdown_timeout has passed, remaining connections are cut");
                    return Ended::DeadlinePassed;
                }
                asked = streams.next() => if matches!(asked, Asked::Drain | Asked::Stop) {
                    tracing::info!("signalled again, remaining connections are cut");
                    return Ended::Orderly;
                }
            }
        }
    }
}

/// The workers: each a thread with a runtime of its own, on which the connections that it accepted stay.
struct Workforce {
    handles: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    dismiss: watch::Sender<bool>,
}

impl Workforce {
    fn hire(workers: Workers) -> std::io::Result<Self> {
        let count = match workers {
            Workers::Count(count) => count,
            Workers::Auto => thread::available_parallelism().map_or(1, usize::from),
        };
        let (dismiss, dismissed) = watch::channel(false);
        let mut workforce = Self { handles: Vec::new(), threads: Vec::new(), dismiss };
        for number in 0..count {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            workforce.handles.push(runtime.handle().clone());
            let mut dismissed = dismissed.clone();
            workforce.threads.push(thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                crypto::warm_up();
                // That the sender is gone means the same.
                let _ = runtime.block_on(dismissed.wait_for(|dismissed| *dismissed));
            })?);
        }
        Ok(workforce)
    }

    /// Cuts every connection and waits for the threads.
    fn dismiss(self) {
        // It fails only if no worker listens any more.
        let _ = self.dismiss.send(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker had panicked");
            }
        }
    }
}

/// Raises the soft limit of open files to the hard one: each connection takes two.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        tracing::info!(limit = limit.current, "open file limit is as high as it may be");
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::info!(from = limit.current, to = limit.maximum, "open file limit raised"),
        Err(error) => tracing::warn!(limit = limit.current, %error, "the open file limit cannot be raised"),
    }
}

/// systemd, if it waits to be told (`Type=notify`).
fn tell_service_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

fn admin_name(address: &Address) -> Name {
    Name { listener: String::new(), address: address.to_string() }
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// How long the access log may take to write its last lines.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// How long a change of files may take before it is looked at.
const SETTLE: Duration = Duration::from_millis(150);

/// How often everything is read again, in case a change was not noticed.
const REREAD: Duration = Duration::from_secs(60);
