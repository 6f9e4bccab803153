//! Two states → what is different, in words. Pure. Must not know: how either came about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::shown;
use crate::config::shown::written;
use crate::config::validate::Config;
use crate::reload::difference;
use crate::reload::summary::{Change, Kind};
use crate::route::ways::Ways;
use crate::snapshot::Snapshot;
use crate::tls::certificate::certified::Certificate;
use crate::tls::trust::clients::ClientAuth;

/// One for each difference that matters to who operates it.
pub(super) fn between(before: &Config, after: &Config, was: &Snapshot, is: &Snapshot) -> Vec<Change> {
    let mut changes = difference::between(&shown::config(before), &shown::config(after));
    let names: BTreeSet<&str> = after.listeners.iter().map(|listener| &*listener.name).collect();
    for name in names {
        let line = |what: Change| what.of(&format!("listener {}", written::text(name)));
        if let (Some(was), Some(is)) = (was.listener(name), is.listener(name)) {
            let certificates = certificates(&was.ways.certificates(), &is.ways.certificates());
            changes.extend(certificates.into_iter().map(line));
            changes.extend(judges(&was.ways, &is.ways).into_iter().map(line));
        }
    }
    let (was, is) = (pools(was), pools(is));
    for (name, (is_checked, is_sealed)) in &is {
        let line = |what: Change| what.of(&format!("backend {}", written::text(name)));
        let Some((was_checked, was_sealed)) = was.get(name) else { continue };
        if was_checked != is_checked {
            changes.push(line(Kind::Setting.change("health check changed")));
        }
        if was_sealed != is_sealed {
            changes.push(line(Kind::Setting.change("what TLS to it asks for, or shows, has changed")));
        }
    }
    changes
}

/// Where the same is asked of clients, and they are judged by other files.
fn judges(was: &Ways, is: &Ways) -> Vec<Change> {
    let before: BTreeMap<_, _> = was.client_auths().collect();
    let other = |(route, auth): &(&str, &Arc<ClientAuth>)| {
        let same = before.get(route).filter(|before| before.settings() == auth.settings());
        same.is_some_and(|before| before.fingerprint() != auth.fingerprint())
    };
    let changed = is.client_auths().filter(other);
    let text = |route: &str| {
        format!("route {}: client_auth: CAs or lists of revoked certificates changed", written::text(route))
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
            (Some(was), Some(is)) if Arc::ptr_eq(was, is) => continue,
            _ => "replaced",
        };
        changes.push(Kind::Certificate.change(format!("certificate {label} {what}")));
    }
    changes
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
