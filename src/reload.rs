//! Load → validate → build → swap; on failure everything stays as it was. Must not know: who asked, what a socket is.
//!
//! What is read and built is read and built on a thread of its own ([`job`]), so that whoever asks for a reload can go on
//! with other things, and give it up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch as latest};

use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::config::validate::admin::Admin;
use crate::reload::control::{Command, Control, Status};
use crate::snapshot::{Built, Current};
use crate::tls::certificate::store::Trust;
use crate::warning::{self, Warning};

pub mod build;
mod changes;
pub mod control;
mod difference;
pub mod job;
pub mod report;
mod summary;
pub mod watch;

use build::{Basis, Origin, Ready};
use job::{Job, LeftBehind};
use report::Report;
use summary::Change;
use watch::interests::Interests;

/// The listening sockets, as far as a reload has to do with them.
pub trait Sockets {
    /// What has been bound and does not accept yet; dropping it undoes it.
    type Prepared;

    /// Binds what the configuration has and is not bound yet. Nothing that accepts is touched.
    fn prepare(&mut self, config: &Config) -> Result<Self::Prepared, Vec<ConfigError>>;

    /// Accepts on what was prepared, and no longer on what the configuration does not have.
    fn commit(&mut self, prepared: Self::Prepared);
}

/// What a reload is made for. The later ones count for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A file has changed.
    Change,
    /// Time has passed.
    Reread,
    Signal,
    /// Somebody waits for what comes of it.
    Command,
}

/// The state that reloads change, and what changes it. Reloads are serial because this is not shared.
#[derive(Debug)]
pub struct Reloader<S> {
    origin: Origin,
    config: Arc<Config>,
    current: Arc<Current>,
    sockets: S,
    /// Warnings that are logged already, in order.
    known: Arc<[Warning]>,
    /// Errors that are logged already, since the last success.
    refused: BTreeSet<String>,
    status: latest::Sender<Arc<Status>>,
    builder: Builder,
    building: Option<Building>,
    left_behind: LeftBehind,
}

type Outcome = Result<Ready, Vec<ConfigError>>;

/// What builds, and how long one file may take it.
#[derive(Clone)]
struct Builder {
    build: Arc<dyn Fn(Basis) -> Outcome + Send + Sync>,
    patience: Duration,
}

/// A reload under way.
#[derive(Debug)]
struct Building {
    cause: Cause,
    /// Or why it could not begin.
    job: Result<Job<Outcome>, ConfigError>,
}

impl<S: Sockets> Reloader<S> {
    /// Publishes the first state through the sockets that `sockets` makes, and starts to accept.
    pub fn start(
        origin: Origin,
        first: Ready,
        sockets: impl FnOnce(Arc<Current>) -> S,
    ) -> Result<Self, Vec<ConfigError>> {
        let now = Timestamp::now();
        let Ready { config, built, .. } = first;
        let config = Arc::new(config);
        let known = tell(&built, &[]);
        if let Origin::Once(path) = &origin {
            tracing::warn!("{}: {READ_ONCE}", path.display());
        }
        let (status, _) = latest::channel(Arc::new(Status {
            config: Arc::clone(&config),
            started: now,
            generation: 1,
            last_success: now,
            successes: 0,
            failures: 0,
            errors: Vec::new(),
            warnings: Arc::clone(&known),
            draining: false,
        }));
        let current = Arc::new(Current::new(built.snapshot));
        let mut sockets = sockets(Arc::clone(&current));
        let prepared = sockets.prepare(&config)?;
        sockets.commit(prepared);
        let builder = Builder { build: Arc::new(Ready::next), patience: job::PATIENCE };
        let left_behind = LeftBehind::default();
        Ok(Self {
            origin,
            config,
            current,
            sockets,
            known,
            refused: BTreeSet::new(),
            status,
            builder,
            building: None,
            left_behind,
        })
    }

    /// Begins to read everything again. What comes of it is to be waited for with [`Self::finished`]; one that is under way
    /// already is given up.
    pub fn begin(&mut self, cause: Cause) {
        self.give_up();
        let basis = Basis {
            origin: self.origin.clone(),
            config: Arc::clone(&self.config),
            snapshot: self.current.load(),
            trust: cause.trust(),
        };
        let Builder { build, patience } = self.builder.clone();
        let job = self.left_behind.room().and_then(|()| {
            Job::with_patience("reload", patience, move || build(basis)).map_err(|error| ConfigError {
                path: String::new(),
                position: None,
                message: format!("no thread can be started to read files: {error}"),
            })
        });
        self.building = Some(Building { cause, job });
    }

    pub fn is_under_way(&self) -> bool {
        self.building.is_some()
    }

    /// Waits for the reload that is under way, and swaps, or reports why not. A wait that is cut off can be begun again.
    pub async fn finished(&mut self) -> Report {
        let Some(building) = &mut self.building else { return std::future::pending().await };
        let cause = building.cause;
        let outcome = match &mut building.job {
            Ok(job) => job.finished().await.unwrap_or_else(|lost| Err(vec![lost.error()])),
            Err(error) => Err(vec![error.clone()]),
        };
        self.give_up();
        match outcome.and_then(|ready| self.swap(ready)) {
            Ok(changes) => self.succeeded(changes, cause),
            Err(errors) => self.failed(errors, cause),
        }
    }

    /// Leaves the reload that is under way, if there is one. Nothing comes of it.
    pub fn give_up(&mut self) {
        if let Some(Building { job: Ok(job), .. }) = self.building.take() {
            self.left_behind.add(job);
        }
    }

    fn succeeded(&mut self, changes: Vec<Change>, cause: Cause) -> Report {
        let why = cause.words();
        let changed = !changes.is_empty();
        if changed {
            tracing::info!(%why, "reloaded: {}", summary::line(&changes));
        }
        self.note(|status| {
            status.generation += u64::from(changed);
            status.last_success = Timestamp::now();
            status.successes += 1;
            status.errors.clear();
        });
        let mut changes: Vec<String> = changes.into_iter().map(|change| change.text).collect();
        if let (Origin::Once(path), Cause::Command | Cause::Signal) = (&self.origin, cause) {
            let reminder = format!("{}: {READ_ONCE}", path.display());
            tracing::warn!(%why, "{reminder}");
            changes.push(reminder);
        }
        Report::Swapped(changes)
    }

    fn failed(&mut self, errors: Vec<ConfigError>, cause: Cause) -> Report {
        let why = cause.words();
        let said: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
        for error in said.difference(&self.refused) {
            tracing::error!(%why, "not reloaded, everything stays as it is: {error}");
        }
        self.refused.extend(said);
        self.note(|status| {
            status.failures += 1;
            status.errors.clone_from(&errors);
        });
        Report::Failed(errors)
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub fn sockets(&mut self) -> &mut S {
        &mut self.sockets
    }

    /// A handle for others, and the end at which its commands arrive.
    pub fn control(&self) -> (Control, mpsc::Receiver<Command>) {
        Control::new(Arc::clone(&self.current), self.status.subscribe())
    }

    /// Lets everybody know that the process is about to end.
    pub fn draining(&mut self) {
        self.note(|status| status.draining = true);
    }

    /// The files and folders in which a change may mean another state.
    pub fn interests(&self) -> Interests {
        let mut interests = Interests::of(&self.config);
        if let Origin::File(path) = &self.origin {
            interests.files.insert(path.clone());
        }
        interests
    }

    fn note(&mut self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(|status| {
            let mut next = Status::clone(status);
            next.config = Arc::clone(&self.config);
            change(&mut next);
            *status = Arc::new(next);
        });
    }

    fn swap(&mut self, ready: Ready) -> Result<Vec<Change>, Vec<ConfigError>> {
        let Ready { config, built, changes } = ready;
        let prepared = self.sockets.prepare(&config)?;
        self.known = tell(&built, &self.known);
        self.refused.clear();
        let known = Arc::clone(&self.known);
        // From here on nothing can fail. The snapshot comes first: who is accepted on a new socket must find its listener.
        self.current.store(built.snapshot);
        self.sockets.commit(prepared);
        let before = &self.config;
        let admin = Admin {
            listen: before.admin.listen.clone(),
            socket_mode: before.admin.socket_mode,
            ..config.admin.clone()
        };
        self.config = Arc::new(Config { admin, log: before.log.clone(), ..config });
        self.note(|status| status.warnings = known);
        Ok(changes)
    }
}

impl Cause {
    /// How much the kernel is believed about a file that seems unchanged.
    fn trust(self) -> Trust {
        match self {
            Self::Change => Trust::Stamps,
            Self::Reread | Self::Signal | Self::Command => Trust::Bytes,
        }
    }

    /// For the log.
    fn words(self) -> &'static str {
        match self {
            Self::Change => "a file has changed",
            Self::Reread => "read again",
            Self::Signal => "SIGHUP",
            Self::Command => "asked to",
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Builder(…)")
    }
}

/// Logs what was not known before, many of a kind in one line, and returns what is known now, in order.
fn tell(built: &Built, before: &[Warning]) -> Arc<[Warning]> {
    let unusable =
        built.unusable.iter().map(|error| Warning::about(error.to_string(), "the certificate is not served"));
    let mut now: Vec<Warning> = built.warnings.iter().chain(&built.failures).cloned().chain(unusable).collect();
    now.sort_unstable();
    now.dedup();
    for line in warning::lines(now.iter().filter(|warning| before.binary_search(warning).is_err())) {
        tracing::warn!("{line}");
    }
    now.into()
}

/// Follows the path.
const READ_ONCE: &str =
    "the configuration can be read only once: a reload reads the certificates again, and not the configuration";

#[cfg(test)]
mod tests;
