//! The listening sockets and who accepts on them: the workers for listeners, and the server for http-01. Must not know: why
//! they change.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Weak};

use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::acme::responder::{Responder, Tokens};
use crate::backend::pool;
use crate::config::located::ConfigError;
use crate::config::validate::Config;
use crate::lists::keeper::MOST_AT_ONCE;
use crate::monitor::{self, Monitor};
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::net::listen::{Acceptor, Listening};
use crate::net::socket;
use crate::proxy::listener::{self, Shared, Site};
use crate::reload::sockets;
use crate::server::activated::Activated;
use crate::server::descriptors::{self, Demand, Descriptors};
use crate::server::handover::{Inherited, Name};

mod places;

use places::{Key, Owner, Place, Which, name_of, places};

/// Every worker accepts on every socket of a listener.
// One queue for all workers: with SO_REUSEPORT each worker would have its own, and a connection in the queue of a worker
// that is busy or gone would wait or be lost.
pub(super) struct Sockets {
    workers: Vec<Handle>,
    shared: Option<Shared>,
    bound: HashMap<Key, Bound>,
    /// Sockets that are prepared and held.
    held: HashMap<Key, Weak<Listening>>,
    inherited: Inherited,
    activated: Activated,
    /// The names of sockets that no key names, as they were last warned of.
    unused: BTreeSet<String>,
    descriptors: Descriptors,
    tokens: Tokens,
    /// Started with the first address that it answers on.
    responder: Option<Responder>,
    /// Binds, where this process has no right to.
    monitor: Option<Monitor>,
}

/// A socket of a configuration.
struct Opened {
    key: Key,
    socket: Arc<Listening>,
    /// `None` where somebody accepts on it already.
    ready: Option<Ready>,
}

/// Who will accept on a socket, which is registered with them: everything that can fail is done.
enum Ready {
    /// For each worker.
    Workers(Vec<Acceptor>),
    Responder(Acceptor),
}

struct Bound {
    /// Whoever has prepared another configuration with this socket has it, too.
    socket: Arc<Listening>,
    /// The workers stop accepting when `true` is sent, or when this is dropped.
    stop: watch::Sender<bool>,
}

/// Sockets that are bound and do not accept yet.
pub(super) struct Prepared {
    sockets: Vec<Opened>,
    /// Those of them that nobody has accepted on.
    fresh: HashSet<Key>,
    /// All sockets of the new configuration, each with its permissions in case it is a Unix socket.
    wanted: HashMap<Key, u32>,
    demand: Demand,
    /// Sockets that were passed, and that no key names.
    unused: BTreeSet<String>,
}

impl Prepared {
    /// No socket at all. What is `unused` is reported already.
    fn none(config: &Config, unused: &BTreeSet<String>) -> Self {
        let (fresh, wanted) = (HashSet::new(), HashMap::new());
        Self { sockets: Vec::new(), fresh, wanted, demand: demand(config, 0), unused: unused.clone() }
    }
}

impl Sockets {
    /// `tokens` are the challenges that are answered over HTTP.
    pub(super) fn new(
        workers: Vec<Handle>,
        shared: Shared,
        (inherited, activated): (Inherited, Activated),
        descriptors: Descriptors,
        tokens: Tokens,
        monitor: Option<Monitor>,
    ) -> Self {
        let (bound, held, unused, responder) = (HashMap::new(), HashMap::new(), BTreeSet::new(), None);
        let shared = Some(shared);
        Self { workers, shared, bound, held, inherited, activated, unused, descriptors, tokens, responder, monitor }
    }

    /// The sockets that another process needs to take over, with their names.
    pub(super) fn to_hand_over(&self) -> Vec<(Name, &Listening)> {
        let bound = self.bound.iter().filter_map(|(key, bound)| Some((name_of(key)?, &*bound.socket)));
        bound.chain(self.activated.to_hand_over()).collect()
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

    /// The server for http-01, to be dropped where that may take a moment.
    pub(super) fn responder(&mut self) -> Option<Responder> {
        self.responder.take()
    }

    /// A socket for that key. One that another listener gives up is shared with it.
    fn open(
        &mut self,
        key: &Key,
        mode: u32,
        given_up: &HashMap<Address, Arc<Listening>>,
        is_held: bool,
    ) -> io::Result<Listening> {
        let inherited = name_of(key).and_then(|name| self.inherited.take(&name));
        let monitor = self.monitor.as_ref();
        match &key.1 {
            Which::Activated(name, number) => self.activated.socket(name, *number),
            Which::Bound(address) => match (inherited, given_up.get(address)) {
                (Some(socket), _) => monitor::inherited(monitor, socket, address, mode),
                (None, Some(socket)) => socket.try_clone(),
                // A release is held until all nodes are ready for it; what is bound otherwise is served at once.
                (None, None) if is_held => monitor::bind_suspended(monitor, address, mode),
                (None, None) => monitor::bind(monitor, address, mode),
            },
        }
    }

    /// Registers a socket with those who will accept on it.
    fn ready(&mut self, owner: &Owner, socket: &Listening) -> io::Result<Ready> {
        if let Owner::Http01 = owner {
            let responder = match self.responder.take() {
                Some(running) => running,
                None => Responder::start(self.tokens.clone(), descriptors::of_responder())?,
            };
            return self.responder.insert(responder).register(socket).map(Ready::Responder);
        }
        // Inherited sockets as well: an older version of this program may not have set all options.
        if let Listening::Tcp(socket) = socket {
            socket::prepare_listening(socket)?;
        }
        let register = |worker: &Handle| {
            let _inside = worker.enter();
            Acceptor::new(socket)
        };
        self.workers.iter().map(register).collect::<io::Result<_>>().map(Ready::Workers)
    }

    /// Lets them accept.
    fn start(&mut self, Opened { key, socket, ready }: Opened) -> io::Result<()> {
        let ready = match ready {
            Some(ready) => ready,
            // Somebody accepted on it when it was prepared, and what came into force in between has ended that.
            None => self.ready(&key.0, &socket)?,
        };
        socket.resume()?;
        let address = socket.address()?;
        let (stop, stopped) = watch::channel(false);
        match (ready, &self.shared, &self.responder, &key.0) {
            (Ready::Workers(acceptors), Some(shared), _, Owner::Listener(listener)) => {
                let site = Site { listener: Arc::clone(listener), endpoint: key.1.endpoint() };
                for (number, (worker, acceptor)) in self.workers.iter().zip(acceptors).enumerate() {
                    worker.spawn(listener::accept(acceptor, number, site.clone(), shared.clone(), stopped.clone()));
                }
                tracing::info!(%listener, %address, "listening");
            }
            (Ready::Responder(acceptor), _, Some(responder), _) => {
                responder.open(acceptor, stopped);
                tracing::info!(%address, "answering http-01 challenges");
            }
            // Nothing is accepted any more.
            _ => return Ok(()),
        }
        self.bound.insert(key, Bound { socket, stop });
        Ok(())
    }
}

/// With advice, where there is some.
fn explained(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => io::Error::other(format!(
            "{error}: each worker needs a file descriptor for it; raise the limit (ulimit -n, LimitNOFILE)"
        )),
        _ => error,
    }
}

fn demand(config: &Config, sockets: usize) -> Demand {
    let answers = config.acme.authorities.iter().any(|authority| !authority.http.is_empty());
    let checked = config.backends.iter().filter(|backend| backend.health.is_some());
    Demand {
        sockets,
        answers: if answers { descriptors::of_responder() } else { 0 },
        probes: if config.admin.probes.is_some() { descriptors::of_admin().probes } else { 0 },
        checks: checked.map(|backend| backend.settings.servers.len()).sum(),
        lookups: lookups(config),
        connections: config.listeners.iter().fold(0, |sum, one| sum.saturating_add(one.limits.counts.max_connections)),
    }
}

/// The names that may be looked up at one time: those of servers, those that each authority's challenges need, and those of
/// servers with lists of revoked certificates.
fn lookups(config: &Config) -> usize {
    let servers = config.backends.iter().flat_map(|backend| &backend.settings.servers);
    let discovered = servers.filter(|server| matches!(server.place, pool::Place::Source(_))).count();
    discovered + config.acme.authorities.len() + config.crl.wanted.len().min(MOST_AT_ONCE)
}

/// The names of all sockets that a configuration expects to be passed.
fn used(config: &Config) -> BTreeSet<&str> {
    let listen = config.listeners.iter().flat_map(|listener| &listener.listen);
    let listen = listen.chain(&config.admin.listen).chain(&config.admin.probes);
    let http = config.acme.authorities.iter().flat_map(|authority| &authority.http);
    let names = listen.map(|listen| &listen.value).chain(http).filter_map(Endpoint::name);
    names.map(|name| &**name).collect()
}

impl sockets::Sockets for Sockets {
    type Prepared = Prepared;

    fn prepare(&mut self, config: &Config) -> Result<Prepared, Vec<ConfigError>> {
        if self.shared.is_none() {
            // Nothing is accepted any more: the addresses are another process's, or nobody's.
            return Ok(Prepared::none(config, &self.unused));
        }
        let places = places(config, &self.activated);
        let wanted: HashMap<Key, u32> = places.iter().map(|place| (place.key.clone(), place.mode)).collect();
        // An address may move to another listener: its socket is shared, since binding it again fails while the old one
        // listens. Sockets of port 0 are all on different ports, so none of them can be reused.
        let given_up = self.bound.iter().filter(|(key, _)| !wanted.contains_key(key));
        let given_up: HashMap<Address, Arc<Listening>> = given_up
            .filter_map(|((_, which), bound)| match which {
                Which::Bound(address) if address.port() != Some(0) => {
                    Some((address.clone(), Arc::clone(&bound.socket)))
                }
                _ => None,
            })
            .collect();
        self.held.retain(|_, socket| socket.strong_count() > 0);
        let (mut sockets, mut fresh, mut errors) = (Vec::new(), HashSet::new(), Vec::new());
        for Place { key, mode, written } in places {
            if let Some(bound) = self.bound.get(&key) {
                sockets.push(Opened { socket: Arc::clone(&bound.socket), key, ready: None });
                continue;
            }
            let held = self.held.get(&key).and_then(Weak::upgrade);
            let is_shared = matches!(&key.1, Which::Bound(address) if given_up.contains_key(address));
            let is_fresh = held.is_none() && !is_shared && matches!(key.1, Which::Bound(_));
            let opened = match held {
                Some(socket) => Ok(socket),
                None => self.open(&key, mode, &given_up, config.fleet.is_some()).map(Arc::new),
            };
            match opened.and_then(|socket| Ok((self.ready(&key.0, &socket).map_err(explained)?, socket))) {
                Ok((ready, socket)) => {
                    if is_fresh {
                        fresh.insert(key.clone());
                    }
                    sockets.push(Opened { key, socket, ready: Some(ready) });
                }
                Err(error) => errors.push(written.error(format!("cannot listen on {}: {error}", key.1))),
            }
        }
        if errors.is_empty() {
            let unused = self.activated.unused(&used(config));
            Ok(Prepared { sockets, fresh, demand: demand(config, wanted.len()), wanted, unused })
        } else {
            Err(errors)
        }
    }

    fn hold(&mut self, prepared: &Prepared) {
        for Opened { key, socket, .. } in prepared.sockets.iter().filter(|one| prepared.fresh.contains(&one.key)) {
            if let Err(error) = socket.suspend() {
                tracing::debug!(address = %key.1, %error, "clients can connect before the release is served");
            }
            self.held.insert(key.clone(), Arc::downgrade(socket));
        }
    }

    fn commit(&mut self, prepared: Prepared) {
        if !prepared.unused.is_empty() && prepared.unused != self.unused {
            let names = prepared.unused.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::warn!("systemd has passed sockets that no key names, clients of these wait in vain: {names}");
        }
        self.unused = prepared.unused;
        if let Some(shared) = &self.shared {
            self.descriptors.share_out(prepared.demand, &shared.pressure);
        }
        let still: HashSet<Which> = prepared.wanted.keys().map(|(_, which)| which.clone()).collect();
        for opened in prepared.sockets {
            if self.bound.contains_key(&opened.key) {
                continue;
            }
            let owner = opened.key.0.clone();
            if let Err(error) = self.start(opened) {
                tracing::error!(listener = %owner, %error, "cannot accept");
            }
        }
        self.bound.retain(|key, bound| {
            let mode = prepared.wanted.get(key);
            if mode.is_none() {
                // It fails only if the workers are gone.
                let _ = bound.stop.send(true);
                // Who is prepared to serve another configuration holds it open; another listener may accept on it now.
                let is_bound_here = matches!(key.1, Which::Bound(_)) && !still.contains(&key.1);
                if is_bound_here && Arc::strong_count(&bound.socket) > 1 {
                    let _ = bound.socket.suspend();
                }
                tracing::info!(listener = %key.0, address = %key.1, "no longer listening; open connections continue");
            }
            if let Some(Err(error)) = mode.map(|mode| bound.socket.set_mode(*mode)) {
                tracing::error!(listener = %key.0, address = %key.1, %error, "cannot set the permissions of the socket");
            }
            mode.is_some()
        });
    }

    fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        let real = |((owner, _), bound): (&Key, &Bound)| match owner {
            Owner::Listener(name) => Some((Arc::clone(name), bound.socket.address().ok()?)),
            Owner::Http01 => None,
        };
        let mut all: Vec<_> = self.bound.iter().filter_map(real).collect();
        all.sort_unstable();
        all
    }
}
