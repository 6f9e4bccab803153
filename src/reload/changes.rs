//! Two states → the differences, as text. Pure. Must not know: how either was made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::config::shown;
use crate::config::shown::table::{Shown, Table};
use crate::config::shown::written;
use crate::config::validate::Config;
use crate::reload::difference;
use crate::reload::summary::{Change, Kind};
use crate::route::index;
use crate::route::ways::Ways;
use crate::snapshot::Snapshot;
use crate::snapshot::lists::Changed;
use crate::tls::certificate::certified::Certificate;
use crate::tls::handshake::Terminator;
use crate::tls::trust::clients::ClientAuth;

/// One for each difference that matters to an operator.
pub(super) fn between(before: &Config, after: &Config, was: &Snapshot, is: &Snapshot) -> Vec<Change> {
    let shown = (shown::config(before), shown::config(after));
    let mut changes = difference::between(&shown.0, &shown.1);
    let names: BTreeSet<&str> = after.listeners.iter().map(|listener| &*listener.name).collect();
    for name in names {
        let line = |what: Change| what.of(&format!("listener {}", written::text(name)));
        if let (Some(was), Some(is)) = (was.listener(name), is.listener(name)) {
            let certificates = certificates(&was.ways.certificates(), &is.ways.certificates());
            changes.extend(certificates.into_iter().map(line));
            let written = |config| move |route: &str| client_auth(named(config, "listener", name), route);
            let judges = judges((written(&shown.0), &was.ways), (written(&shown.1), &is.ways));
            changes.extend(judges.into_iter().map(line));
        }
    }
    if let (Some(was), Some(is)) = (was.admin(), is.admin()) {
        let written = |config: &Table| key_of(config, "admin").and_then(|admin| key_of(admin, "tls").cloned());
        let same_is_written = written(&shown.0) == written(&shown.1);
        changes.extend(of_admin(was, is, same_is_written).into_iter().map(|what| what.of("admin: tls")));
    }
    changes.extend(files_of_backends(&shown, &pools(was), &pools(is)));
    changes.extend(is.changed_lists(was).into_iter().map(list));
    changes
}

/// A file of a list that holds something else.
fn list(changed: Changed<'_>) -> Change {
    let Changed { file, was, is } = changed;
    let entries = if is == 1 { "entry" } else { "entries" };
    Kind::Setting.change(format!("list {}: {is} {entries} (was {was})", file.display()))
}

/// Where certificates of the admin server changed, or the files by which its clients are judged.
fn of_admin(was: &Terminator, is: &Terminator, same_is_written: bool) -> Vec<Change> {
    let [old, new] = [was, is].map(|terminator| terminator.certificates.all().iter().collect::<Vec<_>>());
    let mut changes = certificates(&old, &new);
    if let (Some(was), Some(is)) = (was.client_auth(), is.client_auth())
        && was.fingerprint() != is.fingerprint()
        && same_is_written
    {
        changes.push(Kind::Setting.change("client_auth: CAs, lists of revoked certificates or pins changed"));
    }
    changes
}

/// A table below a key.
fn key_of<'t>(config: &'t Table, key: &str) -> Option<&'t Table> {
    config.get(key).and_then(table)
}

/// Where the same is written of a backend's health check, or of its TLS, and the files that it names hold something else.
fn files_of_backends<C: PartialEq, T: PartialEq>(
    (before, after): &(Table, Table),
    was: &BTreeMap<&str, (C, T)>,
    is: &BTreeMap<&str, (C, T)>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, now) in is {
        let Some(old) = was.get(name).filter(|old| *old != now) else { continue };
        let line = |what: &str| Kind::Setting.change(what).of(&format!("backend {}", written::text(name)));
        let (written, rewritten) = (Written::of(before, name), Written::of(after, name));
        if old.0 != now.0 && written.check == rewritten.check {
            changes.push(line("health check changed"));
        }
        if old.1 != now.1 && written.tls == rewritten.tls {
            changes.push(line("the settings or certificates of TLS to it changed"));
        }
    }
    changes
}

/// What the configuration has about a backend, besides the contents of files.
struct Written<'t> {
    /// Its health check, and what else decides how that is made.
    check: [Option<&'t Shown>; 4],
    /// Its TLS, and the policy of that.
    tls: (Option<&'t Shown>, Option<&'t Table>),
}

impl<'t> Written<'t> {
    fn of(config: &'t Table, backend: &str) -> Self {
        let key = |table: Option<&'t Table>, key: &str| table.and_then(|table| table.get(key));
        let own = named(config, "backend", backend);
        let runtime = key_of(config, "runtime");
        let tls = key(own, "tls");
        let policy = match key(tls.and_then(table), "policy") {
            Some(Shown::Value(Value::String(policy))) => named(config, "policy", policy),
            _ => None,
        };
        let starttls = key(tls.and_then(table), "starttls");
        let check = [key(own, "health"), key(own, "proxy_protocol"), starttls, key(runtime, "record_layer")];
        Self { check, tls: (tls, policy) }
    }
}

fn table(shown: &Shown) -> Option<&Table> {
    match shown {
        Shown::Table(table) => Some(table),
        Shown::Value(_) | Shown::Inline(_) | Shown::Tables(_) => None,
    }
}

/// What is asked of a route's clients, as it is shown in the listener.
fn client_auth<'t>(listener: Option<&'t Table>, route: &str) -> Option<&'t Shown> {
    let table = if route == index::DEFAULT { listener } else { named(listener?, "route", route) };
    table?.get("client_auth")
}

/// One of several tables with names.
fn named<'t>(config: &'t Table, key: &str, name: &str) -> Option<&'t Table> {
    match config.get(key)? {
        Shown::Tables(tables) => tables.all.iter().find(|(one, _)| one == name).map(|(_, table)| table),
        Shown::Value(_) | Shown::Inline(_) | Shown::Table(_) => None,
    }
}

/// Where the same is asked of clients, by the same files, and these hold something else.
fn judges<'t>(
    (before, was): (impl Fn(&str) -> Option<&'t Shown>, &Ways),
    (after, is): (impl Fn(&str) -> Option<&'t Shown>, &Ways),
) -> Vec<Change> {
    let judged: BTreeMap<_, _> = was.client_auths().collect();
    let other = |(route, auth): &(&str, &Arc<ClientAuth>)| {
        let old = judged.get(route).filter(|old| old.fingerprint() != auth.fingerprint());
        old.is_some() && before(route) == after(route)
    };
    let changed = is.client_auths().filter(other);
    let text = |route: &str| {
        format!("route {}: client_auth: CAs, lists of revoked certificates or pins changed", written::text(route))
    };
    changed.map(|(route, _)| Kind::Route.change(text(route))).collect()
}

fn certificates(was: &[&Arc<Certificate>], is: &[&Arc<Certificate>]) -> Vec<Change> {
    let (was, is) = (by_label(was), by_label(is));
    let mut changes = Vec::new();
    for label in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let what = match (was.get(label), is.get(label)) {
            (None, _) => "added",
            (_, None) => "removed",
            // The store returns the same certificate where its files did not change.
            (Some(was), Some(is)) if Arc::ptr_eq(was, is) => continue,
            _ => "replaced",
        };
        changes.push(Kind::Certificate.change(format!("certificate {label} {what}")));
    }
    changes
}

/// By backend: the identities of its health check and of its TLS, which include the contents of their files.
fn pools(snapshot: &Snapshot) -> BTreeMap<&str, (impl PartialEq + use<>, impl PartialEq + use<>)> {
    let identities = snapshot
        .pools()
        .iter()
        .map(|pool| (&**pool.name(), (pool.check.clone(), pool.tls.as_ref().map(|tls| tls.connector.identity))));
    identities.collect()
}

fn by_label<'c>(certificates: &[&'c Arc<Certificate>]) -> BTreeMap<&'c str, &'c Arc<Certificate>> {
    certificates.iter().map(|certificate| (&*certificate.label, *certificate)).collect()
}

#[cfg(test)]
mod tests;
