//! Load → validate → build → swap; on failure everything stays as it was. Must not know: who asked, what a socket is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch as latest};

use crate::config::decode::ConfigError;
use crate::config::validate::Config;
use crate::config::{self, validate};
use crate::reload::control::{Command, Control, Status};
use crate::snapshot::{Built, Current, Snapshot};
use crate::tls::store::{Source, Trust};

mod changes;
pub mod control;
pub mod watch;

/// The listening sockets, as far as a reload has to do with them.
pub trait Sockets {
    /// What has been bound and does not accept yet; dropping it undoes it.
    type Prepared;

    /// Binds what the configuration has and is not bound yet. Nothing that accepts is touched.
    fn prepare(&mut self, config: &Config) -> Result<Self::Prepared, Vec<ConfigError>>;

    /// Accepts on what was prepared, and no longer on what the configuration does not have.
    fn commit(&mut self, prepared: Self::Prepared);
}

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    File(PathBuf),
    /// It was made by the program, and only its certificates can change.
    Program,
}

/// The state that reloads change, and what changes it. Reloads are serial because this is not shared.
#[derive(Debug)]
pub struct Reloader<S> {
    origin: Origin,
    config: Config,
    current: Arc<Current>,
    sockets: S,
    told: BTreeSet<String>,
    status: latest::Sender<Arc<Status>>,
}

/// What came of a reload.
#[derive(Debug)]
pub enum Report {
    /// The new state is published; each line says what is different. Empty where nothing is.
    Swapped(Vec<String>),
    /// Nothing was changed.
    Failed(Vec<ConfigError>),
}

impl<S: Sockets> Reloader<S> {
    /// Builds the first snapshot, publishes it through the sockets that `sockets` makes, and starts to accept.
    pub fn start(
        origin: Origin,
        config: Config,
        sockets: impl FnOnce(Arc<Current>) -> S,
    ) -> Result<Self, Vec<ConfigError>> {
        let now = Timestamp::now();
        let built = Snapshot::build(&config, &Snapshot::default(), Trust::Bytes, now)?;
        let told = tell(&built, &BTreeSet::new());
        let (status, _) = latest::channel(Arc::new(Status {
            config: Arc::new(config.clone()),
            started: now,
            generation: 1,
            last_success: now,
            successes: 0,
            failures: 0,
            errors: Vec::new(),
            warnings: told.iter().cloned().collect(),
            draining: false,
        }));
        let current = Arc::new(Current::new(built.snapshot));
        let mut sockets = sockets(Arc::clone(&current));
        let prepared = sockets.prepare(&config)?;
        sockets.commit(prepared);
        Ok(Self { origin, config, current, sockets, told, status })
    }

    /// Reads everything again and swaps, or says why not. `why` is for the log.
    pub fn reload(&mut self, trust: Trust, why: &str) -> Report {
        match self.attempt(trust) {
            Ok(changes) => {
                if !changes.is_empty() {
                    tracing::info!(%why, "reloaded: {}", changes.join("; "));
                }
                let changed = !changes.is_empty();
                self.note(|status| {
                    status.generation += u64::from(changed);
                    status.last_success = Timestamp::now();
                    status.successes += 1;
                    status.errors.clear();
                });
                Report::Swapped(changes)
            }
            Err(errors) => {
                let said: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
                for error in said.difference(&self.told) {
                    tracing::error!(%why, "not reloaded, everything stays as it is: {error}");
                }
                self.told.extend(said);
                self.note(|status| {
                    status.failures += 1;
                    status.errors.clone_from(&errors);
                });
                Report::Failed(errors)
            }
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
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

    fn note(&mut self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(|status| {
            let mut next = Status::clone(status);
            next.config = Arc::new(self.config.clone());
            change(&mut next);
            *status = Arc::new(next);
        });
    }

    /// The folders in which a change may mean another state.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let mut folders = self.current.load().folders();
        if let Origin::File(path) = &self.origin {
            folders.extend(path.parent().map(|parent| match parent.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => parent.to_owned(),
            }));
        }
        for listener in &self.config.listeners {
            folders.extend(listener.tickets.keys.iter().filter_map(|file| file.value.parent().map(Path::to_owned)));
            for source in &listener.certificates {
                // The folder above tells when this one comes back after it was removed.
                let (Source::Path(path) | Source::Pair { cert: path, .. }) = &source.value;
                folders.extend(path.parent().map(Path::to_owned));
                folders.insert(path.clone());
            }
        }
        for tls in self.config.backends.iter().filter_map(|backend| backend.tls.as_ref()) {
            folders.extend(tls.files().filter_map(Path::parent).map(Path::to_owned));
        }
        for health in self.config.backends.iter().filter_map(|backend| backend.health.as_ref()) {
            folders.extend(health.files().filter_map(Path::parent).map(Path::to_owned));
        }
        folders
    }

    fn attempt(&mut self, trust: Trust) -> Result<Vec<String>, Vec<ConfigError>> {
        let config = match &self.origin {
            Origin::File(path) => config::load(path)?,
            Origin::Program => self.config.clone(),
        };
        let before = self.current.load();
        let built = Snapshot::build(&config, &before, trust, Timestamp::now())?;
        let prepared = self.sockets.prepare(&config)?;
        self.told = tell(&built, &self.told);
        let known = self.told.iter().cloned().collect();
        let mut changes = changes::between(&self.config, &config, &before, &built.snapshot);
        changes.extend(only_at_start(&self.config, &config));
        // From here on nothing can fail. The snapshot comes first: who is accepted on a new socket must find its listener.
        self.current.store(built.snapshot);
        self.sockets.commit(prepared);
        let before = &self.config;
        let admin = validate::Admin { token_file: config.admin.token_file.clone(), ..before.admin.clone() };
        self.config = validate::Config { admin, log: before.log.clone(), ..config };
        self.note(|status| status.warnings = known);
        Ok(changes)
    }
}

/// Logs what was not told before, and returns what is known now.
fn tell(built: &Built, told: &BTreeSet<String>) -> BTreeSet<String> {
    let unusable = built.unusable.iter().map(|error| format!("{error}; it serves nobody"));
    let now: BTreeSet<String> = built.warnings.iter().chain(&built.failures).cloned().chain(unusable).collect();
    for warning in now.difference(told) {
        tracing::warn!("{warning}");
    }
    now
}

fn only_at_start(before: &Config, after: &Config) -> Option<String> {
    let workers = before.runtime.workers != after.runtime.workers;
    let listen = |config: &Config| config.admin.listen.as_ref().map(|listen| listen.value.clone());
    let admin = listen(before) != listen(after) || before.admin.socket_mode != after.admin.socket_mode;
    (before.log != after.log || workers || admin).then(|| {
        "[log], [runtime] workers, and where the admin server listens take effect at the next start".to_owned()
    })
}
