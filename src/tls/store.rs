//! Files and folders → certificates, with every problem told by path.
//! Must not know: which listener they are for, configuration, what was served before.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::tls::certificate::{Certificate, CertificateError};
use crate::tls::name::Name;
use crate::tls::pem::{self, Contents, PemError};
use crate::tls::select::Entry;

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder, or a file with certificates and key in it.
    Path(PathBuf),
    /// Two files, and what the configuration says about them.
    Pair { cert: PathBuf, key: PathBuf, names: Option<Vec<Name>>, default: bool },
}

/// What came of a source.
#[derive(Debug, Default)]
pub struct Loaded {
    pub entries: Vec<Entry>,
    /// One for each certificate of a folder that was skipped, and for what looks wrong but works.
    pub warnings: Vec<String>,
}

/// Why a source that was named cannot be used. The texts begin with the path.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("{path}: {said}", path = .0.display(), said = io_words(.1))]
    Read(PathBuf, std::io::Error),
    #[error("{path}: {1}", path = .0.display())]
    Pem(PathBuf, PemError),
    #[error("{0}: {1}")]
    Certificate(String, CertificateError),
    #[error("{path}: is a folder, expected a file", path = .0.display())]
    Folder(PathBuf),
}

/// Loads one source. What was named in so many words must load; of a folder, what cannot be used is skipped with a
/// warning.
pub fn load(source: &Source) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    match source {
        Source::Pair { cert, key, names, default } => {
            let certificate = pair(cert, key, names.clone(), &mut loaded.warnings)?;
            loaded.push(certificate, *default);
        }
        Source::Path(path) => {
            let metadata = fs::metadata(path).map_err(|error| StoreError::Read(path.clone(), error))?;
            if metadata.is_dir() {
                folder(path, &mut loaded)?;
            } else {
                let contents = read(path, &mut loaded.warnings)?;
                loaded.push(combined(path, contents)?, false);
            }
        }
    }
    Ok(loaded)
}

/// The same certificate found twice counts once, at its first place; a later mention may mark it as default.
pub fn merge(entries: Vec<Entry>) -> Vec<Entry> {
    let mut seen: HashMap<([u8; 32], Vec<Name>), usize> = HashMap::with_capacity(entries.len());
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let identity = (entry.certificate.fingerprint, entry.certificate.names.clone());
        match seen.get(&identity) {
            Some(&at) => merged[at].default |= entry.default,
            None => {
                seen.insert(identity, merged.len());
                merged.push(entry);
            }
        }
    }
    merged
}

impl Loaded {
    fn push(&mut self, certificate: Certificate, default: bool) {
        if !certificate.unusable_names.is_empty() {
            let names = certificate.unusable_names.join(", ");
            self.warnings
                .push(format!("{}: names that no client can ask for are left out: {names}", certificate.label));
        }
        self.entries.push(Entry { certificate: Arc::new(certificate), default });
    }
}

/// Reads a folder in name order: `x.crt` or `x.pem` with `x.key`, combined files, and sub-folders with `tls.crt` and
/// `tls.key`. What begins with a dot is not looked at (Kubernetes' `..data`).
fn folder(path: &Path, loaded: &mut Loaded) -> Result<(), StoreError> {
    let unreadable = |error| StoreError::Read(path.to_owned(), error);
    let mut found: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.insert(entry.file_name(), entry.path());
        }
    }
    for file in found.values() {
        let result = match file.extension().and_then(|extension| extension.to_str()) {
            Some("crt" | "pem") => candidate(file, &mut loaded.warnings),
            Some("key") => Ok(None),
            _ => kubernetes(file, &mut loaded.warnings),
        };
        match result {
            Ok(Some(certificate)) => loaded.push(certificate, false),
            Ok(None) => {}
            Err(error) => loaded.warnings.push(format!("skipped: {error}")),
        }
    }
    Ok(())
}

/// A file of a folder: half of a pair, a combined file, or a certificate that has no key anywhere, which is no fault.
fn candidate(file: &Path, warnings: &mut Vec<String>) -> Result<Option<Certificate>, StoreError> {
    let key = file.with_extension("key");
    if fs::symlink_metadata(&key).is_ok() {
        return pair(file, &key, None, warnings).map(Some);
    }
    let contents = read(file, warnings)?;
    match (contents.certificates.is_empty(), contents.keys.is_empty()) {
        (false, true) | (true, false) => Ok(None),
        _ => combined(file, contents).map(Some),
    }
}

/// A sub-folder as Kubernetes mounts a TLS secret.
fn kubernetes(file: &Path, warnings: &mut Vec<String>) -> Result<Option<Certificate>, StoreError> {
    let (cert, key) = (file.join("tls.crt"), file.join("tls.key"));
    if fs::symlink_metadata(&cert).is_err() && fs::symlink_metadata(&key).is_err() {
        return Ok(None);
    }
    pair(&cert, &key, None, warnings).map(Some)
}

fn pair(
    cert: &Path,
    key: &Path,
    names: Option<Vec<Name>>,
    warnings: &mut Vec<String>,
) -> Result<Certificate, StoreError> {
    let certificates = read(cert, &mut Vec::new())?.certificates;
    let keys = read(key, warnings)?.keys;
    // Only the certificate file's certificates and the key file's key count, so that a pair is never a mix of three.
    let label = cert.display().to_string();
    Certificate::build(&label, certificates, keys, names)
        .map_err(|error| StoreError::Certificate(format!("{label} with {}", key.display()), error))
}

fn combined(path: &Path, contents: Contents) -> Result<Certificate, StoreError> {
    let label = path.display().to_string();
    Certificate::build(&label, contents.certificates, contents.keys, None)
        .map_err(|error| StoreError::Certificate(label, error))
}

fn read(path: &Path, warnings: &mut Vec<String>) -> Result<Contents, StoreError> {
    let unreadable = |error| StoreError::Read(path.to_owned(), error);
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(StoreError::Folder(path.to_owned()));
    }
    let text = fs::read(path).map_err(unreadable)?;
    let contents = pem::read(&text).map_err(|error| StoreError::Pem(path.to_owned(), error))?;
    if !contents.keys.is_empty() && metadata.permissions().mode() & READABLE_BY_ALL != 0 {
        warnings.push(format!("{}: the private key can be read by everyone (chmod o-r)", path.display()));
    }
    Ok(contents)
}

fn io_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "not readable for this user".into(),
        _ => error.to_string(),
    }
}

const READABLE_BY_ALL: u32 = 0o004;
