//! A backend, as far as it can be validated without connecting to it.

use std::collections::HashSet;

use crate::backend::condition::Pauses;
use crate::backend::discover::Source;
use crate::backend::pool::outgoing::Outgoing;
use crate::backend::pool::{Entry, Place, Settings};
use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::backend_tls::{self, Tls};
use crate::config::validate::health::{self, Health};
use crate::config::validate::labels;
use crate::config::validate::paths::{resolved, too_long};
use crate::config::validate::policy::Policies;
use crate::config::validate::revocation::Home;
use crate::config::validate::wording::present;
use crate::config::values::server;
use crate::net::address::Address;

/// `[backend.NAME]`, valid.
#[derive(Debug, Clone)]
pub struct Backend {
    pub settings: Settings,
    /// Where the source is written.
    pub source: Option<Located<Outgoing>>,
    pub health: Option<Health>,
    /// `None`: the connections to its servers are not encrypted.
    pub tls: Option<Tls>,
}

pub(super) fn validated(
    backend: file::backend::Backend,
    home: Home<'_>,
    policies: &Policies,
    errors: &mut Vec<ConfigError>,
) -> Option<Backend> {
    let servers = present(backend.servers, "servers", server::EXPECTED, &backend.here, errors);
    let (mut entries, mut seen): (Vec<Entry>, HashSet<Place>) = Default::default();
    for mut server in servers.unwrap_or_default() {
        if let Place::Address(Address::Unix(path)) = &server.value.place {
            server.value.place = Place::Address(Address::Unix(resolved(path, home.folder)));
        }
        let place = &server.value.place;
        if let Place::Address(address) = place {
            errors.extend(too_long(address, &server));
        }
        // Port 0 is any free port: a listener can have it, a server cannot be reached there.
        if matches!(place, Place::Address(address) if address.port() == Some(0)) {
            errors.push(server.error("found port 0, expected the port that the server listens on"));
        } else if seen.contains(place) {
            errors.push(server.error(format!("{place} is listed twice")));
        } else {
            seen.insert(place.clone());
            entries.push(server.value);
        }
    }
    if let Some(source) = &backend.source {
        errors.extend(entries.iter().filter_map(|entry| unreachable(source, entry)));
    }
    let pauses = Pauses { first: backend.fail_timeout.value, longest: backend.max_fail_timeout.value };
    if pauses.longest < pauses.first {
        let first = humantime::format_duration(pauses.first);
        errors.push(backend.max_fail_timeout.error(format!("is shorter than fail_timeout, which is {first}")));
    }
    let health = backend.health.and_then(|health| health::validated(health, home, errors));
    let tls = backend.tls.and_then(|tls| backend_tls::validated(tls, one_name(&entries), home, policies, errors));
    Some(Backend {
        settings: Settings {
            name: backend.name.into(),
            labels: labels::validated(backend.labels, errors),
            servers: entries,
            balance: backend.balance.value,
            connect_timeout: backend.connect_timeout.value,
            connect_attempts: backend.connect_attempts.value,
            pauses,
            slow_start: backend.slow_start.map(|slow_start| slow_start.value),
            when_all_down: backend.when_all_down.value,
            on_down: backend.on_down.value,
            proxy_protocol: backend.proxy_protocol.value,
            source: backend.source.as_ref().map(|source| source.value),
        },
        source: backend.source,
        health,
        tls,
    })
}

/// A server that no connection from the source can reach.
fn unreachable(source: &Located<Outgoing>, entry: &Entry) -> Option<ConfigError> {
    let Place::Address(address) = &entry.place else { return None };
    let message = match (address, source.value) {
        (Address::Unix(_), _) => {
            format!("the server {address} is reached without an IP address (expected servers with one)")
        }
        (Address::Tcp(server), Outgoing::Address(source)) if server.is_ipv4() != source.is_ipv4() => {
            format!("no connection from {source} reaches the server {address} (expected an address of the same family)")
        }
        (Address::Tcp(_), _) => return None,
    };
    Some(source.error(message))
}

/// The name by which all servers are looked up, if it is the same for all: their certificate should have it.
fn one_name(entries: &[Entry]) -> Option<&str> {
    let mut names = entries.iter().map(|entry| match &entry.place {
        Place::Source(Source::Dns { name, .. }) => Some(name.trim_end_matches('.')),
        _ => None,
    });
    let first = names.next()??;
    names.all(|name| name == Some(first)).then_some(first)
}
