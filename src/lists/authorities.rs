//! The files of CAs → their certificates, and where their lists are. Must not know: what is fetched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use crate::files;
use crate::tls::certificate::{pem, x509};
use crate::tls::trust::lists::points;
use crate::tls::trust::lists::points::Point;

/// The certificates in all these files. An error names the file.
pub fn read(files: &BTreeSet<PathBuf>) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = files.iter().map(|file| certificates(file));
    Ok(all.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The distribution points in these certificates, of lists that one of them could have signed.
pub fn points(certificates: &[CertificateDer<'_>]) -> BTreeSet<Point> {
    let parsed: Vec<_> = certificates.iter().map(|certificate| x509::parse(certificate).ok()).collect();
    let is_here = |issuer: &[u8]| parsed.iter().flatten().any(|one| one.subject().as_raw() == issuer);
    let certificates = certificates.iter().zip(&parsed);
    // The list of a CA above those that are trusted could not be proved.
    let provable = certificates.filter(|(_, parsed)| parsed.as_ref().is_some_and(|one| is_here(one.issuer().as_raw())));
    provable.flat_map(|(certificate, _)| points::of(certificate)).collect()
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: String| format!("{}: {why}", file.display());
    let read = files::read(file, files::LARGEST_CERTIFICATES).map_err(|error| wrong(files::reason(&error)))?;
    let read = pem::read_certificates(&read.bytes).map_err(|error| wrong(error.to_string()))?;
    Ok(read.certificates)
}
