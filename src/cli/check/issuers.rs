//! Certificates that are sent alone → whether their issuers are known. Must not know: how that is shown.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::cli::cert::roots;
use crate::config::validate::Config;
use crate::files;
use crate::snapshot::Snapshot;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::chain::{Anchors, End};
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::inventory::{Item, Key};
use crate::tls::certificate::pem;
use crate::tls::certificate::source::folder;
use crate::tls::certificate::x509;
use crate::warning::Warning;

/// Certificates whose issuers are unknown.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    /// An intermediate is missing: the certificate contains a URL of its issuer's certificate, and no known root has that
    /// name.
    pub(super) warnings: Vec<Warning>,
    /// The issuer may be a root of your own, which only clients need.
    pub(super) notes: Vec<Warning>,
}

/// Looks for the issuers of all certificates that are sent alone: among the system's roots, the authorities that the
/// configuration names, and those beside the certificates.
pub(super) fn unknown(config: &Config, snapshot: &Snapshot) -> Unknown {
    let mut unknown = Unknown::default();
    let all = snapshot.certificates().map(|certificate| &**certificate);
    let alone: Vec<&Certificate> = all.filter(|certificate| !certificate.issuer_known).collect();
    if alone.is_empty() {
        return unknown;
    }
    let (system, own) = (roots::system(), Anchors::new(own_roots(config, &alone)));
    let mut seen = BTreeSet::new();
    for certificate in alone {
        let nowhere = [&system, &own].iter().all(|anchors| is_open(certificate, anchors));
        // Several listeners may serve the certificate: it is reported once.
        if !nowhere || !seen.insert(&*certificate.label) {
            continue;
        }
        let Some(facts) = certificate.key.cert.first().and_then(|der| Facts::of(der).ok()) else { continue };
        let about = |what: &'static str| Warning::about(Arc::clone(&certificate.label), what);
        match facts.issuer_urls.first() {
            Some(url) => {
                let detail = format!(": {}, available at {url}", facts.issuer);
                unknown.warnings.push(about(MISSING).with(detail));
            }
            None => unknown.notes.push(about(UNKNOWN).with(format!(": {}", facts.issuer))),
        }
    }
    unknown
}

fn is_open(certificate: &Certificate, anchors: &Anchors) -> bool {
    let item = Item::of(&certificate.key.cert, Some(0), Key::None, anchors);
    matches!(item, Ok(Some(item)) if item.chain.end == End::Open)
}

/// Self-signed certificates of authorities in the files that the configuration names as such, and beside the certificates.
fn own_roots(config: &Config, certificates: &[&Certificate]) -> Vec<CertificateDer<'static>> {
    let clients = config.listeners.iter().flat_map(|listener| listener.client_auth_files());
    let clients = clients.chain(config.admin.client_auth_files());
    let backends = config.backends.iter().filter_map(|backend| backend.tls.as_ref()?.ca.as_ref());
    let mut named: BTreeSet<PathBuf> = clients.chain(backends).map(|file| file.value.clone()).collect();
    let folders: BTreeSet<&Path> =
        certificates.iter().filter_map(|certificate| Path::new(&*certificate.label).parent()).collect();
    for folder in folders {
        named.extend(folder::files(folder).unwrap_or_default().into_iter().map(|(file, _)| file));
    }
    // A file that cannot be read or parsed here is only missing as a root: where it is needed, loading reports it.
    let read = |file: PathBuf| files::read(&file, files::LARGEST_CERTIFICATES).ok();
    let contents = named.into_iter().filter_map(read).filter_map(|read| pem::read(&read.bytes).ok());
    let is_root = |der: &CertificateDer<'static>| {
        x509::parse(der).is_ok_and(|parsed| parsed.is_ca() && parsed.subject() == parsed.issuer())
    };
    contents.flat_map(|contents| contents.certificates).filter(is_root).collect()
}

const MISSING: &str = "is sent without its issuer's certificate, so many clients cannot verify it: append that certificate to the file, or name its file with chain";
const UNKNOWN: &str = "is sent alone, and its issuer is not a root that is known here (fine if your clients trust it as a root; otherwise append its certificate to the file, or name its file with chain)";
