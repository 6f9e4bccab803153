//! The authorities that certificates are ordered from, and which certificates, as far as that can be validated without
//! opening a file. Must not know: listeners, routes.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::acme::settings::{Authority, Settings, Wanted};
use crate::config::file;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::state::State;
use crate::config::validate::wording::listed;
use crate::config::values::certificates::Asked;
use crate::net::endpoint::Endpoint;
use crate::tls::certificate::source::Source;

mod authority;
mod challenges;
mod ordered;
mod publisher;

pub use authority::Files;
pub(super) use ordered::never_served;

/// The authorities that a source of certificates can name.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    all: Vec<Arc<Authority>>,
    files: Vec<Files>,
    /// Declared, but wrong, which is reported: a key that names one of these is not reported as well.
    wrong: HashSet<String>,
    state: State,
}

/// What is to be kept, and what is known of it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) settings: Arc<Settings>,
    pub(super) files: Vec<Files>,
    pub(super) state: State,
    pub(super) warnings: Vec<String>,
}

impl Authorities {
    pub(super) fn validated(
        written: Vec<file::acme::Acme>,
        state: State,
        folder: &Path,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut authorities = Self { state, ..Self::default() };
        if let Some(first) = written.first().filter(|_| authorities.state.directory.is_none()) {
            errors.push(first.here.error(NO_STATE));
        }
        let mut fallbacks = Vec::new();
        for one in written {
            let name = one.name.clone();
            fallbacks.push((name.clone(), one.fallback.clone().unwrap_or_default()));
            match authority::validated(one, folder, errors) {
                Some((authority, files)) => {
                    authorities.all.push(Arc::new(authority));
                    authorities.files.push(files);
                }
                None => authorities.wrong.extend([name]),
            }
        }
        // A fallback can be declared later than the one that names it.
        fallbacks.iter().for_each(|(name, fallback)| authorities.fallback(name, fallback, errors));
        authorities
    }

    /// Other authorities, each once.
    fn fallback(&self, own: &str, fallback: &[Located<String>], errors: &mut Vec<ConfigError>) {
        let mut seen = HashSet::new();
        for name in fallback {
            if name.value == own {
                errors.push(name.error(format!("{own:?} is this authority itself, expected another one")));
            } else if !seen.insert(&name.value) {
                errors.push(name.error(format!("{:?} is listed twice", name.value)));
            } else {
                self.named(&name.value, &name.place(), errors);
            }
        }
    }

    /// The authority with that name; `None` adds an error, unless the authority itself is wrong.
    fn named(&self, name: &str, place: &Located<()>, errors: &mut Vec<ConfigError>) -> Option<&Arc<Authority>> {
        let found = self.find(name);
        if found.is_none() && !self.wrong.contains(name) {
            let known = match listed(self.all.iter().map(|authority| &*authority.name)) {
                none if none.is_empty() => "there is none".to_owned(),
                known => format!("expected one of {known}"),
            };
            errors.push(place.error(format!("unknown authority {name:?} ({known}; one is written [acme.NAME])")));
        }
        found
    }

    fn find(&self, name: &str) -> Option<&Arc<Authority>> {
        self.all.iter().find(|authority| &*authority.name == name)
    }

    /// The source of certificates that are asked for. `None` where something is wrong, which adds an error.
    pub(super) fn source(&self, asked: Asked, place: &Located<()>, errors: &mut Vec<ConfigError>) -> Option<Source> {
        let authority = self.named(&asked.authority, place, errors)?;
        if let Some(why) = ordered::unproved(authority, &asked.names, asked.addresses.is_empty()) {
            errors.push(place.error(format!("names: {why}")));
            return None;
        }
        // Where there is no folder, that is reported once, for the authority.
        let state = self.state.directory.as_ref()?;
        Some(ordered::source(asked, authority, &state.value))
    }

    /// The endpoints that answer http-01, each with the authority that has it; several may share one.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = (Endpoint, String)> {
        let of = |authority: &Arc<Authority>| {
            let path = format!("acme {:?}", &*authority.name);
            authority.http.iter().map(|endpoint| (endpoint.clone(), path.clone())).collect::<Vec<_>>()
        };
        self.all.iter().flat_map(of)
    }

    /// What is to be kept for all sources of certificates.
    pub(super) fn into_kept(self, sources: &[&Located<Source>]) -> Kept {
        let wanted = ordered::wanted(sources.iter().map(|source| &source.value));
        let mut warnings = self.unused(&wanted);
        warnings.extend(sources.iter().flat_map(|source| self.not_from_fallback(source)));
        let directory = self.state.directory.as_ref().map(|directory| directory.value.clone());
        let settings = Arc::new(Settings { state: directory, authorities: self.all, wanted });
        Kept { settings, files: self.files, state: self.state, warnings }
    }

    /// Warnings about authorities that nothing is ordered from.
    fn unused(&self, wanted: &[Arc<Wanted>]) -> Vec<String> {
        let names = wanted.iter().map(|wanted| &wanted.authority);
        let used: HashSet<_> = names.chain(self.all.iter().flat_map(|authority| &authority.fallback)).collect();
        let unused = self.all.iter().filter(|authority| !used.contains(&authority.name));
        unused.map(|unused| format!("acme {:?}: no certificate is ordered from it", &*unused.name)).collect()
    }

    /// Warnings where a fallback could never issue a source's certificates.
    fn not_from_fallback(&self, source: &Located<Source>) -> Vec<String> {
        let Some(ordered) = source.value.as_ordered() else { return Vec::new() };
        let own = self.find(&ordered.authority).into_iter();
        let fallback = own.flat_map(|own| &own.fallback).filter_map(|name| self.find(name));
        let unproved = |authority: &Arc<Authority>| {
            let why = ordered::unproved(authority, &ordered.names, ordered.addresses.is_empty())?;
            Some(format!("{}: names: the fallback of {:?} can never issue it: {why}", source.path, &*ordered.authority))
        };
        fallback.filter_map(unproved).collect()
    }
}

const NO_STATE: &str =
    "\"directory\" of [state] is missing (expected the folder in which accounts and ordered certificates are kept)";
