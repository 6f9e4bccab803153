//! The handle with which other parts of the process read the state and ask for changes. Must not know: how a reload works.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::files::manifest::Manifest;
use crate::files::unchanged::Known;
use crate::net::address::Address;
use crate::reload::report::Report;
use crate::snapshot::Current;
use crate::warning::Warning;

/// Cheap to clone; works from any thread and runtime.
#[derive(Debug, Clone)]
pub struct Control {
    commands: mpsc::Sender<Command>,
    pub current: Arc<Current>,
    /// The state of the configuration and of the last reload; changes after every attempt.
    pub status: watch::Receiver<Arc<Status>>,
    /// By which operators change what no file has.
    pub changes: Arc<Changes>,
}

/// Changes of what no file has, such as weights: where another process takes over, it has all that were made.
#[derive(Debug, Default)]
pub struct Changes {
    /// Another process was told of all so far.
    are_told: Mutex<bool>,
}

/// Another process was told of all changes so far, and would not have this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another process is about to take over, and would not have this change: ask again in a moment")]
pub struct TakenOver;

/// What can be asked for.
#[derive(Debug)]
pub enum Command {
    Reload(oneshot::Sender<Arc<Report>>),
    Drain,
    /// Build a release of the fleet and bind its addresses, without serving it.
    Prepare {
        file: PathBuf,
        /// Of its folder.
        known: Option<Arc<Known>>,
        reply: oneshot::Sender<Result<(), Vec<ConfigError>>>,
        spoiled: mpsc::UnboundedSender<Spoiled>,
    },
    /// Serve what was prepared.
    Commit {
        file: PathBuf,
        reply: oneshot::Sender<Result<(), Vec<ConfigError>>>,
    },
    /// Let go of what was prepared.
    LetGo(PathBuf),
    /// The files of the release with this configuration were written again, and are known by this.
    Written(PathBuf, Manifest),
}

/// A release that was prepared, and cannot be served any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoiled {
    pub file: PathBuf,
    pub errors: Vec<ConfigError>,
}

/// The state of the configuration.
#[derive(Debug, Clone)]
pub struct Status {
    /// The configuration that is in force.
    pub config: Arc<Config>,
    pub started: Timestamp,
    /// The number of states so far that differed from the one before, the first included.
    pub generation: u64,
    pub last_success: Timestamp,
    pub successes: u64,
    pub failures: u64,
    /// Why the last attempt failed; empty where it did not.
    pub errors: Vec<ConfigError>,
    /// All warnings, and certificates of folders that could not be loaded; sorted.
    pub warnings: Arc<[Warning]>,
    pub draining: bool,
    /// Each listener with an address on which it listens, as the kernel knows it.
    pub addresses: Arc<[(Arc<str>, Address)]>,
}

/// The process is about to end and takes no more commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tlsgate is stopping")]
pub struct Stopping;

impl Control {
    /// A handle, and the receiver of its commands.
    pub fn new(current: Arc<Current>, status: watch::Receiver<Arc<Status>>) -> (Self, mpsc::Receiver<Command>) {
        let (commands, arriving) = mpsc::channel(QUEUED);
        (Self { commands, current, status, changes: Arc::default() }, arriving)
    }

    /// Reloads, and waits for the report. Reloads that are asked for at the same time are one reload.
    pub async fn reload(&self) -> Result<Arc<Report>, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Reload(reply)).await.map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// Builds the release of the fleet whose configuration is this file, and binds its addresses. It is not served before
    /// [`Self::commit`]. What is `known` to be the same in the release before is not read. If it has to be built again in between,
    /// and cannot be, that is sent to `spoiled`.
    pub async fn prepare(
        &self,
        file: &Path,
        known: Option<Arc<Known>>,
        spoiled: mpsc::UnboundedSender<Spoiled>,
    ) -> Result<Result<(), Vec<ConfigError>>, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(Command::Prepare { file: file.to_owned(), known, reply, spoiled })
            .await
            .map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// Serves what was prepared. The errors are those because of which it is not held any longer.
    pub async fn commit(&self, file: &Path) -> Result<Result<(), Vec<ConfigError>>, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Commit { file: file.to_owned(), reply }).await.map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// Lets go of what was prepared.
    pub async fn let_go(&self, file: &Path) -> Result<(), Stopping> {
        self.commands.send(Command::LetGo(file.to_owned())).await.map_err(|_| Stopping)
    }

    /// The files of a release were written again, and are known by this from now on.
    pub async fn written(&self, file: &Path, manifest: Manifest) -> Result<(), Stopping> {
        self.commands.send(Command::Written(file.to_owned(), manifest)).await.map_err(|_| Stopping)
    }

    /// Stops accepting and lets connections end, as SIGTERM does.
    pub async fn drain(&self) -> Result<(), Stopping> {
        self.commands.send(Command::Drain).await.map_err(|_| Stopping)
    }
}

impl Changes {
    /// Makes a change, and returns what it returns.
    pub fn make<T>(&self, change: impl FnOnce() -> T) -> Result<T, TakenOver> {
        let are_told = self.lock();
        if *are_told { Err(TakenOver) } else { Ok(change()) }
    }

    /// Reads what another process is told; `None` where it was told already. From now on, none is made.
    pub fn tell<T>(&self, read: impl FnOnce() -> T) -> Option<T> {
        let mut are_told = self.lock();
        (!std::mem::replace(&mut *are_told, true)).then(read)
    }

    /// The other process has not taken over.
    pub fn go_on(&self) {
        *self.lock() = false;
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.are_told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commands that wait to be taken; senders of more wait until there is room.
const QUEUED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_change_is_made_from_the_telling_until_it_goes_on() {
        let changes = Changes::default();
        assert_eq!(changes.make(|| 1), Ok(1));
        assert_eq!((changes.tell(|| 2), changes.tell(|| 3)), (Some(2), None));
        assert_eq!(changes.make(|| 4), Err(TakenOver));
        changes.go_on();
        assert_eq!(changes.make(|| 5), Ok(5));
        assert_eq!(changes.tell(|| 6), Some(6));
    }
}
