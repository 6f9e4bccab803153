//! Whom to trust as a root: the certificates in a file, or the system's. Must not know: what for.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use crate::files;
use crate::tls::certificate::pem;

/// Why there is no root.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoRoots {
    /// The file, and what is wrong with it.
    #[error("{0}")]
    File(String),
    #[error("the system's roots cannot be read: {0}")]
    Unreadable(String),
    #[error("the system has no roots")]
    System,
}

impl NoRoots {
    /// In words, with the key or the option that names the file, or that could name one.
    pub fn under(&self, key: &str) -> String {
        match self {
            Self::File(why) => format!("{key}: {why}"),
            Self::Unreadable(_) | Self::System => format!("{self} ({key} can name a file of them)"),
        }
    }
}

/// At least one certificate: those in the file, or the system's where there is none.
pub fn of(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, NoRoots> {
    file.map_or_else(system, read)
}

/// The certificates in a file as they are.
fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, NoRoots> {
    let wrong = |reason: String| NoRoots::File(format!("{}: {reason}", file.display()));
    let bytes = files::read(file, files::LARGEST_CERTIFICATES).map_err(|error| wrong(files::reason(&error)))?.bytes;
    let found = pem::read_certificates(&bytes).map_err(|error| wrong(error.to_string()))?.certificates;
    if found.is_empty() { Err(wrong("found no certificate, expected at least one".into())) } else { Ok(found) }
}

fn system() -> Result<Vec<CertificateDer<'static>>, NoRoots> {
    let found = rustls_native_certs::load_native_certs();
    // Large collections contain old certificates that rustls rejects. One of them must not make the others useless.
    let accepted = |one: &CertificateDer<'static>| RootCertStore::empty().add(one.clone()).is_ok();
    let usable: Vec<_> = found.certs.into_iter().filter(accepted).collect();
    match (usable.is_empty(), found.errors.first()) {
        (false, _) => Ok(usable),
        (true, Some(error)) => Err(NoRoots::Unreadable(error.to_string())),
        (true, None) => Err(NoRoots::System),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let missing = of(Some(&file)).unwrap_err().to_string();
        std::fs::write(&file, "no certificate").unwrap();
        let empty = of(Some(&file)).unwrap_err().to_string();
        for why in [&missing, &empty] {
            assert!(why.starts_with(&*format!("{}: ", file.display())), "{why}");
        }
        assert_ne!(missing, empty);
    }
}
