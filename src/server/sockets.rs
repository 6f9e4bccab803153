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
use crate::reload::sockets;
use crate::server::descriptors::{Demand, Descriptors};
use crate::server::handover::{Inherited, Name};

/// A listener's name and one address as configured. A socket with the same key is kept in a reload.
type Key = (Arc<str>, Address);

/// Every worker accepts on every socket.
// One queue for all workers: with SO_REUSEPORT each worker would have its own, and a connection in the queue of a worker
// that is busy or gone would wait or be lost.
pub(super) struct Sockets {
    workers: Vec<Handle>,
    shared: Option<Shared>,
    bound: HashMap<Key, Bound>,
    inherited: Inherited,
    descriptors: Descriptors,
}

struct Bound {
    socket: Listening,
    /// The workers stop accepting when `true` is sent, or when this is dropped.
    stop: watch::Sender<bool>,
}

/// Sockets that are bound and do not accept yet.
pub(super) struct Prepared {
    fresh: Vec<(Key, Listening)>,
    /// All sockets of the new configuration, each with its permissions in case it is a Unix socket.
    wanted: HashMap<Key, u32>,
    demand: Demand,
}

impl Sockets {
    pub(super) fn new(workers: Vec<Handle>, shared: Shared, inherited: Inherited, descriptors: Descriptors) -> Self {
        Self { workers, shared: Some(shared), bound: HashMap::new(), inherited, descriptors }
    }

    /// The sockets that another process needs to take over, with their names.
    pub(super) fn to_hand_over(&self) -> Vec<(Name, &Listening)> {
        self.bound.iter().map(|(key, bound)| (name_of(key), &bound.socket)).collect()
    }

    /// Marks every socket as taken over by another process, so that the file of a Unix socket stays.
    pub(super) fn hand_over(&self) {
        self.bound.values().for_each(|bound| bound.socket.hand_over());
    }

    /// Reports to the predecessor, if there is one, that this process accepts, and takes its sockets over.
    pub(super) fn accepting(&mut self) -> std::io::Result<()> {
        self.inherited.accepting()?;
        self.bound.values().for_each(|bound| bound.socket.take_over());
        Ok(())
    }

    /// The addresses as bound, with the real port where port 0 is configured.
    pub(super) fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        let real = |((name, _), bound): (&Key, &Bound)| Some((Arc::clone(name), bound.socket.address().ok()?));
        self.bound.iter().filter_map(real).collect()
    }

    /// Opens the access log again under the same name, after it was rotated.
    pub(super) fn reopen_log(&self) {
        if let Some(shared) = &self.shared {
            shared.log.reopen();
        }
    }

    /// Accepts no more.
    pub(super) fn close(&mut self) {
        self.bound.clear();
        // It holds a sender of the channel whose end means that every connection has ended.
        self.shared = None;
    }

    fn start(&mut self, key: Key, socket: Listening) -> std::io::Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let (stop, stopped) = watch::channel(false);
        // Inherited sockets as well: an older version of this program may not have set all options.
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

impl sockets::Sockets for Sockets {
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
        // An address may move to another listener: its socket is shared, since binding it again fails while the old one
        // listens. Sockets of port 0 are all on different ports, so none of them can be reused.
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
                // It fails only if the workers are gone.
                let _ = bound.stop.send(true);
                tracing::info!(listener = %key.0, address = %key.1, "no longer listening; open connections continue");
            }
            if let Some(Err(error)) = mode.map(|mode| bound.socket.set_mode(*mode)) {
                tracing::error!(listener = %key.0, address = %key.1, %error, "cannot set the permissions of the socket");
            }
            mode.is_some()
        });
    }
}
