//! Load → validate → build → swap; on failure everything stays as it was. Must not know: the
//! cause, what a socket is.
//!
//! Files are read and the snapshot is built on a thread of its own ([`job`]), so that the caller stays responsive
//! meanwhile, and can give a reload up.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch as latest};

use crate::background;
use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::config::validate::runtime::Runtime;
use crate::reload::control::{Command, Control, Status};
use crate::sandbox::plan::Plan;
use crate::snapshot::{Built, Current, Snapshot};
use crate::warning::{self, Warning};

pub mod build;
mod cause;
mod changes;
pub mod control;
mod difference;
mod held;
pub mod job;
pub mod releases;
pub mod report;
pub mod sockets;
mod summary;
pub mod watch;

use build::{Basis, Origin, Ready, Release};
pub use cause::Cause;
use held::All;
use job::{Job, LeftBehind};
use report::Report;
use sockets::Sockets;
use summary::Change;
use watch::interests::Interests;

/// What is read and built for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// To be put into force at once.
    Reload(Cause),
    /// To be held.
    Prepare(Release),
}

/// What has ended.
#[derive(Debug)]
pub enum Finished {
    Reloaded(Report),
    /// The release with this configuration is held, or why not.
    Prepared(PathBuf, Result<(), Vec<ConfigError>>),
}

/// The state that reloads change. Reloads run one after the other because this is not shared.
#[derive(Debug)]
pub struct Reloader<S: Sockets> {
    origin: Origin,
    /// In force.
    config: Arc<Config>,
    /// As it was read last, with what takes effect at the next start only. The next one is compared with this, so that each
    /// change is reported once.
    read: Arc<Config>,
    current: Arc<Current>,
    sockets: S,
    /// Warnings that are logged already, sorted.
    known: Arc<[Warning]>,
    /// Errors that are logged already, since the last success.
    refused: BTreeSet<String>,
    status: latest::Sender<Arc<Status>>,
    /// What this process can use; `None` where that is not restricted.
    confined: Option<Arc<Plan>>,
    builder: Builder,
    building: Option<Building>,
    /// What could be served at once.
    held: All<S::Prepared>,
    left_behind: LeftBehind,
}

type Outcome = Result<Ready, Vec<ConfigError>>;

/// The function that reads and builds, and how long one file may take.
#[derive(Clone)]
struct Builder {
    build: Arc<dyn Fn(Basis) -> Outcome + Send + Sync>,
    patience: Duration,
}

/// A reload under way, or what is to be held.
#[derive(Debug)]
struct Building {
    purpose: Purpose,
    /// `Err` is why it could not begin.
    job: Result<Job<Outcome>, ConfigError>,
}

impl<S: Sockets> Reloader<S> {
    /// Publishes the first state, makes the sockets with `sockets`, and starts to accept. Fails where an address cannot be
    /// bound.
    pub fn start(
        origin: Origin,
        first: Ready,
        sockets: impl FnOnce(Arc<Current>) -> S,
    ) -> Result<Self, Vec<ConfigError>> {
        origin.is_as_known()?;
        let now = Timestamp::now();
        let Ready { config, built, .. } = first;
        let config = Arc::new(config);
        let (snapshot, known) = warn(built, &[]);
        if let Origin::Once(path) = &origin {
            tracing::warn!("{}: {READ_ONCE}", path.display());
        }
        let current = Arc::new(Current::new(snapshot));
        let mut sockets = sockets(Arc::clone(&current));
        let prepared = sockets.prepare(&config)?;
        sockets.commit(prepared);
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
            addresses: sockets.addresses().into(),
        }));
        let builder = Builder { build: Arc::new(Ready::next), patience: job::PATIENCE };
        let left_behind = LeftBehind::default();
        Ok(Self {
            origin,
            read: Arc::clone(&config),
            config,
            current,
            sockets,
            known,
            refused: BTreeSet::new(),
            status,
            confined: None,
            builder,
            building: None,
            held: All::default(),
            left_behind,
        })
    }

    /// The process can use this, and nothing else: a configuration that needs more is refused.
    #[must_use]
    pub fn confined(self, confined: Option<Arc<Plan>>) -> Self {
        Self { confined, ..self }
    }

    /// Begins to read everything again; [`Self::finished`] waits for the result. A reload that is already under way is
    /// given up: it may have read a file before the change that caused this one.
    pub fn begin(&mut self, cause: Cause) {
        self.start_building(Purpose::Reload(cause));
    }

    fn start_building(&mut self, purpose: Purpose) {
        self.give_up();
        let (origin, trust) = match &purpose {
            Purpose::Reload(cause) => (self.origin.clone(), self.origin.trust(*cause)),
            Purpose::Prepare(release) => (Origin::Release(release.clone()), release.trust()),
        };
        let basis = Basis {
            origin,
            config: Arc::clone(&self.read),
            snapshot: self.current.load(),
            trust,
            confined: self.confined.clone(),
        };
        let Builder { build, patience } = self.builder.clone();
        let work = move || {
            // What is served meanwhile comes first: nobody waits for a reload as a client waits for its answer.
            background::step_back();
            build(basis)
        };
        let job = self.left_behind.room().and_then(|()| {
            Job::with_patience("reload", patience, work).map_err(|error| ConfigError {
                path: String::new(),
                position: None,
                message: format!("no thread can be started to read files: {error}"),
            })
        });
        self.building = Some(Building { purpose, job });
    }

    /// Whether a reload has begun and is neither finished nor given up.
    pub fn is_under_way(&self) -> bool {
        self.building.is_some()
    }

    /// Waits for the reload that is under way, then swaps, or reports why not. Without one it waits forever. Dropping the
    /// future loses nothing: the wait can begin again.
    pub async fn finished(&mut self) -> Report {
        loop {
            if let Finished::Reloaded(report) = self.next().await {
                return report;
            }
        }
    }

    /// The same, also for what is to be held.
    pub async fn next(&mut self) -> Finished {
        // So that the caller can wait for this and other events alike.
        let Some(building) = &mut self.building else { return std::future::pending().await };
        let purpose = building.purpose.clone();
        let result = match &mut building.job {
            Ok(job) => job.finished().await,
            Err(error) => Ok(Err(vec![error.clone()])),
        };
        match result {
            // Its thread has nothing more to do, and waits for no file: it is not one that was left behind.
            Ok(_) => self.building = None,
            Err(_) => drop(self.give_up()),
        }
        let outcome = result.unwrap_or_else(|lost| Err(vec![lost.error()]));
        match purpose {
            Purpose::Reload(cause) => Finished::Reloaded(match outcome.and_then(|ready| self.swap(ready)) {
                Ok(changes) => self.succeeded(changes, cause),
                Err(errors) => self.failed(errors, cause),
            }),
            Purpose::Prepare(release) => {
                let file = release.file.clone();
                Finished::Prepared(file, self.hold(release, outcome))
            }
        }
    }

    /// Abandons what is under way, if there is something, and returns what it was for. It changes nothing.
    pub fn give_up(&mut self) -> Option<Purpose> {
        let Building { purpose, job } = self.building.take()?;
        if let Ok(job) = job {
            self.left_behind.add(job);
        }
        Some(purpose)
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
        // A reload that an operator asked for may be meant for the configuration; one for a changed file is not.
        if let (Origin::Once(path), Cause::Command | Cause::Signal) = (&self.origin, cause) {
            let reminder = format!("{}: {READ_ONCE}", path.display());
            tracing::warn!(%why, "{reminder}");
            changes.push(reminder);
        }
        Report::Swapped(changes)
    }

    fn failed(&mut self, errors: Vec<ConfigError>, cause: Cause) -> Report {
        let why = cause.words();
        let messages: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
        // Logged once: the periodic read finds the same error again every time.
        for error in messages.difference(&self.refused) {
            tracing::error!(%why, "not reloaded, everything stays as it is: {error}");
        }
        self.refused.extend(messages);
        self.note(|status| {
            status.failures += 1;
            status.errors.clone_from(&errors);
        });
        Report::Failed(errors)
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the configuration comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The listening sockets.
    pub fn sockets(&mut self) -> &mut S {
        &mut self.sockets
    }

    /// A handle for other parts of the process, and the receiver of its commands.
    pub fn control(&self) -> (Control, mpsc::Receiver<Command>) {
        Control::new(Arc::clone(&self.current), self.status.subscribe())
    }

    /// Publishes in the status that the process is about to end. Reloads go on where somebody begins them, by
    /// [`Ready::while_draining`]; `newest` is the release to read instead of one.
    pub fn draining(&mut self, newest: impl Fn(Release) -> Release + Send + Sync + 'static) {
        self.builder.build = Arc::new(move |basis| Ready::while_draining(basis, &newest));
        self.note(|status| status.draining = true);
    }

    /// The files and folders in which a change may lead to another state.
    pub fn interests(&self) -> Interests {
        let mut interests = Interests::of(&self.config);
        match &self.origin {
            Origin::File(path) => {
                interests.files.insert(path.clone());
            }
            Origin::Release(release) => {
                interests.leave_out(release.folder());
                interests.files.insert(release.machine.clone());
            }
            Origin::Once(_) | Origin::Program => {}
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
        // Binding can still fail; so it comes before anything is changed.
        let prepared = self.sockets.prepare(&ready.config)?;
        Ok(self.put(ready, prepared))
    }

    /// Puts another state into force. Nothing of it can fail.
    fn put(&mut self, ready: Ready, prepared: S::Prepared) -> Vec<Change> {
        let Ready { config, built, changes } = ready;
        let (snapshot, known) = warn(built, &self.known);
        self.known = known;
        // After a success, the same error would be new again.
        self.refused.clear();
        let known = Arc::clone(&self.known);
        // The snapshot comes first: a client that is accepted on a new socket must find its
        // listener.
        self.current.store(snapshot);
        self.sockets.commit(prepared);
        // These settings take effect at the next start only: the status must show what is in force.
        let before = &self.config;
        let admin = config.admin.clone().where_it_was(&before.admin);
        let runtime = Runtime { workers: before.runtime.workers, ..config.runtime.clone() };
        self.read = Arc::new(config.clone());
        self.config =
            Arc::new(Config { admin, log: before.log.clone(), process: before.process.clone(), runtime, ..config });
        let addresses = self.sockets.addresses().into();
        self.note(|status| {
            status.warnings = known;
            status.addresses = addresses;
        });
        // A state that differs in nothing is as good a basis as the one before.
        if !changes.is_empty() {
            self.held.all_stale();
        }
        changes
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Builder(…)")
    }
}

/// Logs warnings that were not there before, many of a kind in one line, and returns the snapshot and all warnings, sorted.
fn warn(built: Built, before: &[Warning]) -> (Snapshot, Arc<[Warning]>) {
    let Built { snapshot, warnings: mut now, failures, unusable, unproved, pending: _ } = built;
    let unusable = unusable.iter().map(|error| Warning::about(error.to_string(), "the certificate is not served"));
    let unproved = unproved.iter().map(|error| Warning::about(error.to_string(), "the list is not used"));
    now.extend(failures.into_iter().map(|failure| failure.value.warning).chain(unusable).chain(unproved));
    now.sort_unstable();
    now.dedup();
    for line in warning::lines(now.iter().filter(|warning| before.binary_search(warning).is_err())) {
        tracing::warn!("{line}");
    }
    (snapshot, now.into())
}

/// Logged after the path.
const READ_ONCE: &str =
    "the configuration can be read only once: a reload reads the certificates again, and not the configuration";

#[cfg(test)]
mod tests;
