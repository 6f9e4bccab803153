//! Whom to trust at an authority's address: the certificates in its file, or the system's roots. Must not know: what for.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::acme::settings::Authority;
use crate::files;
use crate::tls::certificate::pem;

/// At least one certificate. An error names the file.
pub(super) fn of(authority: &Authority) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(file) = &authority.ca else { return system() };
    let key = format!("acme.{}.ca: {}", authority.name, file.display());
    let bytes =
        files::read(file, files::LARGEST_CERTIFICATES).map_err(|error| format!("{key}: {}", files::reason(&error)))?;
    let read = pem::read_certificates(&bytes.bytes).map_err(|error| format!("{key}: {error}"))?;
    match read.certificates.is_empty() {
        true => Err(format!("{key}: found no certificate, expected at least one")),
        false => Ok(read.certificates),
    }
}

fn system() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    // Large collections contain old certificates that rustls rejects. One of them must not make the others useless.
    let accepted = |one: &CertificateDer<'static>| RootCertStore::empty().add(one.clone()).is_ok();
    let usable: Vec<_> = found.certs.into_iter().filter(accepted).collect();
    match (usable.is_empty(), found.errors.first()) {
        (false, _) => Ok(usable),
        (true, Some(error)) => Err(format!("the system's roots cannot be read: {error}")),
        (true, None) => Err("the system has no roots: a key \"ca\" can name a file of them".to_owned()),
    }
}
