//! A ClientHello's server name and application protocols → which route takes it. Pure.
//! Must not know: what a route does with a connection, sockets, configuration.
//!
//! Most specific first: a route for the exact name, then for a one-label wildcard or for clients without a name, then for
//! any name; and in each of them one that asks for an application protocol before one that does not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::tls::certificate::name::Name;
use crate::tls::handshake::challenge;
use crate::words::words;

/// What is done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// TLS ends here.
    Terminate,
    /// The bytes are handed on as they are.
    Passthrough,
    /// It is refused.
    Reject,
}

words! { Mode { Terminate => "terminate", Passthrough => "passthrough", Reject => "reject" } }

/// What a route asks of a ClientHello.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// One of these names. With neither names nor `nameless`: any name, or none.
    pub names: Vec<Name>,
    /// No server name.
    pub nameless: bool,
    /// One of these application protocols. Empty for any, or none.
    pub protocols: Vec<Box<[u8]>>,
}

/// The result of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The index of the route.
    Route(usize),
    /// No route takes it.
    None,
    /// It is a certificate authority's challenge (RFC 8737) that is not pending here. Only a route that asks for `acme-tls/1`
    /// may take it.
    Challenge,
}

/// Two routes that match the same, so that the second would never be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub first: usize,
    pub second: usize,
    /// What both match, as text: `a.test with ALPN "h2"`.
    pub what: String,
}

/// Routes, indexed: a look-up is a few hashes, however many routes there are.
#[derive(Debug, Default)]
pub struct Routes {
    exact: HashMap<Box<str>, Slot>,
    /// By the parent: `*.example.com` is under `example.com`.
    wildcard: HashMap<Box<str>, Slot>,
    nameless: Slot,
    any: Slot,
}

/// The routes for one name.
#[derive(Debug, Default)]
struct Slot {
    by_protocol: HashMap<Box<[u8]>, usize>,
    plain: Option<usize>,
}

impl Routes {
    /// Indexes routes by their place in `matches`, or returns all conflicts between them.
    pub fn new(matches: &[Match]) -> Result<Self, Vec<Conflict>> {
        let mut routes = Self::default();
        let mut conflicts = Vec::new();
        for (index, wanted) in matches.iter().enumerate() {
            let mut claim = |slot: &mut Slot, name: &str| {
                let taken = slot.claim(index, &wanted.protocols);
                conflicts.extend(taken.into_iter().map(|(first, protocol)| {
                    let protocol = protocol.map(|protocol| format!(" with ALPN {:?}", shown(protocol)));
                    Conflict { first, second: index, what: format!("{name}{}", protocol.unwrap_or_default()) }
                }));
            };
            for name in &wanted.names {
                let slot = match name {
                    Name::Exact(exact) => routes.exact.entry(exact.clone()).or_default(),
                    Name::Wildcard(parent) => routes.wildcard.entry(parent.clone()).or_default(),
                };
                claim(slot, &name.to_string());
            }
            if wanted.nameless {
                claim(&mut routes.nameless, "no server name");
            }
            // Only a route that asks for no name at all is for any: `names` with `nameless` means exactly these.
            if wanted.names.is_empty() && !wanted.nameless {
                claim(&mut routes.any, "any server name");
            }
        }
        if conflicts.is_empty() { Ok(routes) } else { Err(conflicts) }
    }

    /// Finds the route for the server name and the protocols of a ClientHello.
    pub fn find<P: AsRef<[u8]>>(&self, server_name: Option<&str>, protocols: &[P]) -> Found {
        let challenge = protocols.iter().any(|protocol| protocol.as_ref() == ACME);
        let slots = match server_name {
            None => [Some(&self.nameless), None, Some(&self.any)],
            Some(name) => {
                // Some clients send a trailing dot, against RFC 6066 section 3; names are without regard to case.
                let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
                // A wildcard matches exactly one label (RFC 6125 section 6.4.3).
                let parent = name.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent);
                [self.exact.get(name.as_str()), parent.and_then(|parent| self.wildcard.get(parent)), Some(&self.any)]
            }
        };
        let mut slots = slots.into_iter().flatten();
        // The CA's challenge must reach only a route that asks for it: another one would answer with a normal certificate.
        let found = match challenge {
            true => slots.find_map(|slot| slot.by_protocol.get(ACME).copied()),
            false => slots.find_map(|slot| slot.find(protocols)),
        };
        match found {
            Some(index) => Found::Route(index),
            None if challenge => Found::Challenge,
            None => Found::None,
        }
    }
}

impl Slot {
    /// Takes the slot for a route; returns the routes that already have it, each with the protocol.
    fn claim<'p>(&mut self, index: usize, protocols: &'p [Box<[u8]>]) -> Vec<(usize, Option<&'p [u8]>)> {
        if protocols.is_empty() {
            return match self.plain {
                Some(first) => vec![(first, None)],
                None => {
                    self.plain = Some(index);
                    Vec::new()
                }
            };
        }
        let mut taken = Vec::new();
        for protocol in protocols {
            match self.by_protocol.entry(protocol.clone()) {
                Entry::Occupied(first) => taken.push((*first.get(), Some(&**protocol))),
                Entry::Vacant(free) => drop(free.insert(index)),
            }
        }
        taken
    }

    /// Where a client offers the protocols of several routes, its own order decides.
    fn find<P: AsRef<[u8]>>(&self, protocols: &[P]) -> Option<usize> {
        let matching = || protocols.iter().find_map(|protocol| self.by_protocol.get(protocol.as_ref()).copied());
        // Most slots have no protocols, and then the client's list is not searched.
        let by_protocol = if self.by_protocol.is_empty() { None } else { matching() };
        by_protocol.or(self.plain)
    }
}

/// An application protocol as text; bytes that are not printable ASCII are escaped.
pub fn shown(protocol: &[u8]) -> String {
    protocol.escape_ascii().to_string()
}

/// The protocol of an authority's challenge.
pub const ACME: &[u8] = challenge::PROTOCOL;

/// The names of the listener's own way, and of the one for what is not TLS. No route can have them.
pub const RESERVED: [&str; 2] = [DEFAULT, NOT_TLS];
/// The name of the listener's own way.
pub const DEFAULT: &str = "default";
/// The name of the way for what is not TLS.
pub const NOT_TLS: &str = "not_tls";

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(names: &[&str], protocols: &[&str]) -> Match {
        Match {
            names: names.iter().map(|name| Name::parse(name).unwrap()).collect(),
            nameless: false,
            protocols: protocols.iter().map(|protocol| Box::from(protocol.as_bytes())).collect(),
        }
    }

    fn found(routes: &Routes, name: Option<&str>, protocols: &[&str]) -> Found {
        routes.find(name, protocols)
    }

    #[test]
    fn the_most_specific_route_wins_in_whatever_order_they_stand() {
        let mut matches = vec![
            asks(&["a.test"], &["h2"]),
            asks(&["a.test"], &[]),
            asks(&["*.test"], &["h2", "http/1.1"]),
            asks(&["*.test"], &[]),
            Match { nameless: true, ..asks(&[], &["h2"]) },
            Match { nameless: true, ..asks(&[], &[]) },
            asks(&[], &["h2", "imap"]),
        ];
        let cases: [(Option<&str>, &[&str], usize); 13] = [
            (Some("a.test"), &["h2"], 0),
            (Some("a.test"), &["http/1.1", "h2"], 0),
            (Some("a.test"), &["http/1.1"], 1),
            (Some("A.Test."), &[], 1),
            (Some("b.test"), &["http/1.1"], 2),
            (Some("b.test"), &["imap"], 3),
            (Some("b.test"), &[], 3),
            (None, &["h2"], 4),
            (None, &["imap"], 5),
            (None, &[], 5),
            (Some("other.example"), &["h2"], 6),
            (Some("test"), &["imap"], 6),
            (Some("a.b.test"), &["x", "imap"], 6),
        ];
        for turned in [false, true] {
            let last = matches.len() - 1;
            let routes = Routes::new(&matches).unwrap();
            for (name, protocols, expected) in cases {
                let expected = if turned { last - expected } else { expected };
                assert_eq!(found(&routes, name, protocols), Found::Route(expected), "{name:?} {protocols:?}");
            }
            for (name, protocols) in [(Some("other.example"), &["http/1.1"][..]), (Some("test"), &[]), (Some(""), &[])]
            {
                assert_eq!(found(&routes, name, protocols), Found::None, "{name:?} {protocols:?}");
            }
            matches.reverse();
        }
    }

    #[test]
    fn the_clients_order_decides_between_protocols() {
        let routes = Routes::new(&[asks(&["a.test"], &["h2"]), asks(&["a.test"], &["http/1.1"])]).unwrap();
        assert_eq!(found(&routes, Some("a.test"), &["http/1.1", "h2"]), Found::Route(1));
        assert_eq!(found(&routes, Some("a.test"), &["x", "h2", "http/1.1"]), Found::Route(0));
        assert_eq!(found(&routes, Some("a.test"), &[]), Found::None);
    }

    #[test]
    fn a_challenge_is_taken_only_by_who_asks_for_it() {
        let without =
            [asks(&["a.test"], &["h2"]), asks(&["*.test"], &[]), Match { nameless: true, ..Match::default() }];
        let routes = Routes::new(&without).unwrap();
        for name in [Some("a.test"), Some("b.test"), Some("other.example"), None] {
            for protocols in [&["acme-tls/1"][..], &["h2", "acme-tls/1"]] {
                assert_eq!(found(&routes, name, protocols), Found::Challenge, "{name:?}");
            }
        }
        let with = [&without[..], &[asks(&["*.test"], &["acme-tls/1"])]].concat();
        let routes = Routes::new(&with).unwrap();
        assert_eq!(found(&routes, Some("a.test"), &["acme-tls/1"]), Found::Route(3));
        assert_eq!(found(&routes, Some("a.test"), &["h2"]), Found::Route(0));
        assert_eq!(found(&routes, Some("other.example"), &["acme-tls/1"]), Found::Challenge);
    }

    #[test]
    fn routes_in_each_others_way_are_told_with_what_both_ask_for() {
        let conflicts = |matches: &[Match]| match Routes::new(matches) {
            Ok(_) => Vec::new(),
            Err(conflicts) => conflicts.into_iter().map(|c| (c.first, c.second, c.what)).collect(),
        };
        let cases = [
            (asks(&["a.test", "b.test"], &[]), asks(&["A.test."], &[]), "a.test"),
            (asks(&["*.test"], &["h2"]), asks(&["*.TEST"], &["imap", "h2"]), "*.test with ALPN \"h2\""),
            (asks(&[], &["h2"]), asks(&[], &["h2"]), "any server name with ALPN \"h2\""),
            (
                Match { nameless: true, ..Match::default() },
                Match { nameless: true, ..asks(&["a.test"], &[]) },
                "no server name",
            ),
        ];
        for (first, second, what) in cases {
            assert_eq!(conflicts(&[first, second]), [(0, 1, what.to_owned())]);
        }
        let fine = [asks(&["a.test"], &["h2"]), asks(&["a.test"], &["imap"]), asks(&["a.test"], &[])];
        assert_eq!(conflicts(&fine), []);
    }

    #[test]
    fn a_look_up_finds_one_of_many() {
        let matches: Vec<Match> = (0..100_000).map(|number| asks(&[&format!("host{number}.test")], &[])).collect();
        let routes = Routes::new(&matches).unwrap();
        assert_eq!(found(&routes, Some("host99999.test"), &["h2"]), Found::Route(99_999));
        assert_eq!(found(&routes, Some("host100000.test"), &["h2"]), Found::None);
    }
}
