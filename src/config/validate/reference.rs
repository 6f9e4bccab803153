//! The backends and sources of certificates that keys refer to. Opens no file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::located::{ConfigError, Located};
use crate::config::validate::acme::Authorities;
use crate::config::validate::backend::Backend;
use crate::config::validate::wording::listed;
use crate::config::values::certificates::{CertificateSource, Written};
use crate::tls::certificate::source::Source;

/// A backend that a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendRef {
    /// Its index in the configuration's list of backends.
    pub index: usize,
    pub name: Arc<str>,
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
