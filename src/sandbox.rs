//! What a process may use after its start: whom it becomes, files, system calls. Must not know: how connections are served.

use std::fmt;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::config::validate::process::Process;
use crate::config::values::process::Sandbox;
use crate::rights;
use crate::rights::Left;
use crate::rights::ids::{Ids, Unknown};
use crate::state;

mod filter;
pub mod floor;
pub mod foreseen;
mod offer;
pub mod plan;
pub mod risks;
mod ruleset;
mod sources;

use plan::Plan;
use ruleset::Enforced;

/// Why a process does not start.
#[derive(Debug, Error)]
pub enum Error {
    #[error("process: {0}")]
    Rights(#[from] rights::Error),
    #[error("process: sandbox: files cannot be restricted: {0}")]
    Files(#[from] landlock::RulesetError),
    #[error("process: sandbox: system calls cannot be restricted: {0}")]
    Calls(io::Error),
    #[error("process: sandbox: \"require\", but this kernel does not offer: {}", .0.join(", "))]
    NotOffered(Vec<&'static str>),
    #[error("process: sandbox: \"require\", but {0} more threads run already, which keep their rights (expected none)")]
    Threads(usize),
}

/// What was given up. To be kept as long as the process runs.
#[derive(Debug, Default)]
pub struct Entered {
    /// The name of the user that the process has become.
    user: Option<String>,
    /// `None` where everything stays as it was.
    left: Option<Left>,
    files: Option<Enforced>,
    calls: bool,
    /// Threads that were there already.
    others: usize,
    lacking: Vec<&'static str>,
    is_off: bool,
}

/// The user that the process becomes; `None` where none is named. The error names the key.
pub fn user(process: &Process) -> Result<Option<Ids>, ConfigError> {
    let Some(user) = &process.user else { return Ok(None) };
    let group = process.group.as_ref();
    Ids::find(&user.value, group.map(|group| group.value.as_str())).map(Some).map_err(|unknown| {
        match (&unknown, group) {
            (Unknown::Group(_), Some(group)) => group.error(unknown.to_string()),
            _ => user.error(unknown.to_string()),
        }
    })
}

/// Makes the folder of the state for a user who could not make it. To be called before the process becomes that user.
pub fn prepare(config: &Config, user: Option<&Ids>) -> Result<(), ConfigError> {
    match &config.state.directory {
        Some(folder) if config.process.gives_up_rights() && uses_state(config) => {
            let made = state::make(&folder.value, user.map(|user| (user.uid, user.gid)));
            made.map_err(|error| folder.error(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Whether anything is kept there.
fn uses_state(config: &Config) -> bool {
    !config.acme.authorities.is_empty() || !config.crl.wanted.is_empty() || config.fleet.is_some()
}

/// Becomes that user, and gives up all that the process does not need. To be called before another thread is started.
pub fn enter(process: &Process, user: Option<&Ids>, plan: &Plan) -> Result<Entered, Error> {
    if !process.gives_up_rights() {
        return Ok(Entered { is_off: true, ..Entered::default() });
    }
    let others = others();
    let left = rights::give_up(user, plan.sources().foreign)?;
    rights::hide_memory()?;
    let user = user.map(|user| user.name.clone());
    let entered = Entered { user, left: Some(left), others, ..Entered::default() };
    match process.sandbox.value {
        Sandbox::Off => Ok(Entered { is_off: true, ..entered }),
        Sandbox::Auto => confined(plan, entered),
        Sandbox::Require if others > 0 => Err(Error::Threads(others)),
        Sandbox::Require => {
            let mut entered = confined(plan, entered)?;
            let is_open = entered.files.as_ref().is_some_and(|files| files.abstract_sockets);
            entered.lacking.extend(is_open.then_some("abstract Unix sockets, since NOTIFY_SOCKET is one"));
            if entered.lacking.is_empty() { Ok(entered) } else { Err(Error::NotOffered(entered.lacking)) }
        }
    }
}

/// Files first: the filter does not allow to restrict them.
fn confined(plan: &Plan, entered: Entered) -> Result<Entered, Error> {
    let files = ruleset::enforce(plan)?;
    let calls = filter::apply().map_err(Error::Calls)?;
    let lacking = offer::lacking(files.as_ref().map_or(0, |files| files.version), calls);
    Ok(Entered { files, calls, lacking, ..entered })
}

/// The number of other threads. One that has ended its work is waited for.
fn others() -> usize {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let others = fs::read_dir("/proc/self/task").map_or(0, Iterator::count).saturating_sub(1);
        if others == 0 || Instant::now() > deadline {
            return others;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

impl Entered {
    /// Whether files are restricted, so that a reload may need one that cannot be used.
    pub fn restricts_files(&self) -> bool {
        self.files.is_some()
    }

    /// Whether files or system calls are open though they should not be.
    fn is_open(&self) -> bool {
        !self.is_off && (self.files.is_none() || !self.calls || self.others > 0)
    }

    /// Logs what was given up, and what of the plan does not exist.
    pub fn log(&self, plan: &Plan) {
        match self.left {
            Some(_) if self.is_open() => tracing::warn!("{self}"),
            Some(_) => tracing::info!("{self}"),
            None => {}
        }
        if self.restricts_files() {
            for absent in plan.absent() {
                tracing::warn!(
                    "{absent} does not exist, and cannot be used if it is made later: it takes an upgrade in place or a restart"
                );
            }
        }
    }
}

/// An error for each backend whose source this process has not the right to use.
pub fn without_right(config: &Config) -> Vec<ConfigError> {
    let foreign = config
        .backends
        .iter()
        .filter_map(|backend| backend.source.as_ref())
        .filter(|source| sources::is_foreign(source));
    let mut foreign = foreign.peekable();
    if foreign.peek().is_none() || rights::may_be_foreign() {
        return Vec::new();
    }
    foreign.map(|source| source.error(sources::NO_RIGHT)).collect()
}

/// Logs a warning where the process is still root. To be called once it serves.
pub fn warn_of_root() {
    if rights::is_root() {
        tracing::warn!("tlsgate runs as root: name another user in the configuration, as \"user\" in [process]");
    }
}

impl fmt::Display for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Left { uid, capabilities }) = &self.left else { return f.write_str("no rights given up") };
        match &self.user {
            Some(user) => write!(f, "rights given up: user {user} (uid {uid}), ")?,
            None => write!(f, "rights given up: same user (uid {uid}), ")?,
        }
        match &**capabilities {
            [] => f.write_str("no capabilities")?,
            some => write!(f, "only {}", some.join(" and "))?,
        }
        f.write_str(", no new privileges, no core dumps")?;
        if self.is_off {
            return f.write_str("; files and system calls: all, since sandbox = \"off\"");
        }
        match &self.files {
            Some(files) => {
                write!(f, "; files: Landlock {} ({} paths)", files.version, files.paths)?;
                if files.abstract_sockets {
                    f.write_str(", abstract Unix sockets: all, since NOTIFY_SOCKET is one")?;
                }
            }
            None => f.write_str("; files: all")?,
        }
        f.write_str(if self.calls { "; system calls: seccomp" } else { "; system calls: all" })?;
        let lacking = if self.lacking.is_empty() { "–".to_owned() } else { self.lacking.join(", ") };
        write!(f, "; not offered here: {lacking}")?;
        if self.others > 0 {
            write!(f, "; {} threads ran already, and can still use all files", self.others)?;
        }
        Ok(())
    }
}

/// How long a thread takes to end after its work.
const PATIENCE: Duration = Duration::from_secs(1);
