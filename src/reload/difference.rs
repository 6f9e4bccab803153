//! Two configurations as they are shown → the differences, key by key, written as in the file. Pure.
//! Must not know: which keys there are.

use std::collections::HashMap;

use serde_json::Value;

use crate::config::shown::table::{Form, Shown, Table, Tables};
use crate::config::shown::written;
use crate::reload::summary::{Change, Kind};

/// One change for each key that is different, and one for each table that came or went.
pub(super) fn between(before: &Table, after: &Table) -> Vec<Change> {
    let mut found = Found { path: Vec::new(), kind: Kind::Setting, changes: Vec::new() };
    found.table(before, after);
    found.changes
}

/// What was found so far, and where the search is.
struct Found {
    /// As in errors of the configuration: `listener "ldaps"`, `route "apps"`.
    path: Vec<String>,
    /// What a changed key counts as.
    kind: Kind,
    changes: Vec<Change>,
}

impl Found {
    fn table(&mut self, before: &Table, after: &Table) {
        // Keys in the order of the new configuration, and then those that it no longer has.
        let gone = before.0.iter().filter(|(key, _)| after.get(key).is_none());
        for (key, _) in after.0.iter().chain(gone) {
            match (before.get(key), after.get(key)) {
                (Some(Shown::Table(old)), Some(Shown::Table(new))) => {
                    self.within((*key).to_owned(), self.kind, |found| found.table(old, new));
                }
                (Some(Shown::Tables(old)), Some(Shown::Tables(new))) => self.tables(key, old, new),
                (old, new) => self.key(key, old, new),
            }
        }
    }

    fn tables(&mut self, key: &str, before: &Tables, after: &Tables) {
        let (old, new) = (by_name(before), by_name(after));
        let gone = before.all.iter().filter(|(name, _)| !new.contains_key(name.as_str()));
        for (name, _) in after.all.iter().chain(gone) {
            let (here, own, inner) = (format!("{} {}", after.one, written::text(name)), kind(after.one), self.kind);
            match (old.get(name.as_str()), new.get(name.as_str())) {
                (None, _) => self.within(here, own, |found| found.add("added")),
                (_, None) => self.within(here, own, |found| found.add("removed")),
                // Changes of each kind are shown up to a limit. Those of routes can be thousands, and must not push out the
                // few of listeners and backends.
                (Some(old), Some(new)) => {
                    let inner = if matches!(own, Kind::Route | Kind::Server) { own } else { inner };
                    self.within(here, inner, |found| found.table(old, new));
                }
            }
        }
        // Entries that were added or removed have lines of their own: the order matters only for the others.
        let common = |tables: &Tables| {
            let names = tables.all.iter().map(|(name, _)| name.clone());
            names.filter(|name| old.contains_key(name.as_str()) && new.contains_key(name.as_str())).collect::<Vec<_>>()
        };
        if after.form == Form::Ordered && common(before) != common(after) {
            self.add(&sentence(key, Some(&Shown::Tables(before.clone())), Some(&Shown::Tables(after.clone()))));
        }
    }

    fn key(&mut self, key: &str, before: Option<&Shown>, after: Option<&Shown>) {
        let is_same = before == after || (is_empty(before) && is_empty(after));
        if !is_same {
            self.add(&sentence(key, before, after));
        }
    }

    fn within(&mut self, here: String, kind: Kind, search: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.kind, kind);
        self.path.push(here);
        search(self);
        self.path.pop();
        self.kind = outer;
    }

    fn add(&mut self, what: &str) {
        let path = self.path.iter().map(|part| format!("{part}: ")).collect::<String>();
        self.changes.push(self.kind.change(path + what));
    }
}

/// `idle_timeout = "30m" (was "1h")`
fn sentence(key: &str, before: Option<&Shown>, after: Option<&Shown>) -> String {
    // An empty list is shown like a key that is not set: many keys do not accept it in the file.
    let set = |shown: Option<&Shown>| shown.filter(|_| !is_empty(shown)).and_then(written::toml);
    let before = set(before);
    let was = before.as_deref().unwrap_or("not set");
    match set(after) {
        Some(after) => format!("{key} = {after} (was {was})"),
        None => format!("{key} is not set (was {was})"),
    }
}

/// Whether a key is not set; an empty list counts as not set.
fn is_empty(shown: Option<&Shown>) -> bool {
    match shown {
        None | Some(Shown::Value(Value::Null)) => true,
        Some(Shown::Value(Value::Array(items))) => items.is_empty(),
        Some(_) => false,
    }
}

fn by_name(tables: &Tables) -> HashMap<&str, &Table> {
    tables.all.iter().map(|(name, table)| (name.as_str(), table)).collect()
}

/// The kind of change when such a table was added or removed.
fn kind(one: &str) -> Kind {
    match one {
        "listener" => Kind::Listener,
        "route" => Kind::Route,
        "backend" => Kind::Backend,
        "server" => Kind::Server,
        _ => Kind::Setting,
    }
}

#[cfg(test)]
mod tests;
