//! Wires the parts together: sockets, workers, and an orderly end. Must not know: the command line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::config::decode::ConfigError;
use crate::config::validate::Config;
use crate::config::values::Workers;
use crate::net::socket;
use crate::observe::access::{AccessLog, Writer};
use crate::proxy::listener::{self, Ids, Shared};
use crate::snapshot::{Current, Snapshot};
use crate::tls::policy;

/// Why the program did not start. Nothing is left half-started.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("{}", lines(.0))]
    Config(Vec<ConfigError>),
    #[error("listener \"{listener}\": listen: cannot listen on {address}: {error}")]
    Listen { listener: Arc<str>, address: SocketAddr, error: std::io::Error },
    #[error("log: access: {0}")]
    AccessLog(std::io::Error),
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
    /// Each listener's name with an address that it listens on; port 0 has become a real one.
    pub addresses: Vec<(Arc<str>, SocketAddr)>,
    workers: Vec<JoinHandle<()>>,
    stop_accepting: watch::Sender<bool>,
    stop_now: watch::Sender<bool>,
    all_ended: mpsc::Receiver<()>,
    writer: Writer,
    shutdown_timeout: Duration,
}

impl Server {
    /// Builds, binds and starts to accept; warnings go to the log.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        raise_file_limit();
        let built = Snapshot::build(config, jiff::Timestamp::now()).map_err(StartError::Config)?;
        for warning in &built.warnings {
            tracing::warn!("{warning}");
        }
        let sockets = bind(config)?;
        let (log, writer) =
            AccessLog::open(&config.log.access, config.log.access_format).map_err(StartError::AccessLog)?;
        let (alive, all_ended) = mpsc::channel(1);
        let shared = Shared {
            current: Arc::new(Current::new(built.snapshot)),
            log,
            ids: Arc::new(Ids::new(std::process::id() ^ jiff::Timestamp::now().subsec_nanosecond().unsigned_abs())),
            told: Arc::default(),
            alive,
        };
        let (stop_accepting, accepting) = watch::channel(false);
        let (stop_now, stopping) = watch::channel(false);
        let count = match config.runtime.workers {
            Workers::Count(count) => count,
            Workers::Auto => thread::available_parallelism().map_or(1, usize::from),
        };
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let sockets = copies(&sockets).map_err(StartError::Worker)?;
            workers.push(
                worker(number, sockets, shared.clone(), accepting.clone(), stopping.clone())
                    .map_err(StartError::Worker)?,
            );
        }
        let mut addresses = Vec::new();
        for (name, socket) in &sockets {
            let address = socket.local_addr().map_err(StartError::Worker)?;
            tracing::info!(listener = %name, %address, "listening");
            addresses.push((Arc::clone(name), address));
        }
        let shutdown_timeout = config.runtime.shutdown_timeout;
        Ok(Self { addresses, workers, stop_accepting, stop_now, all_ended, writer, shutdown_timeout })
    }

    /// Runs until a signal ends it: TERM and INT let connections finish, a second one or QUIT does not.
    pub fn run_until_signalled(mut self, signals: Signals) -> Ended {
        let Signals { runtime, mut streams } = signals;
        let ended = runtime.block_on(async {
            if streams.next().await == Asked::Stop {
                tracing::info!("stopping now");
                return Ended::Orderly;
            }
            let patience = humantime::format_duration(self.shutdown_timeout);
            tracing::info!(timeout = %patience, "no longer accepting, waiting for connections to end");
            // It fails only if every worker is gone, and then nobody accepts.
            let _ = self.stop_accepting.send(true);
            tokio::select! {
                drained = timeout(self.shutdown_timeout, self.all_ended.recv()) => match drained {
                    Ok(_) => Ended::Orderly,
                    Err(_) => {
                        tracing::warn!("shutdown_timeout has passed, remaining connections are cut");
                        Ended::DeadlinePassed
                    }
                },
                _ = streams.next() => {
                    tracing::info!("signalled again, remaining connections are cut");
                    Ended::Orderly
                }
            }
        });
        self.stop();
        ended
    }

    fn stop(self) {
        let _ = self.stop_accepting.send(true);
        let _ = self.stop_now.send(true);
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker had panicked");
            }
        }
        self.writer.finish(LOG_PATIENCE);
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
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Drain,
    Stop,
}

impl Streams {
    async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                _ = self.term.recv() => return Asked::Drain,
                _ = self.int.recv() => return Asked::Drain,
                _ = self.quit.recv() => return Asked::Stop,
                _ = self.hup.recv() => {
                    tracing::warn!("SIGHUP: this version cannot reload; restart it to apply a changed configuration");
                }
            }
        }
    }
}

type Socket = (Arc<str>, std::net::TcpListener);

fn bind(config: &Config) -> Result<Vec<Socket>, StartError> {
    let mut sockets = Vec::new();
    for listener in &config.listeners {
        for address in &listener.listen {
            let bound = socket::listen(address.value).map_err(|error| StartError::Listen {
                listener: Arc::clone(&listener.name),
                address: address.value,
                error,
            })?;
            sockets.push((Arc::clone(&listener.name), bound));
        }
    }
    Ok(sockets)
}

/// Every worker accepts from the same queue, so that none is lost when a worker is busy or gone.
fn copies(sockets: &[Socket]) -> std::io::Result<Vec<Socket>> {
    sockets.iter().map(|(name, socket)| Ok((Arc::clone(name), socket.try_clone()?))).collect()
}

/// A thread with a runtime of its own: connections stay on the thread that accepted them.
fn worker(
    number: usize,
    sockets: Vec<Socket>,
    shared: Shared,
    accepting: watch::Receiver<bool>,
    mut stopping: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut listeners = Vec::with_capacity(sockets.len());
    {
        let _inside = runtime.enter();
        for (name, socket) in sockets {
            listeners.push((name, tokio::net::TcpListener::from_std(socket)?));
        }
    }
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        policy::warm_up();
        runtime.block_on(async {
            for (name, socket) in listeners {
                tokio::spawn(listener::accept(socket, name, shared.clone(), accepting.clone()));
            }
            drop(shared);
            // The sender gone means the same.
            let _ = stopping.wait_for(|stop| *stop).await;
        });
    })
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
