//! Wires the parts together: workers, sockets, reloads and an orderly end. Must not know: the command line.

use std::sync::Arc;

use sd_notify::NotifyState;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::admin;
use crate::admin::Admin;
use crate::admin::request::token;
use crate::backend::upkeep::Upkeep;
use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::net::address::Address;
use crate::observe::access::log::{AccessLog, Writer};
use crate::observe::metrics::Metrics;
use crate::proxy::listener::{Ids, Shared};
use crate::proxy::workers::Workers as Spread;
use crate::reload::Reloader;
use crate::reload::build::{Origin, Ready};
use crate::reload::control::{Command, Control};
use crate::reload::job::{Job, Lost};
use crate::reload::watch::Watch;

mod descriptors;
mod gauges;
mod handover;
mod run;
mod series;
mod signals;
mod sockets;
mod workforce;

use descriptors::Descriptors;
use handover::{Inherited, Name};
use sockets::Sockets;
use workforce::Workforce;

pub use signals::Signals;

/// Why the program did not start. Nothing is left half-started.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("{}", lines(.0))]
    Config(Vec<ConfigError>),
    #[error("log: access: {0}")]
    AccessLog(std::io::Error),
    #[error("start: {0}")]
    Lost(Lost),
    /// A signal asked for the end of the process before it had started.
    #[error("stopped before it had started")]
    Stopped,
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
    /// Builds, binds and starts to accept; warnings go to the log. As long as it waits for files, `signals` can end it.
    pub fn start(origin: Origin, config: Config, signals: &mut Signals) -> Result<Self, StartError> {
        descriptors::raise_limit();
        let mut inherited = Inherited::receive().map_err(StartError::Handover)?;
        let (settings, token_file) = (config.log.clone(), config.admin.token_file.clone());
        let (log, writer) = reading(signals, move || {
            // The admin server reads it again. Here it can take as long as it takes.
            token_file.as_ref().map(token::read).transpose().map_err(|error| StartError::Config(vec![error]))?;
            AccessLog::open(&settings.access, settings.access_format).map_err(StartError::AccessLog)
        })??;
        let metrics = Arc::new(Metrics::new().map_err(StartError::Metrics)?);
        let exposition = exposition(Arc::clone(&metrics), &log);
        // Before anything is loaded, so that who asks is told that there is nothing yet, rather than not heard.
        let its_socket = config.admin.listen.as_ref().and_then(|listen| inherited.take(&admin_name(&listen.value)));
        let admin = Admin::open(&config.admin, its_socket, descriptors::of_admin(), Box::new(exposition))
            .map_err(|error| StartError::Config(vec![error]))?;
        let workers = Workforce::hire(config.runtime.workers).map_err(StartError::Worker)?;
        let (alive, all_ended) = mpsc::channel(1);
        let ids = Arc::new(Ids::new(std::process::id() ^ jiff::Timestamp::now().subsec_nanosecond().unsigned_abs()));
        let (handles, counted) = (workers.handles.clone(), Arc::clone(&metrics));
        // All that takes descriptors is there before anybody is told that it listens.
        let upkeep = Upkeep::start().map_err(StartError::Worker)?;
        let (nudge, nudged) = mpsc::channel(1);
        let watch = Watch::new(nudge);
        let first = reading(signals, || {
            admin::tidy(&config);
            Ready::first(config)
        })?
        .map_err(StartError::Config)?;
        let mut reloader = Reloader::start(origin, first, |current| {
            let spread = Spread::new(&handles);
            let (warned, room) = (Arc::default(), Arc::default());
            let shared = Shared { current, log, metrics: counted, workers: spread, ids, room, warned, alive };
            let descriptors = Descriptors::new(handles.len());
            Sockets::new(handles, shared, inherited, descriptors)
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
}

/// Does work that waits for files, unless a signal ends it.
fn reading<T: Send + 'static>(
    signals: &mut Signals,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    let mut job = Job::start("start", work).map_err(StartError::Worker)?;
    match signals.wait_for(&mut job) {
        Some(result) => result.map_err(StartError::Lost),
        None => Err(StartError::Stopped),
    }
}

/// systemd, if it waits to be told (`Type=notify`).
fn tell_service_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// The text of the metrics: what has been counted, and how things are.
fn exposition(counters: Arc<Metrics>, log: &AccessLog) -> impl Fn(&Control) -> String + Send + Sync + use<> {
    let lost = log.lost();
    move |control| {
        let gauges = gauges::text(control, &lost).unwrap_or_else(|error| format!("# {error}\n"));
        counters.text() + &gauges
    }
}

fn admin_name(address: &Address) -> Name {
    Name { listener: String::new(), address: address.to_string() }
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
