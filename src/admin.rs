//! The admin server: health, state and changes over HTTP, on a thread and a runtime of its own, so that neither it nor the
//! data path can starve the other. Must not know: how connections are served, how a reload works.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::acme::keeper::Handle as Acme;
use crate::config::located::ConfigError;
use crate::config::validate::{Config, admin as asked};
use crate::net::endpoint::Endpoint;
use crate::net::listen::{Acceptor, Listening};
use crate::reload::control::Control;

mod change;
mod connection;
pub mod request;
mod service;
mod view;

use change::audit::Audit;
use change::folder;
use connection::door::Door;
use connection::permits::Permits;
use connection::serve;
use request::token;
use service::{Metrics, Process, Shared};

/// A running admin server. Dropping it ends it, after the answers that are being made.
#[derive(Debug)]
pub struct Admin {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    /// The listening sockets, for a process that takes over.
    sockets: Vec<Listening>,
}

/// Finishes changes in the folders of certificates that an earlier process could not finish because it was killed. To be
/// called before the folders are read for the first time.
pub fn tidy(config: &Config) {
    folder::tidy_all(config);
}

impl Admin {
    /// Accepts, and answers "not ready" until [`Admin::ready`]. `None` where no admin server is configured. `listening` makes
    /// its listening sockets, `most` is the largest number of connections at one time.
    pub fn open(
        config: &asked::Admin,
        listening: impl FnOnce(&Endpoint) -> io::Result<Vec<Listening>>,
        most: usize,
        metrics: Metrics,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(listen) = &config.listen else { return Ok(None) };
        // Read here only to report an unusable token now, not at the first change.
        config.token_file.as_ref().map(token::read).transpose()?;
        let refused = |error: io::Error| listen.error(format!("cannot listen on {}: {error}", listen.value));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let sockets = listening(&listen.value).map_err(refused)?;
        let doors = sockets.iter().map(|socket| accepting(socket, runtime.handle()));
        let doors = doors.collect::<io::Result<Vec<_>>>().map_err(refused)?;
        let shared = Arc::new(Shared {
            process: OnceLock::new(),
            metrics,
            hosts: config.hosts.clone(),
            permits: Arc::new(Permits::new(most)),
            renderings: Arc::default(),
            audit: Audit::default(),
            changing: Mutex::new(()),
            changes: Arc::new(Semaphore::new(CHANGES)),
            readers: Arc::new(Semaphore::new(READERS)),
        });
        let (stop, stopped) = watch::channel(false);
        let served = served(doors, Arc::clone(&shared), stopped);
        let serving = move || {
            runtime.block_on(served);
            // Does not wait for threads that read from a disk that does not answer.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("admin".into()).spawn(serving).map_err(refused)?;
        Ok(Some(Self { shared, stop, thread: Some(thread), sockets }))
    }

    /// From now on, the server shows and changes this state.
    pub fn ready(&self, control: Control, acme: Acme) {
        // An error would mean that it is already set, but a server starts once in a process.
        let _ = self.shared.process.set(Process { control, acme });
    }

    /// The listening sockets.
    pub fn sockets(&self) -> &[Listening] {
        &self.sockets
    }

    /// Takes the sockets over from the predecessor: their files are removed when this ends.
    pub fn take_over(&self) {
        self.sockets.iter().for_each(Listening::take_over);
    }

    /// Ends the server, and leaves the sockets to the process that has taken them over.
    pub fn hand_over(self) {
        self.sockets.iter().for_each(Listening::hand_over);
    }
}

/// The socket with its address, ready to accept in that runtime.
fn accepting(socket: &Listening, runtime: &Handle) -> io::Result<(Acceptor, Arc<Door>)> {
    let _inside = runtime.enter();
    let (acceptor, door) = (Acceptor::new(socket)?, Door::of(socket)?);
    tracing::info!(address = %door, "admin API listening");
    if door.is_open_to_others() {
        tracing::warn!(address = %door, "the admin API can be reached from other machines, and HTTP is not encrypted");
    }
    Ok((acceptor, Arc::new(door)))
}

/// Answers until it has to stop, and then waits a moment for the answers that are being made.
async fn served(doors: Vec<(Acceptor, Arc<Door>)>, shared: Arc<Shared>, stopped: watch::Receiver<bool>) {
    let mut serving = JoinSet::new();
    for (acceptor, door) in doors {
        let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
        serving.spawn(async move {
            let answering = Arc::clone(&shared);
            serve::serve(&acceptor, &shared.permits, stopped, move |request, caller, permit| {
                service::answer(Arc::clone(&answering), Arc::clone(&door), caller, permit, request)
            })
            .await;
        });
    }
    while serving.join_next().await.is_some() {}
    let all_ended = async {
        shared.permits.all_free().await;
        // Waits until no change holds it.
        drop(shared.changing.lock().await);
    };
    if timeout(LAST_WORDS, all_ended).await.is_err() {
        tracing::warn!("a connection to the admin server is cut");
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // It fails only if the thread has ended.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the admin server has panicked");
        }
    }
}

/// The largest number of connections at one time; fewer where descriptors are scarce.
pub const MOST_CONNECTIONS: usize = 256;
/// Changes that run or wait at one time. Each may hold a body of 1 MiB.
const CHANGES: usize = 32;
/// Threads that read the token at one time. More would all wait for the same file.
const READERS: usize = 4;
/// For the answers that are being made when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
