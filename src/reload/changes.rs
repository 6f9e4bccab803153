//! Two states → what is different, in words. Pure. Must not know: how either came about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use crate::config::validate::Config;
use crate::config::validate::backend::Backend;
use crate::config::validate::listener::Listener;
use crate::snapshot::Snapshot;
use crate::tls::certificate::Certificate;

/// One line for each difference that matters to who operates it.
pub(super) fn between(before: &Config, after: &Config, was: &Snapshot, is: &Snapshot) -> Vec<String> {
    let mut changes = Vec::new();
    if before.runtime.record_layer != after.runtime.record_layer {
        changes.push(format!("runtime: record_layer is {:?}", after.runtime.record_layer));
    }
    let (old, new) = (by_name(&before.listeners), by_name(&after.listeners));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let line = |what: String| format!("listener {name:?}: {what}");
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => changes.extend(listener(old, new).into_iter().map(line)),
            (None, _) => changes.push(line("added".into())),
            (_, None) => changes.push(line("removed".into())),
        }
        if let (Some(was), Some(is)) = (was.listener(name), is.listener(name)) {
            let certificates = certificates(was.terminator.certificates.all(), is.terminator.certificates.all());
            changes.extend(certificates.into_iter().map(line));
        }
    }
    if before.resolver != after.resolver {
        changes.push(format!("resolver is {:?} (was {:?})", after.resolver, before.resolver));
    }
    let (old, new) = (backends(&before.backends), backends(&after.backends));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let line = |what: String| format!("backend {name:?}: {what}");
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => changes.extend(backend(old, new).into_iter().map(line)),
            (None, _) => changes.push(line("added".into())),
            (_, None) => changes.push(line("removed".into())),
        }
        let check = |snapshot: &Snapshot| {
            let pool = snapshot.pool(name)?;
            Some(pool.check.as_ref().map(|check| check.identity.clone()))
        };
        if let (Some(was), Some(is)) = (check(was), check(is))
            && was != is
        {
            changes.push(line("health check changed".into()));
        }
        let tls = |snapshot: &Snapshot| snapshot.pool(name).map(|pool| pool.tls.as_ref().map(|tls| tls.identity));
        if let (Some(was), Some(is)) = (tls(was), tls(is))
            && was != is
        {
            changes.push(line("what TLS to it asks for, or shows, has changed".into()));
        }
    }
    changes
}

fn listener(old: &Listener, new: &Listener) -> Vec<String> {
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
    differences.compare("tickets", &ticket_settings(old), &ticket_settings(new));
    differences.compare("backend", &old.backend_name, &new.backend_name);
    differences.0
}

fn backend(old: &Backend, new: &Backend) -> Vec<String> {
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
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, key: &str, old: &dyn Debug, new: &dyn Debug) {
        let (old, new) = (format!("{old:?}"), format!("{new:?}"));
        if old != new {
            self.0.push(format!("{key} is {new} (was {old})"));
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

fn certificates(was: &[Arc<Certificate>], is: &[Arc<Certificate>]) -> Vec<String> {
    let (was, is) = (by_label(was), by_label(is));
    let mut changes = Vec::new();
    for label in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let what = match (was.get(label), is.get(label)) {
            (None, _) => "added",
            (_, None) => "removed",
            (Some(was), Some(is)) if Arc::ptr_eq(was, is) => continue,
            _ => "replaced",
        };
        changes.push(format!("certificate {label} {what}"));
    }
    changes
}

fn ticket_settings(listener: &Listener) -> impl Debug + use<'_> {
    let tickets = &listener.tickets;
    (tickets.on, tickets.settings, tickets.keys.iter().map(|file| &file.value).collect::<Vec<_>>())
}

fn by_name(listeners: &[Listener]) -> BTreeMap<&str, &Listener> {
    listeners.iter().map(|listener| (&*listener.name, listener)).collect()
}

fn backends(backends: &[Backend]) -> BTreeMap<&str, &Backend> {
    backends.iter().map(|backend| (&*backend.settings.name, backend)).collect()
}

fn by_label(certificates: &[Arc<Certificate>]) -> BTreeMap<&str, &Arc<Certificate>> {
    certificates.iter().map(|certificate| (&*certificate.label, certificate)).collect()
}
