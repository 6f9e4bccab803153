//! The listening sockets and the workers that accept on them. Must not know: why they change.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::located::{ConfigError, Located};
use crate::config::validate::Config;
use crate::net::address::Address;
use crate::net::listen::{Acceptor, Listening};
use crate::net::socket;
use crate::proxy::listener::{self, Shared};
use crate::reload;
use crate::server::descriptors::{Demand, Descriptors};
use crate::server::handover::{Inherited, Name};

/// A listener's name and one address as configured: what makes a socket the same one after a reload.
type Key = (Arc<str>, Address);

/// Every socket accepts on every worker: one queue, so that no connection waits in it for a worker that is busy or gone.
pub(super) struct Sockets {
    workers: Vec<Handle>,
    shared: Option<Shared>,
    bound: HashMap<Key, Bound>,
    inherited: Inherited,
    descriptors: Descriptors,
}

struct Bound {
    socket: Listening,
    /// Dropped or sent true, it ends the accepting.
    stop: watch::Sender<bool>,
}

/// Bound, and not accepting yet.
pub(super) struct Prepared {
    fresh: Vec<(Key, Listening)>,
    /// All that there are to be, each with the permissions that it has if it is a Unix socket.
    wanted: HashMap<Key, u32>,
    demand: Demand,
}

impl Sockets {
    pub(super) fn new(workers: Vec<Handle>, shared: Shared, inherited: Inherited, descriptors: Descriptors) -> Self {
        Self { workers, shared: Some(shared), bound: HashMap::new(), inherited, descriptors }
    }

    /// What another process needs to go on accepting.
    pub(super) fn to_hand_over(&self) -> Vec<(Name, &Listening)> {
        self.bound.iter().map(|(key, bound)| (name_of(key), &bound.socket)).collect()
    }

    /// Another process goes on with every socket.
    pub(super) fn hand_over(&self) {
        self.bound.values().for_each(|bound| bound.socket.hand_over());
    }

    /// The process before this one is no longer needed.
    pub(super) fn accepting(&mut self) -> std::io::Result<()> {
        self.inherited.accepting()?;
        self.bound.values().for_each(|bound| bound.socket.take_over());
        Ok(())
    }

    /// Where it really listens: port 0 has become another.
    pub(super) fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        let real = |((name, _), bound): (&Key, &Bound)| Some((Arc::clone(name), bound.socket.address().ok()?));
        self.bound.iter().filter_map(real).collect()
    }

    /// Goes on in a new access log of the same name.
    pub(super) fn reopen_log(&self) {
        if let Some(shared) = &self.shared {
            shared.log.reopen();
        }
    }

    /// Accepts no more, and holds nothing that would make the process look busy.
    pub(super) fn close(&mut self) {
        self.bound.clear();
        self.shared = None;
    }

    fn start(&mut self, key: Key, socket: Listening) -> std::io::Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let (stop, stopped) = watch::channel(false);
        // Also one that was inherited may lack them.
        if let Listening::Tcp(socket) = &socket {
            socket::prepare_listening(socket)?;
        }
        for (number, worker) in self.workers.iter().enumerate() {
            let acceptor = {
                let _inside = worker.enter();
                Acceptor::new(&socket)?
            };
            let name = Arc::clone(&key.0);
            worker.spawn(listener::accept(acceptor, number, name, shared.clone(), stopped.clone()));
        }
        tracing::info!(listener = %key.0, address = %socket.address()?, "listening");
        self.bound.insert(key, Bound { socket, stop });
        Ok(())
    }
}

fn demand(config: &Config, sockets: usize) -> Demand {
    let checked = config.backends.iter().filter(|backend| backend.health.is_some());
    Demand {
        sockets,
        checks: checked.map(|backend| backend.settings.servers.len()).sum(),
        connections: config.listeners.iter().fold(0, |sum, one| sum.saturating_add(one.limits.counts.max_connections)),
    }
}

fn name_of((listener, address): &Key) -> Name {
    Name { listener: listener.to_string(), address: address.to_string() }
}

impl reload::Sockets for Sockets {
    type Prepared = Prepared;

    fn prepare(&mut self, config: &Config) -> Result<Prepared, Vec<ConfigError>> {
        let places: Vec<_> = config
            .listeners
            .iter()
            .flat_map(|listener| {
                let key = |place: &Located<Address>| (Arc::clone(&listener.name), place.value.clone());
                listener.listen.iter().map(move |place| (key(place), place, listener.socket_mode.0))
            })
            .collect();
        let wanted: HashMap<Key, u32> = places.iter().map(|(key, _, mode)| (key.clone(), *mode)).collect();
        // Those of listeners that give this very address up; with port 0 each is another.
        let given_up = self.bound.iter().filter(|(key, _)| key.1.port() != Some(0) && !wanted.contains_key(key));
        let given_up: HashMap<&Address, &Listening> =
            given_up.map(|((_, address), bound)| (address, &bound.socket)).collect();
        let (mut fresh, mut errors) = (Vec::new(), Vec::new());
        for (key, place, mode) in places {
            if self.bound.contains_key(&key) {
                continue;
            }
            let socket = match (self.inherited.take(&name_of(&key)), given_up.get(&key.1)) {
                (Some(socket), _) => Listening::inherited(socket, &key.1, mode),
                (None, Some(socket)) => socket.try_clone(),
                (None, None) => Listening::bind(&key.1, mode),
            };
            match socket {
                Ok(socket) => fresh.push((key, socket)),
                Err(error) => errors.push(place.error(format!("cannot listen on {}: {error}", place.value))),
            }
        }
        if errors.is_empty() {
            Ok(Prepared { fresh, demand: demand(config, wanted.len()), wanted })
        } else {
            Err(errors)
        }
    }

    fn commit(&mut self, prepared: Prepared) {
        if let Some(shared) = &self.shared {
            shared.room.set(self.descriptors.connections(prepared.demand));
        }
        for (key, socket) in prepared.fresh {
            let name = Arc::clone(&key.0);
            if let Err(error) = self.start(key, socket) {
                tracing::error!(listener = %name, %error, "cannot accept");
            }
        }
        self.bound.retain(|key, bound| {
            let mode = prepared.wanted.get(key);
            if mode.is_none() {
                // Nobody listens only if the workers are gone.
                let _ = bound.stop.send(true);
                tracing::info!(listener = %key.0, address = %key.1, "no longer listening; its connections go on");
            }
            if let Some(Err(error)) = mode.map(|mode| bound.socket.set_mode(*mode)) {
                tracing::error!(listener = %key.0, address = %key.1, %error, "its permissions cannot be set");
            }
            mode.is_some()
        });
    }
}
