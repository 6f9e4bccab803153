//! The lists by which servers' certificates are judged: for a connector, and what there is to report about them. Must not know:
//! for which backend, whether for connections or for health checks.

use std::sync::Arc;

use crate::config::located::{ConfigError, Located};
use crate::config::validate::revocation::Lists;
use crate::snapshot::reading::Reading;
use crate::snapshot::revocation_lists::Found;
use crate::tls::handshake::connect::{Connector, ConnectorError};
use crate::tls::trust::servers::revocation::{Revocation, TrustError};

/// What a connector is built with.
pub(super) fn revocation(found: &Found<'_>, lists: &Lists, reading: &Reading<'_>) -> Revocation {
    Revocation { given: found.given.clone(), rules: found.rules(lists), seen: Some(Arc::clone(&reading.seen)) }
}

/// Reports what there is to say about the lists of a connector, whose other keys are at `here`.
pub(super) fn report<T>(connector: &Connector, found: &Found<'_>, here: &Located<T>, reading: &mut Reading<'_>) {
    found.note(connector.review.used(), connector.review.left_out(), reading);
    let warnings = connector.review.warnings(reading.now.as_second());
    reading.warnings.extend(warnings.into_iter().map(|(at, text)| found.warning(at, text, here)));
}

/// The errors where a connector cannot be built, each with its place.
pub(super) fn errors<T>(error: &ConnectorError, found: &Found<'_>, here: &Located<T>) -> Vec<ConfigError> {
    let ConnectorError::Trust(TrustError::Lists(faults)) = error else { return vec![here.error(error.to_string())] };
    let located = faults.iter().map(|(index, fault)| match found.file(*index) {
        Some(file) => file.error(format!("{}: {fault}", file.value.display())),
        None => here.error(fault.to_string()),
    });
    located.collect()
}
