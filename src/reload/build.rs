//! What a reload reads and builds, before anything is changed. Must not know: on which thread, how the result is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::background::Heavy;
use crate::config;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::Config;
use crate::config::validate::log::Log;
use crate::config::validate::process::Process;
use crate::files::unchanged::{Known, Unchanged};
use crate::reload::cause::Cause;
use crate::reload::changes;
use crate::reload::summary::{Change, Kind};
use crate::sandbox;
use crate::sandbox::plan::Plan;
use crate::snapshot::{Built, Snapshot};
use crate::tls::certificate::store::Trust;
use crate::warning::Warning;

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    File(PathBuf),
    /// From standard input or a pipe, which can be read only once. Only its certificates can change.
    Once(PathBuf),
    /// Made by the program itself. Only its certificates can change.
    Program,
    /// A release of a fleet, and what this machine has in place of some of it.
    Release(Release),
}

/// The files of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// What this machine has of its own.
    pub machine: PathBuf,
    /// The configuration of the release, in the release's own folder. No other release has this path.
    pub file: PathBuf,
    /// Of the release's folder.
    pub known: Option<Arc<Known>>,
}

impl Release {
    /// When a file counts as unchanged, where it is built for the first time.
    pub(super) fn trust(&self) -> Trust {
        let (trust, known) = (Cause::Release.trust(), self.known.as_ref());
        match known.and_then(|known| known.unchanged.clone()) {
            Some(unchanged) => Trust::Known(unchanged, Box::new(trust)),
            None => trust,
        }
    }

    /// Its own folder.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(&self.file)
    }
}

impl Origin {
    /// When a file counts as unchanged, where what this comes from is read again.
    pub(super) fn trust(&self, cause: Cause) -> Trust {
        let trust = cause.trust();
        match self {
            // A release never changes.
            Self::Release(release) if release.known.is_some() => {
                Trust::Known(Arc::new(Unchanged::all(release.folder())), Box::new(trust))
            }
            _ => trust,
        }
    }

    /// Whether the files are those that they should be. Who changes one of a release does not change what is served: all
    /// nodes serve the same.
    pub(super) fn is_as_known(&self) -> Result<(), Vec<ConfigError>> {
        let Self::Release(Release { known: Some(known), .. }) = self else { return Ok(()) };
        known.manifest.compare().map_err(|found| {
            let message = format!("{found}; what is served stays as it was published");
            vec![ConfigError { path: String::new(), position: None, message }]
        })
    }
}

/// What a build starts from.
#[derive(Debug, Clone)]
pub struct Basis {
    pub origin: Origin,
    /// The configuration as it was read last.
    pub config: Arc<Config>,
    /// The snapshot in force.
    pub snapshot: Arc<Heavy<Snapshot>>,
    pub trust: Trust,
    /// What this process can use; `None` where that is not restricted.
    pub confined: Option<Arc<Plan>>,
}

/// A state that could take the place of the one in force.
#[derive(Debug)]
pub struct Ready {
    pub config: Config,
    pub built: Built,
    /// The differences from the state in force.
    pub changes: Vec<Change>,
}

impl Ready {
    /// The first state: `config` was read just now.
    pub fn first(config: Config) -> Result<Self, Vec<ConfigError>> {
        permitted(&config)?;
        let built = Snapshot::build(&config, &Snapshot::default(), Trust::Bytes, Timestamp::now())?;
        Ok(Self { config, built, changes: Vec::new() })
    }

    /// The same for a process that drains. Another version of the program may have taken over: a configuration that is not for
    /// this one does not keep it from reading the files again that the configuration before names.
    pub fn while_draining(basis: Basis, newest: impl Fn(Release) -> Release) -> Result<Self, Vec<ConfigError>> {
        let served = basis.origin.clone();
        let before = Basis { origin: Origin::Program, trust: Trust::Bytes, ..basis.clone() };
        let origin = match basis.origin {
            Origin::Release(release) => Origin::Release(newest(release)),
            origin => origin,
        };
        Self::next(Basis { origin, ..basis }).or_else(|errors| {
            let Ok(mut ready) = Self::again(before, &served) else { return Err(errors) };
            let found = errors.first().map(ToString::to_string).unwrap_or_default();
            ready.built.warnings.push(Warning::new(format!("{UNFIT}: {found}")));
            Ok(ready)
        })
    }

    /// The files again, of a configuration that was read from there. Those of a release must be as they were published.
    fn again(before: Basis, served: &Origin) -> Result<Self, Vec<ConfigError>> {
        served.is_as_known()?;
        let ready = Self::next(before)?;
        served.is_as_known()?;
        Ok(ready)
    }

    /// Reads everything again. This can take long, since it waits for file systems.
    pub fn next(basis: Basis) -> Result<Self, Vec<ConfigError>> {
        let Basis { origin, config: before, snapshot, trust, confined } = basis;
        origin.is_as_known()?;
        let config = match &origin {
            // Not a pipe that has replaced the file: a reload must not wait for a writer.
            Origin::File(path) => config::load_file(path)?,
            Origin::Once(_) | Origin::Program => Config::clone(&before),
            Origin::Release(Release { machine, file, .. }) => {
                config::load_release(&config::load_machine(machine)?, file)?
            }
        };
        // Each of its files would be an error otherwise, which does not tell what to do.
        let outside = confined.map_or_else(Vec::new, |plan| plan.missing(&config));
        if !outside.is_empty() {
            return Err(outside);
        }
        permitted(&config)?;
        let built = Snapshot::build(&config, &snapshot, trust, Timestamp::now())?;
        // Nor was one changed while they were read.
        origin.is_as_known()?;
        let mut changes = changes::between(&before, &config, &snapshot, &built.snapshot);
        changes.extend(only_at_start(&before, &config));
        Ok(Self { config, built, changes })
    }
}

/// Whether this process has the rights that the configuration needs.
fn permitted(config: &Config) -> Result<(), Vec<ConfigError>> {
    let errors = sandbox::without_right(config);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// A reminder that a changed setting takes effect only at the next start.
fn only_at_start(before: &Config, after: &Config) -> Option<Change> {
    let workers = before.runtime.workers != after.runtime.workers;
    let admin = !before.admin.listens_like(&after.admin);
    let process = process(before) != process(after);
    (log(before) != log(after) || process || workers || admin).then(|| {
        let text =
            "[log], [process], [runtime] workers, and where the admin server listens, and whether with TLS, take effect at the next start";
        Kind::Setting.change(text)
    })
}

/// `[log]`, without the places of its keys.
fn log(config: &Config) -> impl PartialEq {
    let Log { level, access, access_format } = &config.log;
    (*level, access.value.clone(), *access_format)
}

/// `[process]`, without the places of its keys.
fn process(config: &Config) -> impl PartialEq {
    let Process { user, group, sandbox, sandbox_paths } = &config.process;
    let name = |name: &Option<Located<String>>| name.as_ref().map(|name| name.value.clone());
    let paths: Vec<_> = sandbox_paths.iter().map(|path| path.value.clone()).collect();
    (name(user), name(group), sandbox.value, paths)
}

const UNFIT: &str = "this process drains, and cannot use the configuration any more: clients of open connections are judged \
                     by the files of the one before";
