//! Wires the parts together: workers, sockets, reloads and an orderly end. Must not know: the command line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;
use tokio::runtime::{self, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use crate::admin::Admin;
use crate::config::decode::ConfigError;
use crate::config::validate::Config;
use crate::config::values::Workers;
use crate::observe::access::{AccessLog, Writer};
use crate::observe::metrics::Metrics;
use crate::proxy::listener::{Ids, Shared};
use crate::reload::control::{Command, Control};
use crate::reload::watch::Watch;
use crate::reload::{Origin, Reloader, Report};
use crate::tls::crypto;
use crate::tls::store::Trust;

mod gauges;
mod series;
mod sockets;

use series::Alive;
use sockets::Sockets;

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
}

impl Server {
    /// Builds, binds and starts to accept; warnings go to the log.
    pub fn start(origin: Origin, config: Config) -> Result<Self, StartError> {
        raise_file_limit();
        let (log, writer) =
            AccessLog::open(&config.log.access, config.log.access_format).map_err(StartError::AccessLog)?;
        let metrics = Arc::new(Metrics::new().map_err(StartError::Metrics)?);
        let (counters, lost) = (Arc::clone(&metrics), log.lost());
        let exposition = move |control: &Control| {
            let gauges = gauges::text(control, &lost).unwrap_or_else(|error| format!("# {error}\n"));
            counters.text() + &gauges
        };
        // Before anything is loaded, so that who asks is told that there is nothing yet, rather than not heard.
        let admin =
            Admin::open(&config.admin, Box::new(exposition)).map_err(|error| StartError::Config(vec![error]))?;
        let workers = Workforce::hire(config.runtime.workers).map_err(StartError::Worker)?;
        let (alive, all_ended) = mpsc::channel(1);
        let ids = Arc::new(Ids::new(std::process::id() ^ jiff::Timestamp::now().subsec_nanosecond().unsigned_abs()));
        let (handles, counted) = (workers.handles.clone(), Arc::clone(&metrics));
        let reloader = Reloader::start(origin, config, |current| {
            Sockets::new(handles, Shared { current, log, metrics: counted, ids, told: Arc::default(), alive })
        })
        .map_err(StartError::Config)?;
        let (control, commands) = reloader.control();
        if let Some(admin) = &admin {
            admin.ready(control.clone());
        }
        Ok(Self { reloader, workers, all_ended, writer, metrics, control, commands, admin })
    }

    /// Each listener's name with an address that it listens on; port 0 has become a real one.
    pub fn addresses(&mut self) -> Vec<(Arc<str>, SocketAddr)> {
        self.reloader.sockets().addresses()
    }

    /// A handle to look at the state and to ask for a change of it.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs until a signal ends it: TERM and INT let connections finish, a second one or QUIT does not. HUP, and a change
    /// of any file that was read, reload.
    pub fn run_until_signalled(mut self, signals: Signals) -> Ended {
        let Signals { runtime, mut streams } = signals;
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
        drop(self.reloader);
        self.writer.finish(LOG_PATIENCE);
        ended
    }

    /// Reloads when asked to, until asked for something else.
    async fn run(&mut self, streams: &mut Streams) -> Asked {
        let (nudge, mut nudged) = mpsc::channel(1);
        let mut watch = Watch::new(nudge);
        let mut reread = interval_at(tokio::time::Instant::now() + REREAD, REREAD);
        reread.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // What changes between reading a folder and watching it would go unnoticed: it is read again.
            while watch.follow(self.reloader.folders()) {
                self.reloader.reload(Trust::Stamps, "a file has changed");
            }
            let mut waiting = Vec::new();
            let (trust, why) = tokio::select! {
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
                    other => return other,
                },
                _ = nudged.recv() => {
                    // Several files change together more often than alone.
                    sleep(SETTLE).await;
                    while nudged.try_recv().is_ok() {}
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
                let snapshot = self.control.current.load();
                let alive = Alive::of(&snapshot);
                self.metrics.prune(|labels| alive.has(labels));
            }
            for reply in waiting {
                // Who no longer waits does not want to know.
                let _ = reply.send(Arc::clone(&report));
            }
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

/// The process's signals. From [`Signals::listen`] on they no longer kill it, but wait to be asked for.
#[derive(Debug)]
pub struct Signals {
    runtime: runtime::Runtime,
    streams: Streams,
}

impl Signals {
    pub fn listen() -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let streams = {
            let _inside = runtime.enter();
            Streams {
                term: signal(SignalKind::terminate())?,
                int: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
                hup: signal(SignalKind::hangup())?,
                usr1: signal(SignalKind::user_defined1())?,
            }
        };
        Ok(Self { runtime, streams })
    }
}

#[derive(Debug)]
struct Streams {
    term: Signal,
    int: Signal,
    quit: Signal,
    hup: Signal,
    usr1: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Drain,
    Stop,
    Reload,
    ReopenLogs,
}

impl Streams {
    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::Drain,
            _ = self.int.recv() => Asked::Drain,
            _ = self.quit.recv() => Asked::Stop,
            _ = self.hup.recv() => Asked::Reload,
            _ = self.usr1.recv() => Asked::ReopenLogs,
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

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// How long the access log may take to write its last lines.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// How long a change of files may take before it is looked at.
const SETTLE: Duration = Duration::from_millis(150);

/// How often everything is read again, in case a change was not noticed.
const REREAD: Duration = Duration::from_secs(60);
