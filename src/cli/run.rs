//! `tlsgate run`: starts the server and waits for its end. Must not know: how the server works.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::allocator;
use crate::cli::answer::exit::{CUT, FAILED};
use crate::cli::answer::print::complain;
use crate::cli::monitor;
use crate::config;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::Config;
use crate::files;
use crate::monitor::successor;
use crate::observe::log;
use crate::reload::build::Origin;
use crate::rights::ids::Ids;
use crate::sandbox;
use crate::sandbox::floor::Floor;
use crate::sandbox::plan::Plan;
use crate::sandbox::risks;
use crate::server::{Activated, Signals};
use crate::server::{Ended, Server, StartError};
use crate::tls::certificate::source::Source;
use crate::tls::token;

mod fleet;
mod waiting;

use fleet::Begun;
use waiting::waited_for;

/// Where the configuration is.
#[derive(Debug, Clone)]
pub(super) enum From {
    File(PathBuf),
    /// What this machine has of its own as a node of a fleet.
    Fleet(PathBuf),
}

pub(super) fn run(from: From) -> ExitCode {
    let (From::File(path) | From::Fleet(path)) = &from;
    let path = path.as_path();
    // Before there is another thread: it changes the environment.
    let activated = match Activated::receive() {
        Ok(activated) => activated,
        Err(error) => return failed(&from, &error.into()),
    };
    // First, so that a signal also ends the wait for a file.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            complain(&format!("cannot wait for signals: {error}"));
            return FAILED.into();
        }
    };
    let loaded = match &from {
        From::File(path) => load(path.clone(), &mut signals),
        From::Fleet(path) => fleet::begin(path, &mut signals).and_then(|begun| load_release(begun, &mut signals)),
    };
    let Loaded { origin, config, begun, user, plan, risks, owners } = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return failed(&from, &error),
    };
    // A process that can change what its successors obey would get back what it gives up.
    let again = matches!(origin, Origin::File(_) | Origin::Release(_)) && (user.is_none() || risks.is_empty());
    let monitor = match monitor::start(&config, again.then_some(path), user.as_ref(), &plan) {
        Ok(monitor) => monitor,
        Err(error) => {
            complain(&format!("cannot start the process that keeps the rights of the start: {error}"));
            return FAILED.into();
        }
    };
    // No other thread is there yet: one that is would keep its rights.
    let entered = match sandbox::enter(&config.process, user.as_ref(), &plan) {
        Ok(entered) => entered,
        Err(error) => {
            complain(&format!("{}: {error}", path.display()));
            return FAILED.into();
        }
    };
    allocator::start_thread();
    // Dropped last: that writes the lines which still wait.
    let _flush = log::start(config.log.level);
    entered.log(&plan);
    risks.iter().chain(&owners).for_each(|risk| tracing::warn!("{risk}"));
    if !again && !risks.is_empty() {
        tracing::warn!(
            "therefore no upgrade in place, and no address or program that the configuration does not name now"
        );
    }
    let confined = entered.restricts_files().then(|| Arc::new(plan));
    let (joining, origin) = match begun.map(|begun| begun.kept(&mut signals)).transpose() {
        Ok(Some((joining, origin))) => (Some(joining), origin),
        Ok(None) => (None, origin),
        Err(error) => return failed(&from, &error),
    };
    let started = Server::start(origin, config, joining, (monitor, activated, confined), &mut signals);
    started.map_or_else(|error| failed(&from, &error), |server| served(server, signals))
}

/// Serves until a signal ends it.
fn served(server: Server, signals: Signals) -> ExitCode {
    sandbox::warn_of_root();
    match server.run_until_signalled(signals) {
        Ended::Orderly => ExitCode::SUCCESS,
        Ended::DeadlinePassed => CUT.into(),
    }
}

/// What the start is from.
struct Loaded {
    origin: Origin,
    config: Config,
    /// `None` where it is not a node of a fleet.
    begun: Option<Begun>,
    /// Whom the process becomes.
    user: Option<Ids>,
    /// What it will be able to use.
    plan: Plan,
    /// Warnings about files that the process itself could change, although its successors obey them.
    risks: Vec<String>,
    /// Warnings about files that others could change.
    owners: Vec<String>,
}

fn load(path: PathBuf, signals: &mut Signals) -> Result<Loaded, StartError> {
    let work = move || {
        let config = config::load(&path)?;
        // A pipe cannot be read again for a reload.
        let is_read_once = files::pipe::is_read_once(&path);
        let file = (!is_read_once).then(|| path.clone());
        let origin = if is_read_once { Origin::Once(path) } else { Origin::File(path) };
        loaded(config, origin, file.as_deref())
    };
    waited_for(work, signals)
}

/// The same for a release of a fleet.
fn load_release(begun: Begun, signals: &mut Signals) -> Result<Loaded, StartError> {
    let mut begun = begun;
    let work = move || loop {
        let found = begun.config().and_then(|config| loaded(config, begun.origin(), Some(begun.path())));
        match found {
            Ok(loaded) => return Ok(Loaded { begun: Some(begun), ..loaded }),
            Err(errors) if begun.goes_back(&errors) => {}
            Err(errors) => return Err(errors),
        }
    };
    waited_for(work, signals)
}

/// Looks at what the start with a configuration needs. `file` is what can be read again.
fn loaded(config: Config, origin: Origin, file: Option<&Path>) -> Result<Loaded, Vec<ConfigError>> {
    // Here, since a system may ask a server for its users.
    let user = sandbox::user(&config.process).map_err(|error| vec![error])?;
    floor_is_kept(&config, user.as_ref()).map_err(|error| vec![error])?;
    sandbox::prepare(&config, user.as_ref()).map_err(|error| vec![error])?;
    modules_are_loaded(&config)?;
    let plan = Plan::of(&config, file);
    let obeyed = risks::obeyed(&config, file);
    let (risks, owners) = (risks::of_plan(&plan, &obeyed), risks::of_owners(&obeyed));
    Ok(Loaded { origin, config, begun: None, user, plan, risks, owners })
}

/// Loads the modules of tokens: a process that has given up its rights can load none.
fn modules_are_loaded(config: &Config) -> Result<(), Vec<ConfigError>> {
    let load = |source: &Located<Source>| {
        let uri = source.value.token()?;
        token::load(&uri.module).err().map(|error| source.error(format!("{uri}: {error}")))
    };
    let errors: Vec<ConfigError> = config.sources().filter_map(load).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Whether this process, if it takes over, gives up what the one before it gave up.
fn floor_is_kept(config: &Config, user: Option<&Ids>) -> Result<(), ConfigError> {
    let Some(text) = successor::floor() else { return Ok(()) };
    let error = |message| ConfigError { path: "process".into(), position: None, message };
    Floor::parse(&text).map_err(error)?.is_kept_by(&Floor::of(config, user))
}

/// Reports why the start failed, and returns the exit code.
fn failed(from: &From, error: &StartError) -> ExitCode {
    // A signal during the start is an orderly end, as it is later.
    if matches!(error, StartError::Stopped) {
        return ExitCode::SUCCESS;
    }
    for line in error.to_string().lines() {
        match from {
            From::Fleet(path) => fleet::complain_of(path, line),
            From::File(path) => complain(&format!("{}: {line}", path.display())),
        }
    }
    FAILED.into()
}
