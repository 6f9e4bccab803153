//! Which servers are out of rotation on every node: what was said last of each server counts. Pure.
//!
//! Each server has a stamp of its own, so that two of these can be merged in any order: nothing is lost where the store was
//! restored from a backup and has changed since.
//!
//! Must not know: how a server is taken out, how this is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Each server that was ever taken out, by backend and by address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Drained(BTreeMap<String, BTreeMap<String, Mark>>);

/// The order of the fields is that of two marks: of two with one stamp, the one that takes a server out counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// In milliseconds since 1970, and later than the one before.
    stamp: u64,
    is_drained: bool,
    by: String,
}

/// One server of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct One<'d> {
    pub backend: &'d str,
    pub server: &'d str,
    /// `false`: it was put back into rotation.
    pub is_drained: bool,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    pub by: &'d str,
}

impl Drained {
    /// All servers that were ever taken out, also those that were put back.
    pub fn all(&self) -> impl Iterator<Item = One<'_>> {
        self.0.iter().flat_map(|(backend, servers)| {
            servers.iter().map(move |(server, mark)| One {
                backend,
                server,
                is_drained: mark.is_drained,
                since: mark.stamp,
                by: &mark.by,
            })
        })
    }

    /// Takes a server out of rotation, or puts it back. `false`: it is so already.
    pub fn set(&mut self, (backend, server): (&str, &str), is_drained: bool, now: u64, by: &str) -> bool {
        let before = self.0.get(backend).and_then(|servers| servers.get(server));
        if before.is_some_and(|mark| mark.is_drained) == is_drained {
            return false;
        }
        let stamp = before.map_or(now, |mark| now.max(mark.stamp + 1));
        let mark = Mark { stamp, is_drained, by: by.to_owned() };
        self.0.entry(backend.to_owned()).or_default().insert(server.to_owned(), mark);
        true
    }

    /// Takes over what is later in another one.
    pub fn merge(&mut self, other: &Self) {
        for (backend, servers) in &other.0 {
            let mine = self.0.entry(backend.clone()).or_default();
            for (server, mark) in servers {
                let is_later = mine.get(server).is_none_or(|own| own < mark);
                if is_later {
                    mine.insert(server.clone(), mark.clone());
                }
            }
        }
    }

    /// How many servers it has.
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}

/// The most servers, so that all of them are one value that etcd takes.
pub const MOST: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(drained: &Drained) -> Vec<String> {
        drained.all().map(|one| format!("{}/{} {}", one.backend, one.server, one.is_drained)).collect()
    }

    #[test]
    fn what_was_said_last_of_a_server_counts_in_whatever_order_it_is_learnt() {
        let (mut one, mut other) = (Drained::default(), Drained::default());
        assert!(one.set(("ldap", "10.0.0.1:389"), true, 10, "a"));
        assert!(!one.set(("ldap", "10.0.0.1:389"), true, 11, "a"), "it is out already");
        assert!(!one.set(("ldap", "10.0.0.2:389"), false, 11, "a"), "it is not out");
        other.merge(&one);
        assert!(other.set(("ldap", "10.0.0.1:389"), false, 5, "b"), "a clock that is behind");
        assert!(one.set(("web", "10.0.0.9:80"), true, 12, "a"));
        let (mut left, mut right) = (one.clone(), other.clone());
        left.merge(&other);
        right.merge(&one);
        assert_eq!(left, right);
        assert_eq!(shown(&left), ["ldap/10.0.0.1:389 false", "web/10.0.0.9:80 true"]);
        let again = left.clone();
        left.merge(&one);
        assert_eq!(left, again, "what is old brings nothing back");
    }

    #[test]
    fn of_two_at_one_time_the_server_that_is_out_counts() {
        let mut one = Drained::default();
        one.set(("ldap", "a"), true, 10, "a");
        let mut other = one.clone();
        other.set(("ldap", "a"), false, 11, "b");
        one.set(("ldap", "a"), false, 10, "c");
        one.set(("ldap", "a"), true, 5, "c");
        let mut merged = other.clone();
        merged.merge(&one);
        assert_eq!(shown(&merged), ["ldap/a true"]);
    }

    #[test]
    fn as_json_it_is_what_it_was() {
        let mut one = Drained::default();
        one.set(("ldap", "a"), true, 10, "a");
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, r#"{"ldap":{"a":{"stamp":10,"is_drained":true,"by":"a"}}}"#);
        assert_eq!(serde_json::from_str::<Drained>(&text).unwrap(), one);
        assert_eq!(one.count(), 1);
        assert!(!Drained::default().set(("x", "y"), false, 1, "a"));
    }
}
