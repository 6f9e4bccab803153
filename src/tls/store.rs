//! Files and folders → certificates, with every problem told by path; remembers what it loaded.
//!
//! A file that did not change is not read again, and what can no longer be read keeps its last good version.
//! Must not know: which listener they are for, configuration.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;

use crate::files::{self, progress};
use crate::tls::certificate::{Certificate, CertificateError};
use crate::tls::crypto;
use crate::tls::name::Name;
use crate::tls::pem::{self, Contents, PemError};
use crate::tls::select::Entry;
use crate::tls::stamp::Stamp;

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
    /// For what looks wrong but works.
    pub warnings: Vec<String>,
    /// One for each certificate of a folder that could not be loaded.
    pub failures: Vec<String>,
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
    #[error("{path}: can be read by everyone, and what is in it must stay secret (chmod o-r)", path = .0.display())]
    Exposed(PathBuf),
}

/// Certificates as they were last loaded.
#[derive(Debug, Default)]
pub struct Store {
    kept: HashMap<Origin, Kept>,
    plain: HashMap<PathBuf, Plain>,
}

/// A file that is none of ours to take apart.
#[derive(Debug, Clone)]
struct Plain {
    bytes: Arc<[u8]>,
    stamp: Option<Stamp>,
}

/// How far a store believes that a file is what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// If the kernel says that it has not changed.
    Stamps,
    /// Only if its bytes are the same.
    Bytes,
}

/// A load under way. The store before it stays as it is: which of the two lives on is decided when it is known whether
/// everything succeeded.
#[derive(Debug)]
pub struct Loading<'s> {
    before: &'s Store,
    after: Store,
    trust: Trust,
    now: SystemTime,
}

/// What a certificate is made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    cert: PathBuf,
    /// `None` where the key stands in the same file.
    key: Option<PathBuf>,
    names: Option<Vec<Name>>,
}

#[derive(Debug, Clone)]
struct Kept {
    certificate: Arc<Certificate>,
    warnings: Vec<String>,
    stamps: Option<(Stamp, Stamp)>,
    bytes: [u8; 32],
}

impl Store {
    pub fn loading(&self, trust: Trust, now: SystemTime) -> Loading<'_> {
        Loading { before: self, after: Self::default(), trust, now }
    }
}

impl Loading<'_> {
    /// Loads one source. What was named in so many words must load; of a folder, what cannot be used keeps its last good
    /// version, or is left out if there is none.
    pub fn load(&mut self, source: &Source) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        match source {
            Source::Pair { cert, key, names, default } => {
                let origin = Origin { cert: cert.clone(), key: Some(key.clone()), names: names.clone() };
                let kept = self.current(&origin)?;
                self.keep(origin, kept, *default, &mut loaded);
            }
            Source::Path(path) => {
                let metadata = progress::begin(path).and_then(|()| fs::metadata(path));
                let metadata = metadata.map_err(|error| StoreError::Read(path.clone(), error))?;
                if metadata.is_dir() {
                    self.folder(path, &mut loaded)?;
                } else {
                    let origin = Origin { cert: path.clone(), key: None, names: None };
                    let kept = self.current(&origin)?;
                    self.keep(origin, kept, false, &mut loaded);
                }
            }
        }
        Ok(loaded)
    }

    /// The bytes of a file that nobody need keep secret; the very same where it did not change.
    pub fn plain(&mut self, path: &Path) -> Result<Arc<[u8]>, StoreError> {
        if let Some(plain) = self.after.plain.get(path) {
            return Ok(Arc::clone(&plain.bytes));
        }
        let before = self.before.plain.get(path);
        let stamp = Stamp::of(path, self.now);
        let unchanged = |plain: &&Plain| self.trust == Trust::Stamps && stamp.is_some() && plain.stamp == stamp;
        let bytes = match before.filter(unchanged) {
            Some(plain) => Arc::clone(&plain.bytes),
            None => {
                let read = File::read(path)?.text;
                let same = before.filter(|plain| *plain.bytes == *read);
                same.map_or_else(|| read.into(), |plain| Arc::clone(&plain.bytes))
            }
        };
        self.after.plain.insert(path.to_owned(), Plain { bytes: Arc::clone(&bytes), stamp });
        Ok(bytes)
    }

    /// The store as it is after everything was loaded.
    pub fn finish(self) -> Store {
        self.after
    }

    /// Reads a folder in name order: `x.crt` or `x.pem` with `x.key`, combined files, and sub-folders with `tls.crt` and
    /// `tls.key`.
    fn folder(&mut self, path: &Path, loaded: &mut Loaded) -> Result<(), StoreError> {
        let mut found = listed(path)?;
        // A certificate that is just being replaced may be gone for a moment while its key is there.
        for origin in self.before.kept.keys().filter(|origin| origin.cert.parent() == Some(path)) {
            let key_is_there = origin.key.as_ref().is_some_and(|key| fs::symlink_metadata(key).is_ok());
            if let Some(name) = origin.cert.file_name().filter(|_| key_is_there) {
                found.entry(name.to_owned()).or_insert_with(|| origin.cert.clone());
            }
        }
        for file in found.values() {
            let origin = origin_of(file);
            let Some(origin) = origin else { continue };
            match self.current_or_last_good(&origin, loaded) {
                Ok(Some(kept)) => self.keep(origin, kept, false, loaded),
                Ok(None) => {}
                Err(error) => loaded.failures.push(format!("skipped: {error}")),
            }
        }
        Ok(())
    }

    fn current_or_last_good(&self, origin: &Origin, loaded: &mut Loaded) -> Result<Option<Kept>, StoreError> {
        // A combined file that lost its key, or a pair whose key is gone, was served before and is not given up.
        let last_good = self.before.kept.get(origin).or_else(|| self.before.of_certificate(&origin.cert));
        match self.current(origin) {
            Ok(kept) => Ok(Some(kept)),
            // Without a key anywhere it never was one of ours, and without a certificate neither.
            Err(error) if last_good.is_none() && origin.key.is_none() && error.is_half() => Ok(None),
            Err(error) => match last_good {
                Some(kept) => {
                    loaded.failures.push(format!("keeps its last good version: {error}"));
                    Ok(Some(Kept { stamps: None, ..kept.clone() }))
                }
                None => Err(error),
            },
        }
    }

    fn keep(&mut self, origin: Origin, kept: Kept, default: bool, loaded: &mut Loaded) {
        loaded.warnings.extend(kept.warnings.iter().cloned());
        loaded.entries.push(Entry { certificate: Arc::clone(&kept.certificate), default });
        self.after.kept.insert(origin, kept);
    }

    /// The certificate as it is on disk now; the one from before if that is the same.
    fn current(&self, origin: &Origin) -> Result<Kept, StoreError> {
        if let Some(kept) = self.after.kept.get(origin) {
            return Ok(kept.clone());
        }
        let before = self.before.kept.get(origin);
        let key = origin.key.as_ref().unwrap_or(&origin.cert);
        // Taken before reading: what changes while it is read will look changed the next time.
        let stamps = Stamp::of(&origin.cert, self.now).zip(Stamp::of(key, self.now));
        if let Some(kept) = before
            && self.trust == Trust::Stamps
            && stamps.is_some()
            && kept.stamps == stamps
        {
            return Ok(kept.clone());
        }
        let cert_file = File::read(&origin.cert)?;
        let key_file = origin.key.as_deref().map(File::read).transpose()?;
        let bytes = cert_file.hash_with(key_file.as_ref());
        if let Some(kept) = before.filter(|kept| kept.bytes == bytes) {
            return Ok(Kept { stamps, ..kept.clone() });
        }
        let (certificate, mut warnings) = build(origin, &cert_file, key_file.as_ref())?;
        // What a reload brings is verified; to verify thousands at the start would take too long.
        if !self.before.kept.is_empty() {
            let unverified = certificate.unverified();
            warnings.extend(unverified.into_iter().map(|remark| format!("{}: {remark}", certificate.label)));
        }
        Ok(Kept { certificate: Arc::new(certificate), warnings, stamps, bytes })
    }
}

impl Store {
    fn of_certificate(&self, cert: &Path) -> Option<&Kept> {
        self.kept.iter().find(|(origin, _)| origin.cert == cert && origin.names.is_none()).map(|(_, kept)| kept)
    }
}

impl StoreError {
    /// Whether only one half of a certificate was found where both might have been.
    fn is_half(&self) -> bool {
        match self {
            Self::Certificate(_, error) => matches!(error, CertificateError::NoKey | CertificateError::NoCertificate),
            // It was in the folder a moment ago, or before.
            Self::Read(_, error) => error.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

/// Reads a file of secrets, which nobody but its owner and group may be able to read.
pub fn read_secret(path: &Path) -> Result<String, StoreError> {
    let file = File::read(path)?;
    if file.readable_by_all {
        return Err(StoreError::Exposed(path.to_owned()));
    }
    String::from_utf8(file.text)
        .map_err(|_| StoreError::Pem(path.to_owned(), PemError::Syntax("it is not text".into())))
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

/// The certificate files of a folder, each with the file that should hold its key, if that is another.
pub fn files(folder: &Path) -> Result<Vec<(PathBuf, Option<PathBuf>)>, StoreError> {
    let origins = listed(folder)?.into_values().filter_map(|file| origin_of(&file));
    Ok(origins.map(|origin| (origin.cert, origin.key)).collect())
}

/// What stands in a folder, in name order. What begins with a dot is not looked at (Kubernetes' `..data`).
fn listed(folder: &Path) -> Result<BTreeMap<OsString, PathBuf>, StoreError> {
    let unreadable = |error| StoreError::Read(folder.to_owned(), error);
    let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for entry in progress::begin(folder).and_then(|()| fs::read_dir(folder)).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.insert(entry.file_name(), entry.path());
        }
    }
    Ok(found)
}

/// What a file or sub-folder of a folder is a part of, if of anything.
fn origin_of(file: &Path) -> Option<Origin> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("crt" | "pem") => half_of(file),
        Some("key") => None,
        _ => kubernetes(file),
    }
}

/// A file of a folder: half of a pair, or a combined file.
fn half_of(file: &Path) -> Option<Origin> {
    let key = Some(file.with_extension("key")).filter(|key| fs::symlink_metadata(key).is_ok());
    Some(Origin { cert: file.to_owned(), key, names: None })
}

/// A sub-folder as Kubernetes mounts a TLS secret.
fn kubernetes(folder: &Path) -> Option<Origin> {
    let (cert, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let either = fs::symlink_metadata(&cert).is_ok() || fs::symlink_metadata(&key).is_ok();
    either.then_some(Origin { cert, key: Some(key), names: None })
}

fn build(origin: &Origin, cert: &File, key: Option<&File>) -> Result<(Certificate, Vec<String>), StoreError> {
    let mut warnings = Vec::new();
    let mut contents = cert.contents()?;
    let unread = |file: &File, contents: &Contents| {
        let path = file.path.display().to_string();
        contents.passed_over.iter().map(|unread| format!("{path}: {unread}")).collect::<Vec<_>>()
    };
    warnings.extend(unread(cert, &contents));
    let mut what = origin.cert.display().to_string();
    if let Some(key) = key {
        // Only the certificate file's certificates and the key file's key count, so that a pair is never a mix of three.
        let of_key = key.contents()?;
        warnings.extend(unread(key, &of_key));
        contents.keys = of_key.keys;
        what = format!("{what} with {}", key.path.display());
    }
    let label = origin.cert.display().to_string();
    let certificate = Certificate::build(&label, contents.certificates, contents.keys, origin.names.clone())
        .map_err(|error| StoreError::Certificate(what, error))?;
    warnings.extend(certificate.remarks.iter().map(|remark| format!("{label}: {remark}")));
    let key = key.unwrap_or(cert);
    if key.readable_by_all {
        warnings.push(format!("{}: the private key can be read by everyone (chmod o-r)", key.path.display()));
    }
    if !certificate.unusable_names.is_empty() {
        let names = certificate.unusable_names.join(", ");
        warnings.push(format!("{label}: names that no client can ask for are left out: {names}"));
    }
    Ok((certificate, warnings))
}

struct File {
    path: PathBuf,
    text: Vec<u8>,
    readable_by_all: bool,
}

impl File {
    fn read(path: &Path) -> Result<Self, StoreError> {
        let unreadable = |error| StoreError::Read(path.to_owned(), error);
        let contents = files::read(path, files::LARGEST_LIST).map_err(unreadable)?;
        let readable_by_all = contents.readable_by_all();
        let text = contents.bytes;
        Ok(Self { path: path.to_owned(), text, readable_by_all })
    }

    fn contents(&self) -> Result<Contents, StoreError> {
        pem::read(&self.text).map_err(|error| StoreError::Pem(self.path.clone(), error))
    }

    fn hash_with(&self, other: Option<&Self>) -> [u8; 32] {
        let mode = |file: &Self| [u8::from(file.readable_by_all)];
        let own = [crypto::sha256(&self.text).as_slice(), &mode(self)].concat();
        let others =
            other.map(|file| [crypto::sha256(&file.text).as_slice(), &mode(file)].concat()).unwrap_or_default();
        crypto::sha256(&[own, others].concat())
    }
}

fn io_words(error: &std::io::Error) -> String {
    files::reason(error)
}
