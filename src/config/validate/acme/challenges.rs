//! Which challenges are tried, and whether the keys that they need are there. Must not know: which names are proved.

use std::collections::HashSet;

use crate::acme::settings::ChallengeKind;
use crate::config::located::{ConfigError, Located};
use crate::config::values::TcpEndpoint;
use crate::config::values::health::Port;
use crate::words::Words as _;

/// The keys of an authority that are about challenges, as written.
pub(super) struct Asked<'a> {
    pub(super) here: &'a Located<()>,
    pub(super) challenges: Option<&'a [Located<ChallengeKind>]>,
    pub(super) dns: bool,
    pub(super) http: Option<&'a [Located<TcpEndpoint>]>,
    pub(super) tls_port: Option<&'a Located<Port>>,
    pub(super) http_port: Option<&'a Located<Port>>,
}

/// Those that are tried, in their order. By default, all for which the other keys are there.
pub(super) fn validated(asked: &Asked<'_>, errors: &mut Vec<ConfigError>) -> Vec<ChallengeKind> {
    let mut seen = HashSet::new();
    for endpoint in asked.http.into_iter().flatten() {
        let TcpEndpoint(value) = &endpoint.value;
        if !seen.insert(value) && !value.is_any_port() {
            errors.push(endpoint.error(format!("{value} is listed twice")));
        }
    }
    // A list without a valid entry has its error already: what follows from it would mislead.
    let Some(written) = asked.challenges.filter(|list| !list.is_empty()) else {
        if let (Some(port), None) = (asked.http_port, asked.http) {
            errors.push(port.error("has no effect without \"http\", the addresses that answer http-01"));
        }
        return ChallengeKind::ALL.iter().copied().filter(|kind| asked.lacks(*kind).is_none()).collect();
    };
    let mut kinds: Vec<ChallengeKind> = Vec::with_capacity(written.len());
    for challenge in written {
        let kind = challenge.value;
        if kinds.contains(&kind) {
            errors.push(challenge.error(format!("{:?} is listed twice", kind.word())));
        } else if let Some(lacks) = asked.lacks(kind) {
            errors.push(challenge.error(format!("{:?} needs {lacks}", kind.word())));
        }
        kinds.push(kind);
    }
    asked.without_effect(&kinds, errors);
    kinds
}

impl Asked<'_> {
    /// What a challenge needs and is not there.
    fn lacks(&self, kind: ChallengeKind) -> Option<&'static str> {
        match kind {
            ChallengeKind::Http01 if self.http.is_none() => Some("\"http\", the addresses at which it is answered"),
            ChallengeKind::Dns01 if !self.dns => Some("\"dns\", a name server or a program that publishes records"),
            // The record of dns-persist-01 is set once, by a person.
            _ => None,
        }
    }

    /// Reports keys for challenges that are not in the list.
    fn without_effect(&self, kinds: &[ChallengeKind], errors: &mut Vec<ConfigError>) {
        let http = self.http.and_then(<[_]>::first).map(Located::place);
        let dns = self.dns.then(|| Located { path: format!("{}: dns", self.here.path), ..self.here.clone() });
        let keys = [
            (self.tls_port.map(Located::place), &[ChallengeKind::TlsAlpn01][..]),
            (self.http_port.map(Located::place), &[ChallengeKind::Http01]),
            (http, &[ChallengeKind::Http01]),
            (dns, &[ChallengeKind::Dns01, ChallengeKind::DnsPersist01]),
        ];
        for (place, needed) in keys.into_iter().filter_map(|(place, needed)| Some((place?, needed))) {
            if !needed.iter().any(|kind| kinds.contains(kind)) {
                let needed = needed.iter().map(|kind| format!("{:?}", kind.word())).collect::<Vec<_>>().join(" or ");
                errors.push(place.error(format!("has no effect, since \"challenges\" does not have {needed}")));
            }
        }
    }
}
