//! The start of a node of a fleet, as far as it differs: what the configuration is, and where it is kept. Must not know: how it is
//! served, how a release gets here.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use crate::cli::answer::print::complain;
use crate::cli::run::waiting::waited_for;
use crate::config;
use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::config::validate::fleet::Machine;
use crate::member::Joining;
use crate::member::secrets::{self, Secrets};
use crate::member::start::First;
use crate::monitor::successor;
use crate::reload::build::{Origin, Release};
use crate::reload::job::Job;
use crate::server::{Signals, StartError};

/// A node that has found what it serves.
#[derive(Debug)]
pub(super) struct Begun {
    machine: Machine,
    first: First,
    /// What it served last, where that is another one.
    last: Option<First>,
}

/// Finds the release to start with: the current one, if it is there soon, or the last one. Without one on the disk, it waits for
/// etcd, until a signal ends that.
pub(super) fn begin(path: &Path, signals: &mut Signals) -> Result<Begun, StartError> {
    let (machine, secrets, kept) = kept(path.to_owned(), signals)?;
    let (first, last) = match kept {
        // The process from which this one takes over follows the fleet, and keeps what it serves.
        Some(kept) if successor::is_this_one() => (kept, None),
        Some(kept) => match later(&machine, &secrets, &kept, signals)? {
            Some(later) => (later, Some(kept)),
            None => (kept, None),
        },
        None => (awaited(&machine, &secrets, signals)?, None),
    };
    Ok(Begun { machine, first, last })
}

/// Reports what is wrong, with the file that it is about.
pub(super) fn complain_of(path: &Path, error: &str) {
    match error.strip_prefix("fleet.toml, ") {
        Some(error) => complain(&format!("{}: {error}", path.display())),
        None if error.starts_with("line ") => complain(&format!("tlsgate.toml of the release: {error}")),
        None => complain(&format!("{}: {error}", path.display())),
    }
}

type Kept = (Machine, Secrets, Option<First>);

fn kept(path: PathBuf, signals: &mut Signals) -> Result<Kept, StartError> {
    let work = move || {
        let machine = config::load_machine(&path)?;
        let fleet = &machine.fleet;
        fleet.directory().map_err(|error| vec![error])?;
        let secrets = secrets::read(&fleet.secret_file, &fleet.etcd.prefix).map_err(|error| vec![error])?;
        // What cannot be used is fetched again.
        let kept = First::kept(fleet, &secrets).unwrap_or_else(|reason| {
            complain(&format!("the release on the disk is not used: {reason}"));
            None
        });
        Ok((machine, secrets, kept))
    };
    waited_for(work, signals)
}

fn awaited(machine: &Machine, secrets: &Secrets, signals: &mut Signals) -> Result<First, StartError> {
    let (fleet, secrets) = (machine.fleet.clone(), secrets.clone());
    complain("no release is on the disk: it has to come from the fleet");
    let report = |reason: &str| complain(&format!("waiting for a release of the fleet: {reason}"));
    asked(move || First::awaited(&fleet, &secrets, report), signals)
}

/// The current release, where it is a later one than is kept.
fn later(
    machine: &Machine,
    secrets: &Secrets,
    kept: &First,
    signals: &mut Signals,
) -> Result<Option<First>, StartError> {
    let (fleet, secrets, kept) = (machine.fleet.clone(), secrets.clone(), kept.clone());
    let work = move || {
        Ok(kept.later(&fleet, &secrets).unwrap_or_else(|reason| {
            complain(&format!("starting with release {} from the disk: {reason}", kept.record.number));
            None
        }))
    };
    asked(work, signals)
}

/// Does work that asks etcd, unless a signal comes first.
fn asked<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, String> + Send + 'static,
    signals: &mut Signals,
) -> Result<T, StartError> {
    let work = move || {
        let (send, receive) = mpsc::channel();
        // On a thread of its own, since a job may not be at one file for long, and this one may wait for days.
        let wait = move || drop(send.send(ask()));
        let thread = thread::Builder::new().name("first".into()).spawn(wait);
        let failed = |message: String| vec![ConfigError { path: "fleet".into(), position: None, message }];
        let thread = thread.map_err(|error| failed(format!("cannot start a thread: {error}")))?;
        let first = receive.recv().unwrap_or_else(|_| Err("it ended without a result".into()));
        let _ = thread.join();
        first.map_err(failed)
    };
    let mut job = Job::start("asked", work).map_err(StartError::Worker)?;
    match signals.wait_for(&mut job) {
        Some(first) => first.map_err(StartError::Lost)?.map_err(StartError::Config),
        None => Err(StartError::Stopped),
    }
}

fn origin(machine: &Machine, first: &First) -> Origin {
    let First { file, known, .. } = first;
    Origin::Release(Release { machine: machine.fleet.path.clone(), file: file.clone(), known: known.clone() })
}

impl Begun {
    /// The file of the machine.
    pub(super) fn path(&self) -> &Path {
        &self.machine.fleet.path
    }

    pub(super) fn origin(&self) -> Origin {
        origin(&self.machine, &self.first)
    }

    /// The configuration of the release, as this machine serves it.
    pub(super) fn config(&self) -> Result<Config, Vec<ConfigError>> {
        match self.first.text()? {
            Some(text) => {
                let folder = self.first.file.parent().unwrap_or(Path::new(""));
                config::parse_release(&self.machine, text, folder)
            }
            None => config::load_release(&self.machine, &self.first.file),
        }
    }

    /// Goes back to what was served last, after these errors of a later release; `false` where there is nothing else.
    pub(super) fn goes_back(&mut self, errors: &[ConfigError]) -> bool {
        let Some(last) = self.last.take() else { return false };
        let later = std::mem::replace(&mut self.first, last).record.number;
        for error in errors {
            complain_of(self.path(), &error.to_string());
        }
        let last = self.first.record.number;
        complain(&format!("starting with release {last} from the disk: release {later} cannot be started from"));
        true
    }

    /// Puts what was fetched on the disk; returns also where it comes from then. To be called when the process has become who it will
    /// be.
    pub(super) fn kept(self, signals: &mut Signals) -> Result<(Joining, Origin), StartError> {
        let Self { machine, mut first, .. } = self;
        let work = move || {
            // Whom the process has become has to read both again with each reload.
            config::load_machine(&machine.fleet.path)?;
            secrets::read(&machine.fleet.secret_file, &machine.fleet.etcd.prefix).map_err(|error| vec![error])?;
            let kept = first.keep(&machine.fleet);
            let failed = |message| vec![ConfigError { path: "state: directory".into(), position: None, message }];
            kept.map_err(failed)?;
            let origin = origin(&machine, &first);
            Ok((Joining { fleet: machine.fleet, record: first.record }, origin))
        };
        waited_for(work, signals)
    }
}
