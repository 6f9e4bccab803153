//! What keys refer to: backends, policies, files of certificates. Opens none of them.

use std::path::Path;
use std::sync::Arc;

use crate::config::decode::{ConfigError, Located};
use crate::config::validate::backend::Backend;
use crate::config::validate::resolved;
use crate::config::values::CertificateSource;
use crate::tls::name::Name;
use crate::tls::store::Source;

/// A backend that a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendRef {
    /// Its index.
    pub index: usize,
    pub name: Arc<str>,
}

pub(super) fn known_backend(
    name: &Located<String>,
    backends: &[Backend],
    errors: &mut Vec<ConfigError>,
) -> Option<BackendRef> {
    let found = backends.iter().position(|backend| *backend.settings.name == *name.value);
    let Some(index) = found else {
        let known = backends.iter().map(|backend| &*backend.settings.name).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "there is none".to_owned() } else { format!("expected one of {known}") };
        errors.push(
            name.error(format!("unknown backend {:?} ({known}; a backend is written [backend.NAME])", name.value)),
        );
        return None;
    };
    Some(BackendRef { index, name: Arc::clone(&backends[index].settings.name) })
}

/// What is passed on as it is cannot be sealed on the way.
pub(super) fn known_bare_backend(
    name: &Located<String>,
    backends: &[Backend],
    errors: &mut Vec<ConfigError>,
) -> Option<BackendRef> {
    let found = known_backend(name, backends, errors);
    if found.as_ref().and_then(|found| backends.get(found.index)).is_some_and(|backend| backend.tls.is_some()) {
        let said = format!("backend {:?} has tls, which would seal once more what is passed on as it is", name.value);
        errors.push(name.error(said));
    }
    found
}

pub(super) fn certificate(
    source: Located<CertificateSource>,
    folder: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<Located<Source>> {
    let value = match &source.value {
        CertificateSource::Path(path) => Source::Path(resolved(path, folder)),
        CertificateSource::Pair { cert, key, names, default } => {
            let names = match names {
                None => None,
                Some(texts) if texts.is_empty() => {
                    errors.push(source.error("names: found an empty list, expected at least one name"));
                    return None;
                }
                Some(texts) => Some(parsed_names(texts, &source, errors)?),
            };
            Source::Pair { cert: resolved(cert, folder), key: resolved(key, folder), names, default: *default }
        }
    };
    Some(Located { value, at: source.at, path: source.path })
}

fn parsed_names(
    texts: &[String],
    source: &Located<CertificateSource>,
    errors: &mut Vec<ConfigError>,
) -> Option<Vec<Name>> {
    let mut names: Vec<Name> = Vec::with_capacity(texts.len());
    let before = errors.len();
    for text in texts {
        match Name::parse(text) {
            Ok(name) if names.contains(&name) => {}
            Ok(name) => names.push(name),
            Err(error) => errors.push(source.error(format!("names: {error}"))),
        }
    }
    (errors.len() == before).then_some(names)
}

pub(super) const CERTIFICATES: &str = "a folder, a combined PEM file, or { cert = \"x.crt\", key = \"x.key\" }";
