//! The admin server: health, state and changes over HTTP, and a second door for probes alone. Each has a thread and a runtime
//! of its own, so that neither they nor the data path can starve each other. Must not know: how connections are served, how
//! a reload works.

use std::io;
use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, SetOnce};

use crate::config::located::{ConfigError, Located};
use crate::config::validate::{Config, admin as asked};
use crate::live::registry::Registry;
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::net::listen::Listening;
use crate::pressure::Pressure;
use crate::reload::control::Control;

mod change;
mod commit;
mod connection;
mod entering;
mod known;
mod page;
mod pages;
mod probes;
pub mod request;
mod service;
mod shared;
mod stepping;
mod thread;
mod view;

use change::audit::Audit;
use change::folder;
use connection::door::Door;
use connection::permits::Permits;
use known::{CHANGES, Known, Process};
pub use known::{Counted, Keepers};
use page::session::Sessions;
use probes::Probes;
use request::token;
use shared::Shared;
use thread::Serving;

/// A running admin server. Dropping it ends it, after the answers that are being made.
#[derive(Debug)]
pub struct Admin {
    known: Arc<Known>,
    api: Option<Serving>,
    probes: Option<Serving>,
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Health, state and changes.
    Api,
    /// Health and metrics alone.
    Probes,
}

/// Connections at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    pub api: usize,
    pub probes: usize,
}

/// Finishes changes in the folders of certificates that an earlier process could not finish because it was killed. To be
/// called before the folders are read for the first time.
pub fn tidy(config: &Config) {
    folder::tidy_all(config);
}

impl Admin {
    /// Accepts, and answers "not ready" until [`Admin::ready`]. `None` where no admin server is configured. `listening` makes
    /// the listening sockets, `most` are the largest numbers of connections at one time.
    pub fn open(
        config: &asked::Admin,
        mut listening: impl FnMut(Purpose, &Endpoint) -> io::Result<Vec<Listening>>,
        most: Most,
        counted: Counted,
    ) -> Result<Option<Self>, ConfigError> {
        if config.listen.is_none() && config.probes.is_none() {
            return Ok(None);
        }
        // Read here only to report an unusable token now, not at the first change.
        config.token_file.as_ref().map(token::read).transpose()?;
        let known = Arc::new(Known {
            process: SetOnce::new(),
            counted,
            hosts: config.hosts.clone(),
            audit: Audit::default(),
            permits: Arc::new(Permits::new(most.api)),
            probes: Arc::new(Permits::new(most.probes)),
            sessions: Sessions::default(),
            changes: Arc::new(Semaphore::new(CHANGES)),
            renderings: Arc::default(),
            probe_renderings: Arc::default(),
        });
        let api =
            opened(config.listen.as_ref(), |listen| api(config, &known, listen, listening(Purpose::Api, listen)?))?;
        let probes =
            opened(config.probes.as_ref(), |listen| probes(&known, listen, listening(Purpose::Probes, listen)?))?;
        Ok(Some(Self { known, api, probes }))
    }

    /// From now on, the server shows and changes this state.
    pub fn ready(&self, control: Control, keepers: Keepers, pressure: Arc<Pressure>, live: Arc<Registry>) {
        // An error would mean that it is already set, but a server starts once in a process.
        let _ = self.known.process.set(Process { control, keepers, pressure, live });
    }

    /// The sockets that this process or its predecessor has bound, with the addresses as configured.
    pub fn bound(&self) -> impl Iterator<Item = (Purpose, &Address, &Listening)> {
        let doors = [(Purpose::Api, &self.api), (Purpose::Probes, &self.probes)];
        let serving = doors.into_iter().filter_map(|(purpose, door)| Some((purpose, door.as_ref()?)));
        serving.filter_map(|(purpose, door)| Some((purpose, door.listen.address()?, door.sockets.first()?)))
    }

    /// Takes the sockets over from the predecessor: their files are removed when this ends.
    pub fn take_over(&self) {
        self.serving().flat_map(|serving| &serving.sockets).for_each(Listening::take_over);
    }

    /// Ends the server, and leaves the sockets to the process that has taken them over.
    pub fn hand_over(self) {
        self.serving().flat_map(|serving| &serving.sockets).for_each(Listening::hand_over);
    }

    fn serving(&self) -> impl Iterator<Item = &Serving> {
        self.api.iter().chain(&self.probes)
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // Both first: each of them is waited for when it is dropped.
        self.serving().for_each(Serving::end);
    }
}

/// Serves what is configured. `None` where nothing is.
fn opened(
    listen: Option<&Located<Endpoint>>,
    serve: impl FnOnce(&Endpoint) -> io::Result<Serving>,
) -> Result<Option<Serving>, ConfigError> {
    let Some(listen) = listen else { return Ok(None) };
    let refused = |error: io::Error| listen.error(format!("cannot listen on {}: {error}", listen.value));
    serve(&listen.value).map(Some).map_err(refused)
}

fn api(config: &asked::Admin, known: &Arc<Known>, listen: &Endpoint, sockets: Vec<Listening>) -> io::Result<Serving> {
    let secure = config.tls.is_some();
    for socket in &sockets {
        let door = Door::of(socket)?;
        tracing::info!(address = %door, "admin API listening");
        if door.is_open_to_others() && !secure {
            tracing::warn!(
                address = %door,
                "the admin API can be reached from other machines, and HTTP is not encrypted (expected [admin.tls], or a loopback address)"
            );
        }
    }
    let shared = Shared {
        known: Arc::clone(known),
        secure,
        changing: Mutex::new(()),
        readers: Arc::new(Semaphore::new(READERS)),
    };
    Serving::start("admin", listen, sockets, Arc::clone(&known.permits), Arc::new(shared))
}

fn probes(known: &Arc<Known>, listen: &Endpoint, sockets: Vec<Listening>) -> io::Result<Serving> {
    for socket in &sockets {
        tracing::info!(address = %Door::of(socket)?, "probes listening");
    }
    let probes = Probes { known: Arc::clone(known) };
    Serving::start("admin-probes", listen, sockets, Arc::clone(&known.probes), Arc::new(probes))
}

/// The largest numbers of connections at one time; fewer where descriptors are scarce.
pub const MOST_CONNECTIONS: Most = Most { api: 256, probes: 64 };
/// Threads that read the token at one time. More would all wait for the same file.
const READERS: usize = 4;
