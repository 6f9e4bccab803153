//! The backends and sources of certificates that keys refer to. Opens no file.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::config::located::{ConfigError, Located};
use crate::config::validate::acme::Authorities;
use crate::config::validate::backend::Backend;
use crate::config::validate::wording::listed;
use crate::config::values::certificates::{CertificateSource, Written};
use crate::config::values::weighted::Weighted;
use crate::tls::certificate::source::Source;

/// A backend that a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendRef {
    /// Its index in the configuration's list of backends.
    pub index: usize,
    pub name: Arc<str>,
}

/// A backend among those that share connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub backend: BackendRef,
    /// Not 0 in all of them.
    pub weight: u32,
}

/// `backend` and `backends` of a listener or a route, as written.
pub(super) struct Leads<'w> {
    pub(super) one: Option<&'w Located<String>>,
    pub(super) several: Option<&'w Vec<Located<Weighted>>>,
}

impl Leads<'_> {
    pub(super) fn is_absent(&self) -> bool {
        self.one.is_none() && self.several.is_none()
    }
}

/// The backends that a key can name, found by their names.
pub(super) struct Backends<'b> {
    all: &'b [Backend],
    by_name: HashMap<&'b str, usize>,
}

impl<'b> Backends<'b> {
    pub(super) fn new(all: &'b [Backend]) -> Self {
        let by_name = all.iter().enumerate().map(|(index, backend)| (&*backend.settings.name, index)).collect();
        Self { all, by_name }
    }

    /// The backend that a reference refers to.
    pub(super) fn at(&self, found: &BackendRef) -> Option<&'b Backend> {
        self.all.get(found.index)
    }
}

pub(super) fn known_backend(
    name: &Located<String>,
    backends: &Backends<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<BackendRef> {
    let found = backends.by_name.get(name.value.as_str());
    let Some((index, backend)) = found.and_then(|index| Some((*index, backends.all.get(*index)?))) else {
        let known = match listed(backends.all.iter().map(|backend| &*backend.settings.name)) {
            none if none.is_empty() => "there is none".to_owned(),
            known => format!("expected one of {known}"),
        };
        errors.push(
            name.error(format!("unknown backend {:?} ({known}; a backend is written [backend.NAME])", name.value)),
        );
        return None;
    };
    Some(BackendRef { index, name: Arc::clone(&backend.settings.name) })
}

/// The same for a backend that gets bytes unchanged: one with TLS would encrypt them.
pub(super) fn known_bare_backend(
    name: &Located<String>,
    backends: &Backends<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<BackendRef> {
    let found = known_backend(name, backends, errors);
    if found.as_ref().and_then(|found| backends.at(found)).is_some_and(|backend| backend.tls.is_some()) {
        let message =
            format!("backend {:?} has tls, which would encrypt bytes that must be passed on unchanged", name.value);
        errors.push(name.error(message));
    }
    found
}

/// The backends that share connections; none where neither key is written. With `bare`, they get bytes unchanged. `None`
/// adds an error.
pub(super) fn shares(
    leads: &Leads<'_>,
    bare: bool,
    backends: &Backends<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<Vec<Share>> {
    let known = if bare { known_bare_backend } else { known_backend };
    let several = match (leads.one, leads.several) {
        (None, None) => return Some(Vec::new()),
        (Some(name), None) => return Some(vec![Share { backend: known(name, backends, errors)?, weight: 1 }]),
        (Some(name), Some(_)) => {
            errors.push(name.error("cannot be combined with backends (expected one of the two)"));
            return None;
        }
        (None, Some(several)) => several,
    };
    let (mut shares, mut seen) = (Vec::with_capacity(several.len()), HashSet::new());
    let before = errors.len();
    for written in several {
        let name = Located { value: written.value.backend.clone(), at: written.at, path: written.path.clone() };
        if !seen.insert(&written.value.backend) {
            errors.push(name.error(format!("{:?} is listed twice", name.value)));
        }
        let backend = known(&name, backends, errors);
        shares.extend(backend.map(|backend| Share { backend, weight: written.value.weight }));
    }
    if let Some(first) = several.first() {
        if several.len() > MOST_SHARES {
            errors.push(first.error(format!("found {} backends, expected at most {MOST_SHARES}", several.len())));
        } else if several.iter().all(|written| written.value.weight == 0) {
            errors.push(first.error("every weight is 0 (expected at least one from 1)"));
        }
    }
    (errors.len() == before && !shares.is_empty()).then_some(shares)
}

/// Backends that share connections: each connection may look at all of them.
const MOST_SHARES: usize = 32;

/// A source, with relative paths resolved below `folder`, that of the configuration. An authority that it names must be one
/// of `authorities`.
pub(super) fn certificate(
    source: Located<CertificateSource>,
    folder: &Path,
    authorities: &Authorities,
    errors: &mut Vec<ConfigError>,
) -> Option<Located<Source>> {
    let place = source.place();
    match source.value.0 {
        Ok(Written::There(value)) => Some(Located { value: value.below(folder), at: source.at, path: source.path }),
        Ok(Written::Ordered(asked)) => {
            let value = authorities.source(asked, &place, errors)?;
            Some(Located { value, at: source.at, path: source.path })
        }
        Err(faults) => {
            errors.extend(faults.into_iter().map(|fault| place.error(fault)));
            None
        }
    }
}
