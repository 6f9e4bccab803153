//! The admin server: health, state and changes over HTTP, on a thread and a runtime of its own, so that neither it nor the
//! data path can starve the other. Must not know: how connections are served, how a reload works.

use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::timeout;

use crate::config::located::ConfigError;
use crate::config::validate::{Config, admin as asked};
use crate::net::listen::{Acceptor, Handed, Listening};
use crate::reload::control::Control;

mod change;
mod connection;
pub mod request;
mod service;
mod view;

use change::audit::Audit;
use change::folder;
use connection::places::Places;
use connection::{door, serve};
use request::token;
use service::{Metrics, Shared};

/// A running admin server. Dropping it ends it, after what is being answered.
#[derive(Debug)]
pub struct Admin {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    /// The listening socket, for who takes over.
    socket: Listening,
}

/// Finishes, in the folders of certificates, changes through the API that a process could not finish because it was
/// killed. To be called before the folders are read for the first time.
pub fn tidy(config: &Config) {
    folder::tidy_all(config);
}

impl Admin {
    /// Listens, and answers that nothing is ready yet. `None` where the configuration does not want an admin server.
    /// `inherited` is the listening socket of the process before this one. So many connections it has at `most`.
    pub fn open(
        config: &asked::Admin,
        inherited: Option<Handed>,
        most: usize,
        metrics: Metrics,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(listen) = &config.listen else { return Ok(None) };
        // A token that cannot be read is best reported before somebody needs it.
        config.token_file.as_ref().map(token::read).transpose()?;
        let refused = |error: std::io::Error| listen.error(format!("cannot listen on {}: {error}", listen.value));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let (socket, door) = door::bind(&listen.value, config.socket_mode, inherited).map_err(refused)?;
        let acceptor = {
            let _inside = runtime.enter();
            Acceptor::new(&socket).map_err(refused)?
        };
        tracing::info!(address = %door, "admin API listening");
        if door.is_open_to_others() {
            tracing::warn!(address = %door, "the admin API can be reached from other machines, and HTTP does not encrypt");
        }
        let shared = Arc::new(Shared {
            door,
            control: OnceLock::new(),
            metrics,
            hosts: config.hosts.clone(),
            places: Arc::new(Places::new(most)),
            renderings: Arc::default(),
            audit: Audit::default(),
            changing: Mutex::new(()),
            changes: Arc::new(Semaphore::new(CHANGES)),
            readers: Arc::new(Semaphore::new(READERS)),
        });
        let (stop, stopped) = watch::channel(false);
        let served = served(acceptor, Arc::clone(&shared), stopped);
        let serving = move || {
            runtime.block_on(served);
            // Who reads from a disk that does not answer is not waited for.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("admin".into()).spawn(serving).map_err(refused)?;
        Ok(Some(Self { shared, stop, thread: Some(thread), socket }))
    }

    /// From here on there is something to look at and to change.
    pub fn ready(&self, control: Control) {
        // It is set once: there is one server in a process.
        let _ = self.shared.control.set(control);
    }

    /// The listening socket.
    pub fn socket(&self) -> &Listening {
        &self.socket
    }

    /// The process before this one has left the socket to it.
    pub fn take_over(&self) {
        self.socket.take_over();
    }

    /// Ends it, and leaves the socket to another process that has it by now.
    pub fn hand_over(self) {
        self.socket.hand_over();
    }
}

/// Answers until it has to stop, and then waits a moment for what is under way.
async fn served(acceptor: Acceptor, shared: Arc<Shared>, stopped: watch::Receiver<bool>) {
    let answering = Arc::clone(&shared);
    serve::serve(&acceptor, &shared.places, stopped, move |request, caller, place| {
        service::answer(Arc::clone(&answering), caller, place, request)
    })
    .await;
    let all_ended = async {
        shared.places.all_free().await;
        // It is locked only to see that no change holds it.
        drop(shared.changing.lock().await);
    };
    if timeout(LAST_WORDS, all_ended).await.is_err() {
        tracing::warn!("a connection to the admin server is cut");
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // Nobody listens only if the thread has ended.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the admin server had panicked");
        }
    }
}

/// Connections at one time, where descriptors are not scarce.
pub const MOST_CONNECTIONS: usize = 256;
/// Changes that are made or wait their turn at one time. Each may hold a body of 1 MiB.
const CHANGES: usize = 32;
/// Threads that read the token at one time.
const READERS: usize = 4;
/// For what is being answered when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
