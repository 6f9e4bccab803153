//! The listening sockets and the workers that accept on them. Must not know: why they change.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::decode::ConfigError;
use crate::config::validate::Config;
use crate::net::socket;
use crate::proxy::listener::{self, Shared};
use crate::reload;
use crate::server::handover::{Inherited, Name};

/// A listener's name and one address as configured: what makes a socket the same one after a reload.
type Key = (Arc<str>, SocketAddr);

/// Every socket accepts on every worker: one queue, so that no connection waits in it for a worker that is busy or gone.
pub(super) struct Sockets {
    workers: Vec<Handle>,
    shared: Option<Shared>,
    bound: HashMap<Key, Bound>,
    inherited: Inherited,
}

struct Bound {
    socket: TcpListener,
    /// Dropped or sent true, it ends the accepting.
    stop: watch::Sender<bool>,
}

/// Bound, and not accepting yet.
pub(super) struct Prepared {
    fresh: Vec<(Key, TcpListener)>,
    wanted: Vec<Key>,
}

impl Sockets {
    pub(super) fn new(workers: Vec<Handle>, shared: Shared, inherited: Inherited) -> Self {
        Self { workers, shared: Some(shared), bound: HashMap::new(), inherited }
    }

    /// What another process needs to go on accepting.
    pub(super) fn to_hand_over(&self) -> Vec<(Name, BorrowedFd<'_>)> {
        self.bound.iter().map(|(key, bound)| (name_of(key), bound.socket.as_fd())).collect()
    }

    /// The process before this one is no longer needed.
    pub(super) fn accepting(&mut self) -> std::io::Result<()> {
        self.inherited.accepting()
    }

    /// Where it really listens: port 0 has become another.
    pub(super) fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        let real = |((name, _), bound): (&Key, &Bound)| Some((Arc::clone(name), bound.socket.local_addr().ok()?));
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

    fn start(&mut self, key: Key, socket: TcpListener) -> std::io::Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let (stop, stopped) = watch::channel(false);
        // Also one that was inherited may lack them.
        socket::prepare_listening(&socket)?;
        for (number, worker) in self.workers.iter().enumerate() {
            let (copy, name, shared, stopped) =
                (socket.try_clone()?, Arc::clone(&key.0), shared.clone(), stopped.clone());
            worker.spawn(async move {
                match tokio::net::TcpListener::from_std(copy) {
                    Ok(socket) => listener::accept(socket, number, name, shared, stopped).await,
                    Err(error) => tracing::error!(listener = %name, %error, "a worker cannot accept"),
                }
            });
        }
        tracing::info!(listener = %key.0, address = %socket.local_addr()?, "listening");
        self.bound.insert(key, Bound { socket, stop });
        Ok(())
    }

    /// A socket for a key that has none: that of a listener which gives this very address up, or a new one.
    fn socket_for(&mut self, key: &Key, wanted: &[Key]) -> std::io::Result<TcpListener> {
        if let Some(socket) = self.inherited.take(&name_of(key)) {
            return Ok(socket.into());
        }
        let given_up = self.bound.iter().find(|(old, _)| old.1 == key.1 && key.1.port() != 0 && !wanted.contains(old));
        match given_up {
            Some((_, bound)) => bound.socket.try_clone(),
            None => socket::listen(key.1),
        }
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
            .flat_map(|listener| listener.listen.iter().map(|place| ((Arc::clone(&listener.name), place.value), place)))
            .collect();
        let wanted: Vec<Key> = places.iter().map(|(key, _)| key.clone()).collect();
        let (mut fresh, mut errors) = (Vec::new(), Vec::new());
        for (key, place) in places {
            if self.bound.contains_key(&key) {
                continue;
            }
            match self.socket_for(&key, &wanted) {
                Ok(socket) => fresh.push((key, socket)),
                Err(error) => errors.push(place.error(format!("cannot listen on {}: {error}", place.value))),
            }
        }
        if errors.is_empty() { Ok(Prepared { fresh, wanted }) } else { Err(errors) }
    }

    fn commit(&mut self, prepared: Prepared) {
        for (key, socket) in prepared.fresh {
            let name = Arc::clone(&key.0);
            if let Err(error) = self.start(key, socket) {
                tracing::error!(listener = %name, %error, "cannot accept");
            }
        }
        self.bound.retain(|key, bound| {
            let stays = prepared.wanted.contains(key);
            if !stays {
                // Nobody listens only if the workers are gone.
                let _ = bound.stop.send(true);
                tracing::info!(listener = %key.0, address = %key.1, "no longer listening; its connections go on");
            }
            stays
        });
    }
}
