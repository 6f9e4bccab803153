//! A configuration → the sockets that it asks for, and the names under which they are known. Must not know: who binds them, who
//! accepts on them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config::located::Located;
use crate::config::validate::Config;
use crate::net::address::Address;
use crate::net::endpoint::Endpoint;
use crate::server::activated::Activated;
use crate::server::handover::Name;

/// Whose socket it is, and which one. A socket with the same key is kept in a reload.
pub(super) type Key = (Owner, Which);

/// One socket of an endpoint as configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Which {
    Bound(Address),
    /// The one with that number of those with that name.
    Activated(Arc<str>, usize),
}

impl Which {
    /// As configured.
    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Bound(address) => Endpoint::Bound(address.clone()),
            Self::Activated(name, _) => Endpoint::Activated(Arc::clone(name)),
        }
    }
}

/// Who accepts on a socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// The listener of that name.
    Listener(Arc<str>),
    /// The server for http-01, whichever authority it is for.
    Http01,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Listener(name) => name,
            Self::Http01 => "http-01",
        })
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bound(address) => address.fmt(f),
            Self::Activated(..) => self.endpoint().fmt(f),
        }
    }
}

/// The name under which it is handed over. `None` for one that is handed over whoever uses it.
pub(super) fn name_of((owner, which): &Key) -> Option<Name> {
    let Which::Bound(address) = which else { return None };
    Some(match owner {
        Owner::Listener(name) => Name { listener: name.to_string(), address: address.to_string() },
        // No listener has an empty name, and the admin server's addresses have no or another word in front.
        Owner::Http01 => Name { listener: String::new(), address: format!("http-01 {address}") },
    })
}

/// A socket as it is asked for.
pub(super) struct Place<'c> {
    pub(super) key: Key,
    /// The permissions of a Unix socket.
    pub(super) mode: u32,
    /// Its address in the configuration.
    pub(super) written: &'c Located<Endpoint>,
}

/// Every socket of a configuration. Authorities may share one.
pub(super) fn places<'c>(config: &'c Config, activated: &Activated) -> Vec<Place<'c>> {
    let of_listeners = config.listeners.iter().flat_map(|listener| {
        let mode = listener.socket_mode.0;
        listener.listen.iter().map(move |written| (Owner::Listener(Arc::clone(&listener.name)), mode, written))
    });
    let of_authorities = config.authority_files.iter().flat_map(|files| &files.http);
    let of_authorities = of_authorities.map(|written| (Owner::Http01, 0, written));
    let places = of_listeners.chain(of_authorities).flat_map(|(owner, mode, written)| {
        let whiches = which(&written.value, activated);
        whiches.map(move |which| Place { key: (owner.clone(), which), mode, written })
    });
    let mut seen = HashSet::new();
    places.filter(|place| seen.insert(place.key.clone())).collect()
}

/// The sockets of an endpoint: all that were passed with its name, or a first one that is missing.
fn which(endpoint: &Endpoint, activated: &Activated) -> impl Iterator<Item = Which> + use<> {
    let (bound, passed) = match endpoint {
        Endpoint::Bound(address) => (Some(Which::Bound(address.clone())), None),
        Endpoint::Activated(name) => (None, Some((Arc::clone(name), activated.count(name).max(1)))),
    };
    let passed = passed
        .into_iter()
        .flat_map(|(name, count)| (0..count).map(move |number| Which::Activated(Arc::clone(&name), number)));
    bound.into_iter().chain(passed)
}
