//! TLS to a backend: its settings, and the files that they name → a connector. Must not know: when it connects.

use std::sync::Arc;

use crate::backend::pool::Tls;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::backend::Backend;
use crate::snapshot::backend_lists;
use crate::snapshot::reading::Reading;
use crate::snapshot::remarks;
use crate::snapshot::remarks::Use;
use crate::tls::handshake::connect::{Connector, Terms};
use crate::tls::record::Layer;
use crate::tls::trust::servers::Trust;

/// How to connect to a backend whose servers use TLS; `before` is how it was connected to. `None` where they do not, or where
/// something is wrong, which adds an error to `reading`.
pub(super) fn tls(backend: &Backend, layer: Layer, before: Option<&Tls>, reading: &mut Reading<'_>) -> Option<Tls> {
    let tls = backend.tls.as_ref()?;
    let roots = match &tls.ca {
        Some(file) => reading.trusted(file)?,
        None => Vec::new(),
    };
    let lists = reading.lists(&tls.lists);
    let revocation = backend_lists::revocation(&lists, &tls.lists, reading);
    let trust = Trust { roots, pins: tls.pins.clone(), revocation };
    let mut certificate = None;
    if let Some(source) = &tls.certificate {
        let loaded = source.value.load(&mut reading.loading);
        certificate = found(source, loaded, &mut reading.errors)?.items.into_iter().next();
    }
    let token = certificate.as_ref().and_then(|item| item.entry.certificate.token.clone());
    let terms = Terms {
        policy: Some(&tls.policy),
        trust: &trust,
        server_name: Some(tls.server_name.clone()),
        certificate: certificate.as_ref().map(|item| &*item.entry.certificate.key),
        alpn: tls.alpn.clone(),
        layer,
    };
    // Long lists take long to verify: what did not change is taken over.
    let same = before.filter(|before| !lists.given.is_empty() && token.is_none() && before.connector.is_of(&terms));
    let connector = match same {
        Some(same) => Arc::clone(&same.connector),
        None => match Connector::new(terms) {
            Ok(connector) => Arc::new(connector.with_token(token)),
            Err(error) => {
                reading.errors.extend(backend_lists::errors(&error, &lists, &tls.here));
                return None;
            }
        },
    };
    backend_lists::report(&connector, &lists, &tls.here, reading);
    let now = reading.now.as_second();
    let place = Arc::from(format!("backend {:?}", backend.settings.name));
    let remarks = certificate.iter().flat_map(|item| remarks::of(item, Use::Client, now));
    reading.warnings.extend(remarks.map(|warning| warning.at(&place)));
    Some(Tls { connector, starttls: tls.starttls })
}

/// The value of a result; an error is added to `errors`, with its place.
fn found<T, P, E: std::fmt::Display>(
    place: &Located<P>,
    result: Result<T, E>,
    errors: &mut Vec<ConfigError>,
) -> Option<T> {
    result.map_err(|error| errors.push(place.error(error.to_string()))).ok()
}
