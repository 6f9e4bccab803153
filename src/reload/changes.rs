//! Two states → what is different, in words. Pure. Must not know: how either came about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use crate::config::validate::Config;
use crate::config::validate::admin::Admin;
use crate::config::validate::backend::Backend;
use crate::config::validate::client_auth;
use crate::config::validate::listener::Listener;
use crate::config::validate::reference::BackendRef;
use crate::config::validate::route::Route;
use crate::reload::summary::{Change, Kind};
use crate::route::index;
use crate::route::ways::Ways;
use crate::snapshot::Snapshot;
use crate::tls::certificate::certified::Certificate;
use crate::tls::trust::clients::ClientAuth;

/// One for each difference that matters to who operates it.
pub(super) fn between(before: &Config, after: &Config, was: &Snapshot, is: &Snapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.runtime.record_layer != after.runtime.record_layer {
        changes.push(Kind::Setting.change(format!("runtime: record_layer is {:?}", after.runtime.record_layer)));
    }
    if before.admin.hosts != after.admin.hosts {
        let names = |admin: &Admin| admin.hosts.iter().map(|host| host.0.clone()).collect::<Vec<_>>();
        let hosts = (names(&before.admin), names(&after.admin));
        changes.push(Kind::Setting.change(format!("admin: hosts is {:?} (was {:?})", hosts.1, hosts.0)));
    }
    let (old, new) = (by_name(&before.listeners), by_name(&after.listeners));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let line = |what: Change| what.of(&format!("listener {name:?}"));
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => changes.extend(listener(old, new).into_iter().map(line)),
            (None, _) => changes.push(line(Kind::Listener.change("added"))),
            (_, None) => changes.push(line(Kind::Listener.change("removed"))),
        }
        if let (Some(was), Some(is)) = (was.listener(name), is.listener(name)) {
            let certificates = certificates(&was.ways.certificates(), &is.ways.certificates());
            changes.extend(certificates.into_iter().map(line));
            changes.extend(judges(&was.ways, &is.ways).into_iter().map(line));
        }
    }
    if before.resolver != after.resolver {
        let text = format!("resolver is {:?} (was {:?})", after.resolver, before.resolver);
        changes.push(Kind::Setting.change(text));
    }
    let (old, new) = (backends(&before.backends), backends(&after.backends));
    let (was, is) = (pools(was), pools(is));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let line = |what: Change| what.of(&format!("backend {name:?}"));
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => changes.extend(backend(old, new).into_iter().map(line)),
            (None, _) => changes.push(line(Kind::Backend.change("added"))),
            (_, None) => changes.push(line(Kind::Backend.change("removed"))),
        }
        if let (Some((was_checked, was_sealed)), Some((is_checked, is_sealed))) = (was.get(name), is.get(name)) {
            if was_checked != is_checked {
                changes.push(line(Kind::Setting.change("health check changed")));
            }
            if was_sealed != is_sealed {
                changes.push(line(Kind::Setting.change("what TLS to it asks for, or shows, has changed")));
            }
        }
    }
    changes
}

fn listener(old: &Listener, new: &Listener) -> Vec<Change> {
    let mut differences = Differences::default();
    let addresses =
        |listener: &Listener| listener.listen.iter().map(|address| address.value.to_string()).collect::<Vec<_>>();
    differences.compare("listen", &addresses(old), &addresses(new));
    differences.compare("socket_mode", &old.socket_mode, &new.socket_mode);
    differences.compare("policy", &policy(old, new), &policy(new, old));
    differences.compare("unknown_name", &old.unknown_name, &new.unknown_name);
    differences.compare("require_sni", &old.require_sni, &new.require_sni);
    let (was, is) = (&old.limits, &new.limits);
    differences.compare("allow", &was.allow, &is.allow);
    differences.compare("deny", &was.deny, &is.deny);
    differences.compare("max_connections", &was.max_connections, &is.max_connections);
    let per_client = (&was.max_connections_per_client, &is.max_connections_per_client);
    differences.compare("max_connections_per_client", per_client.0, per_client.1);
    differences.compare("connection_rate", &was.connection_rate, &is.connection_rate);
    let per_client = (&was.connection_rate_per_client, &is.connection_rate_per_client);
    differences.compare("connection_rate_per_client", per_client.0, per_client.1);
    differences.compare("handshake_failures", &was.handshake_failures, &is.handshake_failures);
    differences.compare("trusted_proxies", &old.trusted_proxies, &new.trusted_proxies);
    differences.compare("starttls", &old.starttls, &new.starttls);
    differences.compare("handshake_timeout", &old.handshake_timeout, &new.handshake_timeout);
    differences.compare("idle_timeout", &old.idle_timeout, &new.idle_timeout);
    differences.compare("half_close_timeout", &old.half_close_timeout, &new.half_close_timeout);
    differences.compare("tickets", &ticket_settings(old), &ticket_settings(new));
    differences.compare("client_auth", &asked(&old.client_auth), &asked(&new.client_auth));
    differences.compare("alpn", &protocols(&old.alpn), &protocols(&new.alpn));
    differences.compare("mode", &old.mode.word(), &new.mode.word());
    differences.compare("backend", &backend_name(&old.backend), &backend_name(&new.backend));
    differences.compare("not_tls", &backend_name(&old.not_tls), &backend_name(&new.not_tls));
    let (old, new) = (routes(&old.routes), routes(&new.routes));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let what = match (old.get(name), new.get(name)) {
            (None, _) => "added",
            (_, None) => "removed",
            (Some(old), Some(new)) if old != new => "changed",
            _ => continue,
        };
        differences.0.push(Kind::Route.change(format!("route {name:?}: {what}")));
    }
    differences.0
}

fn backend(old: &Backend, new: &Backend) -> Vec<Change> {
    let mut differences = Differences::default();
    let (old, new) = (&old.settings, &new.settings);
    differences.compare("servers", &old.servers, &new.servers);
    differences.compare("balance", &old.balance, &new.balance);
    differences.compare("connect_timeout", &old.connect_timeout, &new.connect_timeout);
    differences.compare("connect_attempts", &old.connect_attempts, &new.connect_attempts);
    differences.compare("fail_timeout", &old.pauses.first, &new.pauses.first);
    differences.compare("max_fail_timeout", &old.pauses.longest, &new.pauses.longest);
    differences.compare("slow_start", &old.slow_start, &new.slow_start);
    differences.compare("when_all_down", &old.when_all_down, &new.when_all_down);
    differences.compare("on_down", &old.on_down, &new.on_down);
    differences.compare("proxy_protocol", &old.proxy_protocol, &new.proxy_protocol);
    differences.0
}

/// What is different, key by key.
#[derive(Default)]
struct Differences(Vec<Change>);

impl Differences {
    fn compare(&mut self, key: &str, old: &dyn Debug, new: &dyn Debug) {
        let (old, new) = (format!("{old:?}"), format!("{new:?}"));
        if old != new {
            self.0.push(Kind::Setting.change(format!("{key} is {new} (was {old})")));
        }
    }
}

/// A policy's name says it all, unless the other one bears it too.
fn policy<'p>(one: &'p Listener, other: &Listener) -> Box<dyn Debug + 'p> {
    match one.policy.name == other.policy.name {
        true => Box::new(&one.policy),
        false => Box::new(&one.policy.name),
    }
}

/// Where the same is asked of clients, and they are judged by other files.
fn judges(was: &Ways, is: &Ways) -> Vec<Change> {
    let before: BTreeMap<_, _> = was.client_auths().collect();
    let other = |(route, auth): &(&str, &Arc<ClientAuth>)| {
        let same = before.get(route).filter(|before| before.settings() == auth.settings());
        same.is_some_and(|before| before.fingerprint() != auth.fingerprint())
    };
    let changed = is.client_auths().filter(other);
    let text = |route: &str| format!("route {route:?}: client_auth: CAs or lists of revoked certificates changed");
    changed.map(|(route, _)| Kind::Route.change(text(route))).collect()
}

fn certificates(was: &[&Arc<Certificate>], is: &[&Arc<Certificate>]) -> Vec<Change> {
    let (was, is) = (by_label(was), by_label(is));
    let mut changes = Vec::new();
    for label in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let what = match (was.get(label), is.get(label)) {
            (None, _) => "added",
            (_, None) => "removed",
            (Some(was), Some(is)) if Arc::ptr_eq(was, is) => continue,
            _ => "replaced",
        };
        changes.push(Kind::Certificate.change(format!("certificate {label} {what}")));
    }
    changes
}

fn ticket_settings(listener: &Listener) -> impl Debug + use<'_> {
    let tickets = &listener.tickets;
    (tickets.on, tickets.settings, tickets.keys.iter().map(|file| &file.value).collect::<Vec<_>>())
}

fn protocols(list: &[Box<[u8]>]) -> Vec<String> {
    list.iter().map(|protocol| index::shown(protocol)).collect()
}

fn asked(auth: &Option<client_auth::ClientAuth>) -> Option<client_auth::Asked<'_>> {
    auth.as_ref().map(client_auth::ClientAuth::asked)
}

fn backend_name(backend: &Option<BackendRef>) -> Option<&str> {
    backend.as_ref().map(|backend| &*backend.name)
}

/// What each route says, without the place in the file where it says so.
fn routes(routes: &[Route]) -> BTreeMap<&str, impl PartialEq + use<>> {
    let said = |route: &Route| {
        let sources: Vec<String> = route.certificates.iter().map(|source| format!("{:?}", source.value)).collect();
        let policy = Arc::clone(&route.policy);
        let client_auth = format!("{:?}", asked(&route.client_auth));
        let backend = route.backend.as_ref().map(|target| Arc::clone(&target.name));
        (route.matching.clone(), route.mode, policy, sources, route.alpn.clone(), client_auth, backend)
    };
    routes.iter().map(|route| (&*route.name, said(route))).collect()
}

fn by_name(listeners: &[Listener]) -> BTreeMap<&str, &Listener> {
    listeners.iter().map(|listener| (&*listener.name, listener)).collect()
}

fn backends(backends: &[Backend]) -> BTreeMap<&str, &Backend> {
    backends.iter().map(|backend| (&*backend.settings.name, backend)).collect()
}

/// By backend: what its health check and its TLS are.
fn pools(snapshot: &Snapshot) -> BTreeMap<&str, (impl PartialEq + use<>, impl PartialEq + use<>)> {
    let identities = snapshot
        .pools()
        .iter()
        .map(|pool| (&**pool.name(), (pool.check.clone(), pool.tls.as_ref().map(|tls| tls.identity))));
    identities.collect()
}

fn by_label<'c>(certificates: &[&'c Arc<Certificate>]) -> BTreeMap<&'c str, &'c Arc<Certificate>> {
    certificates.iter().map(|certificate| (&*certificate.label, *certificate)).collect()
}
