//! The routes of a listener, as far as they can be validated without opening a file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::file;
use crate::config::file::route::Route as Written;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::acme::{Authorities, never_served};
use crate::config::validate::client_auth::{self, ClientAuth};
use crate::config::validate::labels;
use crate::config::validate::limits::{self, Limits};
use crate::config::validate::policy::Policies;
use crate::config::validate::reference::{Backends, Leads, Share, certificate, shares};
use crate::config::validate::revocation::Home;
use crate::config::values::Protocols;
use crate::labels::Labels;
use crate::route::index::{self, Match, Mode, Routes};
use crate::tls::certificate::name::Name;
use crate::tls::certificate::source::Source;
use crate::tls::policy::Policy;

/// `[[listener.route]]`, valid.
#[derive(Debug, Clone)]
pub struct Route {
    pub here: Located<()>,
    /// Unique in its listener.
    pub name: Arc<str>,
    /// Its own, without its listener's.
    pub labels: Labels,
    pub matching: Match,
    pub mode: Mode,
    pub policy: Arc<Policy>,
    /// Its own. Where there are none and it terminates TLS, it uses the listener's.
    pub certificates: Vec<Located<Source>>,
    /// The application protocols that it supports, most preferred first.
    pub alpn: Vec<Box<[u8]>>,
    /// The requirements for client certificates; `None` where clients are not asked for one.
    pub client_auth: Option<ClientAuth>,
    /// The longest life of a connection; `None` where it has no limit.
    pub max_age: Option<Duration>,
    /// Its own, after the listener's.
    pub limits: Limits,
    /// The backends that share its connections; none where it rejects.
    pub backends: Vec<Share>,
}

/// What routes inherit from their listener.
pub(super) struct Inherited<'a> {
    /// `None` where it is wrong, which is reported.
    pub(super) policy: Option<&'a Arc<Policy>>,
    pub(super) policies: &'a Policies,
    /// Whether the listener has any.
    pub(super) certificates: bool,
    pub(super) alpn: &'a Protocols,
    pub(super) client_auth: Option<&'a ClientAuth>,
    /// Those that share the listener's connections. `None` where they are wrong, which is reported.
    pub(super) shares: Option<&'a [Share]>,
    pub(super) max_age: Option<Duration>,
    pub(super) require_sni: bool,
    pub(super) home: Home<'a>,
    pub(super) authorities: &'a Authorities,
    pub(super) backends: &'a Backends<'a>,
}

pub(super) fn validated(routes: Vec<Written>, inherited: &Inherited<'_>, errors: &mut Vec<ConfigError>) -> Vec<Route> {
    let mut names: HashMap<Arc<str>, usize> = index::RESERVED.iter().map(|name| (Arc::from(*name), 1)).collect();
    let mut valid: Vec<Route> = Vec::with_capacity(routes.len());
    for written in routes {
        let name = name(&written, &mut names, errors);
        valid.extend(one(written, name, inherited, errors));
    }
    let matches: Vec<Match> = valid.iter().map(|route| route.matching.clone()).collect();
    for conflict in Routes::new(&matches).err().into_iter().flatten() {
        let (first, second) = (&valid[conflict.first], &valid[conflict.second]);
        let message = format!("would never match: route {:?} already takes {}", first.name, conflict.what);
        errors.push(second.here.error(message));
    }
    valid
}

/// The route's name in the log: as written, or made from what it matches first. `names` are those taken, each with the last
/// number that was appended to it.
fn name(route: &Written, names: &mut HashMap<Arc<str>, usize>, errors: &mut Vec<ConfigError>) -> Arc<str> {
    if let Some(written) = &route.name {
        let name: Arc<str> = written.value.as_str().into();
        if name.is_empty() {
            errors.push(written.error("found \"\", expected a name"));
        } else if index::RESERVED.contains(&&*name) {
            errors.push(written.error(format!("{name:?} is a name that tlsgate itself uses, expected another name")));
        } else if names.insert(Arc::clone(&name), 1).is_some() {
            errors.push(written.error("another route has this name already"));
        }
        return name;
    }
    let server_name = route.server_names.iter().flatten().map(|name| name.value.clone()).next();
    let protocol =
        route.client_alpn.iter().flat_map(|list| &list.value.0).map(|protocol| index::shown(protocol)).next();
    let stem = match (server_name, protocol) {
        (Some(name), _) => name,
        (None, _) if route.no_server_name.value => "no server name".to_owned(),
        (None, protocol) => protocol.unwrap_or_default(),
    };
    // The last number is kept: thousands of routes with one stem must not each count from the beginning.
    let Some(last) = names.get(stem.as_str()) else {
        let name: Arc<str> = stem.into();
        names.insert(Arc::clone(&name), 1);
        return name;
    };
    let numbered = (last + 1..).map(|number| (number, Arc::from(format!("{stem} ({number})"))));
    // The numbers do not end, so a free name is always found.
    let (number, name) = { numbered }.find(|(_, name)| !names.contains_key(name)).unwrap_or_default();
    names.insert(stem.into(), number);
    names.insert(Arc::clone(&name), 1);
    name
}

fn one(
    mut written: Written,
    name: Arc<str>,
    inherited: &Inherited<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<Route> {
    let (mode, before) = (written.mode.value, errors.len());
    let matching = matching(&written, inherited, errors);
    let labels = labels::validated(written.labels.take(), errors);
    stray(&written, errors);
    let policy = match &written.policy {
        Some(name) => inherited.policies.named(name, errors),
        None => inherited.policy.map(Arc::clone),
    };
    let alpn = protocols(&written, inherited, errors);
    let sources = written.certificates.iter().flatten().cloned();
    let certificates: Vec<_> = sources
        .filter_map(|source| certificate(source, inherited.home.folder, inherited.authorities, errors))
        .collect();
    if let Some(policy) = &policy {
        errors.extend(certificates.iter().filter_map(|source| never_served(source, policy)));
    }
    let backends = backends(&written, inherited, errors);
    let client_auth = match written.client_auth {
        Some(own) => client_auth::validated(own, inherited.home, errors),
        // Where TLS is not terminated, there is no handshake in which to ask for a certificate.
        None => inherited.client_auth.cloned().filter(|_| mode == Mode::Terminate),
    };
    let has_certificates = inherited.certificates || !certificates.is_empty();
    // With other errors, the certificates may be the ones that are wrong.
    if mode == Mode::Terminate && !has_certificates && errors.len() == before {
        errors.push(
            written.here.error(
                "\"certificates\" is missing here and in the listener, and TLS cannot be terminated without them",
            ),
        );
    }
    let max_age = written.max_connection_age.map_or(inherited.max_age, |own| Some(own.value));
    let limits = limits::validated(written.limits, inherited.home.folder, errors);
    Some(Route {
        here: written.here,
        name,
        labels,
        matching,
        mode,
        policy: policy?,
        certificates,
        alpn,
        client_auth,
        max_age,
        limits,
        backends: backends?,
    })
}

/// Reports keys that have no effect in the route's mode.
fn stray(written: &Written, errors: &mut Vec<ConfigError>) {
    let mode = written.mode.value;
    let keys = [
        ("policy", mode != Mode::Terminate && written.policy.is_some()),
        ("certificates", mode != Mode::Terminate && written.certificates.is_some()),
        ("alpn", mode != Mode::Terminate && written.alpn.is_some()),
        ("client_auth", mode != Mode::Terminate && written.client_auth.is_some()),
        ("backend", mode == Mode::Reject && written.backend.is_some()),
        ("backends", mode == Mode::Reject && written.backends.is_some()),
        ("max_connection_age", mode == Mode::Reject && written.max_connection_age.is_some()),
    ];
    let stray = keys.into_iter().chain(limits_without_effect(&written.limits, mode)).filter(|(_, stray)| *stray);
    errors.extend(
        stray.map(|(key, _)| written.here.error(format!("{key}: has no effect where mode is {:?}", mode.word()))),
    );
}

/// The same for its limits: where connections are refused, none has an effect.
fn limits_without_effect(limits: &file::limits::Limits, mode: Mode) -> [(&'static str, bool); 11] {
    let file::limits::Limits {
        allow,
        allow_file,
        deny,
        deny_file,
        deny_ja4,
        deny_ja4_file,
        max_connections,
        max_connections_per_client,
        connection_rate,
        connection_rate_per_client,
        handshake_failures,
    } = limits;
    let rejects = mode == Mode::Reject;
    [
        ("allow", rejects && allow.is_some()),
        ("allow_file", rejects && allow_file.is_some()),
        ("deny", rejects && deny.is_some()),
        ("deny_file", rejects && deny_file.is_some()),
        ("deny_ja4", rejects && deny_ja4.is_some()),
        ("deny_ja4_file", rejects && deny_ja4_file.is_some()),
        ("max_connections", rejects && max_connections.is_some()),
        ("max_connections_per_client", rejects && max_connections_per_client.is_some()),
        ("connection_rate", rejects && connection_rate.is_some()),
        ("connection_rate_per_client", rejects && connection_rate_per_client.is_some()),
        // Where TLS is not terminated, no handshake is seen to fail.
        ("handshake_failures", mode != Mode::Terminate && handshake_failures.is_some()),
    ]
}

/// The application protocols that it supports, most preferred first.
fn protocols(written: &Written, inherited: &Inherited<'_>, errors: &mut Vec<ConfigError>) -> Vec<Box<[u8]>> {
    let protocols = match (&written.alpn, &written.client_alpn) {
        (Some(own), matched) => {
            let named = matched.as_ref().is_some_and(|matched| names_challenge(&matched.value));
            errors.extend(challenge(own, named));
            &own.value
        }
        // A route that is chosen by protocol supports that protocol.
        (None, Some(matched)) => &matched.value,
        (None, None) => inherited.alpn,
    };
    protocols.0.clone()
}

/// Its own backends, or the listener's. `None` where they are wrong, which is reported.
fn backends(written: &Written, inherited: &Inherited<'_>, errors: &mut Vec<ConfigError>) -> Option<Vec<Share>> {
    let (mode, bare) = (written.mode.value, written.mode.value == Mode::Passthrough);
    let own = Leads { one: written.backend.as_ref(), several: written.backends.as_ref() };
    if mode == Mode::Reject {
        return Some(Vec::new());
    }
    if !own.is_absent() {
        return shares(&own, bare, inherited.backends, errors);
    }
    let listeners = inherited.shares?;
    if listeners.is_empty() {
        let message = "\"backend\" is missing here and in the listener (expected a text in quotes)";
        errors.push(written.here.error(message));
    }
    for Share { backend, .. } in listeners {
        if bare && inherited.backends.at(backend).is_some_and(|backend| backend.tls.is_some()) {
            errors.push(written.here.error(format!(
                "backend {:?}, which is the listener's, has tls, which would encrypt bytes that must be passed on unchanged",
                backend.name
            )));
        }
    }
    Some(listeners.to_vec())
}

fn matching(route: &Written, inherited: &Inherited<'_>, errors: &mut Vec<ConfigError>) -> Match {
    let (mut names, mut seen): (Vec<Name>, HashSet<Name>) = Default::default();
    for written in route.server_names.iter().flatten() {
        match Name::parse(&written.value) {
            Ok(name) if seen.contains(&name) => errors.push(written.error(format!("{name} is listed twice"))),
            Ok(name) => {
                seen.insert(name.clone());
                names.push(name);
            }
            Err(error) => errors.push(written.error(error.to_string())),
        }
    }
    let nameless = route.no_server_name.value;
    if nameless && inherited.require_sni && route.mode.value == Mode::Terminate {
        let message =
            "would never match, since the listener refuses clients without a server name (require_sni = true)";
        errors.push(route.no_server_name.error(message));
    }
    let protocols = route.client_alpn.as_ref().map(|list| list.value.0.clone()).unwrap_or_default();
    if let Some(list) = route.client_alpn.as_ref().filter(|list| list.value.0.is_empty()) {
        errors.push(list.error("found an empty list, expected at least one application protocol"));
    }
    if route.server_names.is_none() && !nameless && route.client_alpn.is_none() {
        errors.push(route.here.error(
            "has nothing to match (expected server_names, no_server_name = true or client_alpn; the listener's own settings apply to what no route takes)",
        ));
    }
    Match { names, nameless, protocols }
}

/// The challenge of a certificate authority (RFC 8737) must not reach, unnoticed, a backend that cannot answer it.
pub(super) fn challenge(offered: &Located<Protocols>, named: bool) -> Option<ConfigError> {
    (names_challenge(&offered.value) && !named).then(|| {
        offered.error("\"acme-tls/1\" would never be agreed on: only a route with client_alpn = [\"acme-tls/1\"] gets such clients")
    })
}

fn names_challenge(protocols: &Protocols) -> bool {
    protocols.0.iter().any(|protocol| **protocol == *index::ACME)
}
