//! Starts a server: wires workers, sockets, the admin server and reloads together. Must not know: the command line.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::acme::keeper::Keeper;
use crate::acme::responder::Tokens;
use crate::acme::share::{self, Others, Share};
use crate::admin;
use crate::admin::request::token;
use crate::admin::{Admin, Counted, Keepers, Purpose};
use crate::backend::upkeep::Upkeep;
use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::gate::Gate;
use crate::lists::keeper::Keeper as ListKeeper;
use crate::live::registry::Registry;
use crate::member::canary::Counting;
use crate::member::orders::Places;
use crate::member::{Joining, Member};
use crate::monitor::{self, Monitor};
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::observe::access::log::{AccessLog, Writer};
use crate::observe::metrics::Metrics;
use crate::pressure::Pressure;
use crate::proxy::heartbeat::Heartbeats;
use crate::proxy::listener::{Ids, Shared};
use crate::proxy::workers::Workers as Spread;
use crate::reload::Reloader;
use crate::reload::build::{Origin, Ready};
use crate::reload::control::{Command, Control};
use crate::reload::job::{Job, Lost};
use crate::reload::watch::Watch;
use crate::review::Review;
use crate::sandbox::plan::Plan;
use crate::snapshot::{Current, Snapshot};

mod activated;
mod bounds;
mod descriptors;
mod draining;
mod fleet;
mod gauges;
mod governor;
mod handover;
mod info;
mod notify;
mod operated;
mod question;
mod releases;
mod revocation;
mod run;
mod series;
mod signals;
mod sockets;
mod wanted;
mod watchdog;
mod workforce;

pub use activated::Activated;
use descriptors::Descriptors;
use governor::Governor;
use handover::{Begun, Inherited, Name};
use sockets::Sockets;
use watchdog::{Planned, Watchdog};
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
    #[error("stopped before the start was complete")]
    Stopped,
    #[error("socket activation: {0}")]
    Activated(#[from] activated::Error),
    #[error("metrics: {0}")]
    Metrics(prometheus::Error),
    #[error("cannot start a worker: {0}")]
    Worker(std::io::Error),
    #[error("cannot take over from the process before this one: {0}")]
    Handover(std::io::Error),
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every connection ended by itself, or a second signal asked not to wait for them.
    Orderly,
    /// `shutdown_timeout` passed, and the remaining connections were cut.
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
    governor: Governor,
    review: Review,
    /// `None` after it has been given up.
    keeper: Option<Keeper>,
    /// The same.
    lists: Option<ListKeeper>,
    /// The same; `None` also where it is not a node of a fleet.
    member: Option<Member>,
    /// Ends the keeper that has been given up.
    giving_up: Option<JoinHandle<()>>,
    watch: Watch,
    /// Receives when a watched file has changed.
    nudged: mpsc::Receiver<()>,
    succession: Succession,
    monitor: Option<Monitor>,
    status: notify::Status,
    /// `None` where the service manager expects nothing, or expects it of another process.
    watchdog: Option<Watchdog>,
}

/// Whether another process continues.
#[derive(Debug)]
enum Succession {
    None,
    /// It is about to take over, or to fail.
    Begun(Begun),
    TakenOver,
}

impl Server {
    /// Builds, binds and starts to accept; warnings go to the log. While it reads files, `signals` can stop it. `monitor` binds
    /// addresses and starts programs; without one, this process does it. `joining` is for a node of a fleet.
    pub fn start(
        origin: Origin,
        config: Config,
        joining: Option<Joining>,
        (monitor, activated, confined): (Option<Monitor>, Activated, Option<Arc<Plan>>),
        signals: &mut Signals,
    ) -> Result<Self, StartError> {
        let Opened { mut inherited, activated, log, writer, metrics, workers, planned, heartbeats, pressure, live } =
            Opened::new(&config, activated, signals)?;
        let counted = counted(&metrics, workers.gates.clone(), Arc::clone(&pressure), &log);
        // Opened before certificates are loaded: a health check that comes early is answered "not ready" instead of
        // refused.
        let admin = open_admin(&config, (&mut inherited, &activated), monitor.as_ref(), counted)?;
        let ((alive, all_ended), (nudge, nudged)) = (mpsc::channel(1), mpsc::channel(1));
        // Opened before `Descriptors::new` counts the descriptors that this process has open.
        let upkeep = Upkeep::start().map_err(StartError::Worker)?;
        let watch = Watch::new(nudge.clone());
        let (first, tokens) = (reading(signals, || tidied(config))?.map_err(StartError::Config)?, Tokens::default());
        let places = Places { challenges: Arc::clone(first.built.snapshot.challenges()), tokens: tokens.clone() };
        let (share, others) = joining.as_ref().map(|_| share::pair()).unzip();
        let kept = keepers(&first.built.snapshot, tokens.clone(), (monitor.clone(), share), nudge);
        let (keeper, lists) = kept.map_err(StartError::Worker)?;
        // As late as possible: from then on until this process has taken over, the one before it refuses such changes.
        inherited.ask().into_iter().for_each(|answer| operated::take_over(answer, &first.built.snapshot));
        let mut reloader = Reloader::start(origin, first, |current| {
            let (counted, pressure) = (Arc::clone(&metrics), Arc::clone(&pressure));
            let shared = shared(current, &workers, (log, counted, pressure), (heartbeats, Arc::clone(&live)), alive);
            let (handles, inherited) = (workers.handles.clone(), (inherited, activated));
            Sockets::new(handles, shared, inherited, Descriptors::new(workers.handles.len()), tokens, monitor.clone())
        })
        .map_err(StartError::Config)?
        .confined(confined);
        let parts = (admin.as_ref(), &upkeep, (&keeper, &lists), workers.handles.clone(), (pressure, live));
        let sharing = others.map(|others| (places, others, fleet::counting(&metrics)));
        let (control, commands, beside) = serving(&mut reloader, parts, (joining.zip(sharing), planned))?;
        let Beside { governor, review, member, watchdog } = beside;
        let status = notify::Status::ready(control.status.borrow().addresses.len());
        tracing::info!(pid = std::process::id(), "ready");
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
            governor,
            review,
            keeper: Some(keeper),
            lists: Some(lists),
            member,
            giving_up: None,
            watch,
            nudged,
            succession: Succession::None,
            monitor,
            status,
            watchdog,
        })
    }

    /// Each listener's name with an address on which it listens, with the real port where port 0 is configured.
    pub fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        self.control.status.borrow().addresses.to_vec()
    }

    /// A handle that reads the state and requests reloads and the drain.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

/// What is there before anything is read but the configuration.
struct Opened {
    inherited: Inherited,
    activated: Activated,
    log: AccessLog,
    writer: Writer,
    metrics: Arc<Metrics>,
    workers: Workforce,
    planned: Option<Planned>,
    heartbeats: Heartbeats,
    pressure: Arc<Pressure>,
    live: Arc<Registry>,
}

impl Opened {
    fn new(config: &Config, activated: Activated, signals: &mut Signals) -> Result<Self, StartError> {
        // First: every limit below is computed from the open file limit.
        descriptors::raise_limit();
        let mut inherited = Inherited::receive().map_err(StartError::Handover)?;
        let activated = activated.or_inherited(&mut inherited).map_err(StartError::Handover)?;
        let opened = config.clone();
        let (log, writer) = reading(signals, move || open_log(&opened))??;
        let metrics = Arc::new(Metrics::new().map_err(StartError::Metrics)?);
        let workers = Workforce::hire(config.runtime.workers).map_err(StartError::Worker)?;
        let (planned, heartbeats) = Planned::read();
        watchdog::answer_on(&workers.handles, &heartbeats);
        let pressure = Arc::default();
        // Every start gets another number, so that connection ids do not repeat in a log that outlives the process.
        let run = std::process::id() ^ jiff::Timestamp::now().subsec_nanosecond().unsigned_abs();
        let live = Arc::new(Registry::new(run, workers.handles.len()));
        Ok(Self { inherited, activated, log, writer, metrics, workers, planned, heartbeats, pressure, live })
    }
}

/// They order and fetch nothing before they are told what is kept, which is when this process accepts.
fn keepers(
    snapshot: &Snapshot,
    tokens: Tokens,
    (monitor, share): (Option<Monitor>, Option<Share>),
    nudge: mpsc::Sender<()>,
) -> io::Result<(Keeper, ListKeeper)> {
    let keeper = Keeper::start(Arc::clone(snapshot.challenges()), tokens, monitor, share)?;
    Ok((keeper, ListKeeper::start(Arc::clone(snapshot.seen()), nudge)?))
}

/// From now on this process serves what it has read, and shows it.
fn serving(
    reloader: &mut Reloader<Sockets>,
    (admin, upkeep, (keeper, lists), workers, (pressure, live)): Parts<'_>,
    (joining, planned): (Option<(Joining, (Places, Others, Counting))>, Option<Planned>),
) -> Result<(Control, mpsc::Receiver<Command>, Beside), StartError> {
    let (control, commands) = reloader.control();
    let (current, setting) = (Arc::clone(&control.current), reloader.config().bounds.memory);
    let review = Review::start(Arc::clone(&current), Arc::clone(&live)).map_err(StartError::Worker)?;
    let governor = Governor::start(Arc::clone(&pressure), current, workers, setting).map_err(StartError::Worker)?;
    let member = joining.map(|(joining, sharing)| Member::start(joining, control.clone(), sharing)).transpose();
    let member = member.map_err(StartError::Worker)?;
    let watchdog = planned.map(Planned::begin).transpose().map_err(StartError::Worker)?;
    // The predecessor serves until it receives this: after any error above, it simply goes on. Nothing below can fail, since it
    // ends then.
    reloader.sockets().accepting().map_err(StartError::Handover)?;
    upkeep.follow(control.current.load().pools(), &reloader.config().resolver);
    follow((keeper, lists), reloader.config());
    if let Some(admin) = admin {
        admin.take_over();
        let fleet = member.as_ref().map(Member::handle);
        let keepers = Keepers { acme: keeper.handle(), lists: lists.handle(), fleet };
        admin.ready(control.clone(), keepers, pressure, live);
    }
    Ok((control, commands, Beside { governor, review, member, watchdog }))
}

/// Threads that run beside those who serve.
struct Beside {
    governor: Governor,
    review: Review,
    member: Option<Member>,
    watchdog: Option<Watchdog>,
}

/// What serves beside the listeners, and what it looks at.
type Parts<'a> =
    (Option<&'a Admin>, &'a Upkeep, (&'a Keeper, &'a ListKeeper), Vec<Handle>, (Arc<Pressure>, Arc<Registry>));

/// What all listeners share.
fn shared(
    current: Arc<Current>,
    workers: &Workforce,
    (log, metrics, pressure): (AccessLog, Arc<Metrics>, Arc<Pressure>),
    (heartbeats, live): (Heartbeats, Arc<Registry>),
    alive: mpsc::Sender<()>,
) -> Shared {
    let spread = Spread::new(workers.handles.iter().cloned().zip(workers.gates.iter().cloned()));
    let ids = Arc::new(Ids::new(live.run()));
    Shared { current, log, metrics, workers: spread, ids, live, pressure, warned: Arc::default(), heartbeats, alive }
}

/// From now on, the keepers keep what this configuration asks for.
fn follow((keeper, lists): (&Keeper, &ListKeeper), config: &Config) {
    keeper.follow(Arc::clone(&config.acme), Arc::clone(&config.resolver));
    lists.follow(Arc::clone(&config.crl));
}

/// The access log, after a first look at the token.
fn open_log(config: &Config) -> Result<(AccessLog, Writer), StartError> {
    // The admin server reads the token again. Reading it here first means that a slow file can be interrupted.
    config.admin.token_file.as_ref().map(token::read).transpose().map_err(|error| StartError::Config(vec![error]))?;
    AccessLog::open(&config.log.access.value, config.log.access_format).map_err(StartError::AccessLog)
}

/// The admin server, on the sockets of the process before this one if there is one.
fn open_admin(
    config: &Config,
    (inherited, activated): (&mut Inherited, &Activated),
    monitor: Option<&Monitor>,
    counted: Counted,
) -> Result<Option<Admin>, StartError> {
    let mode = config.admin.socket_mode.0;
    let listening = |purpose, endpoint: &Endpoint| match endpoint {
        Endpoint::Activated(name) => activated.sockets(name),
        Endpoint::Bound(address) => Ok(vec![match inherited.take(&admin_name(purpose, address)) {
            Some(socket) => monitor::inherited(monitor, socket, address, mode)?,
            None => monitor::bind(monitor, address, mode)?,
        }]),
    };
    Admin::open(&config.admin, listening, descriptors::of_admin(), counted)
        .map_err(|error| StartError::Config(vec![error]))
}

/// The first state, after what a killed process has left is tidied.
fn tidied(config: Config) -> Result<Ready, Vec<ConfigError>> {
    admin::tidy(&config);
    Ready::first(config)
}

/// Does work that may wait for files, unless a signal stops the start first.
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

/// What the admin server shows of what is counted. The text has the counters, then the gauges.
fn counted(metrics: &Arc<Metrics>, gates: Vec<Arc<Gate>>, pressure: Arc<Pressure>, log: &AccessLog) -> Counted {
    let (lost, counters, same) = (log.lost(), Arc::clone(metrics), Arc::clone(metrics));
    let exposition = move |control: &Control, keepers: &Keepers| {
        let gauges =
            gauges::text(control, keepers, &gates, &pressure, &lost).unwrap_or_else(|error| format!("# {error}\n"));
        counters.text() + &gauges
    };
    Counted { exposition: Box::new(exposition), totals: Box::new(move || same.totals()) }
}

/// The name of a socket of the admin server.
fn admin_name(purpose: Purpose, address: &Address) -> Name {
    let address = match purpose {
        Purpose::Api => address.to_string(),
        Purpose::Probes => format!("probes {address}"),
    };
    Name { listener: String::new(), address }
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
