//! TLS to a backend: its settings, and the files that they name → what connects. Must not know: who connects.

use std::sync::Arc;

use crate::config::located::{ConfigError, Located};
use crate::config::validate::backend_tls::Tls;
use crate::files;
use crate::tls::certificate::pem;
use crate::tls::certificate::source::{Found, Loading};
use crate::tls::handshake::connect::{Connector, Terms};
use crate::tls::record::Layer;
use crate::tls::trust::servers::Trust;
use crate::warning::Warning;

/// What came of it, besides what is wrong.
pub(super) struct Prepared {
    pub(super) connector: Arc<Connector>,
    /// The one that servers are shown.
    pub(super) certificate: Option<Found>,
    pub(super) warnings: Vec<Warning>,
}

/// Reads what is needed; everything that is wrong is added to `errors`.
pub(super) fn prepare(
    tls: &Tls,
    layer: Layer,
    loading: &mut Loading<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<Prepared> {
    let mut trust = Trust { roots: Vec::new(), pins: tls.pins.clone() };
    let mut warnings = Vec::new();
    if let Some(file) = &tls.ca {
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", file.value.display());
        let read = files::read(&file.value, files::LARGEST_CERTIFICATES).map_err(|error| said(&files::reason(&error)));
        let read = read.and_then(|text| pem::read_certificates(&text.bytes).map_err(|error| said(&error)));
        let contents = told(file, read, errors)?;
        let path = file.value.display().to_string();
        warnings.extend(contents.passed_over.iter().map(|unread| Warning::about(path.as_str(), unread.to_string())));
        if contents.certificates.is_empty() {
            errors.push(file.error(said(&"holds no certificate")));
            return None;
        }
        trust.roots = contents.certificates;
    }
    let mut certificate = None;
    if let Some(source) = &tls.certificate {
        certificate = told(source, loading.load(&source.value), errors)?.found.into_iter().next();
    }
    let connector = Connector::new(Terms {
        policy: &tls.policy,
        trust: &trust,
        server_name: tls.server_name.clone(),
        certificate: certificate.as_ref().map(|found| &*found.entry.certificate.key),
        alpn: tls.alpn.clone(),
        layer,
    });
    let connector = Arc::new(told(&tls.here, connector, errors)?);
    Some(Prepared { connector, certificate, warnings })
}

fn told<T, P, E: std::fmt::Display>(
    place: &Located<P>,
    result: Result<T, E>,
    errors: &mut Vec<ConfigError>,
) -> Option<T> {
    result.map_err(|error| errors.push(place.error(error.to_string()))).ok()
}
