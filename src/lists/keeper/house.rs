//! The folder of lists, locked: what is read from it and written to it. Must not know: when that is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use crate::files;
use crate::lists::authorities;
use crate::lists::fetch::LARGEST;
use crate::lists::kept;
use crate::lists::kept::Proved;
use crate::lists::memory;
use crate::lists::memory::Memory;
use crate::lists::settings;
use crate::lists::url::Url;
use crate::state::{Folder, Lock};
use crate::tls::crypto;
use crate::tls::trust::lists::points::Point;

/// The folder.
pub(super) struct House {
    folder: Folder,
    _lock: Lock,
}

impl House {
    /// Opens and locks the folder below that of the state. The error is why not.
    pub(super) fn open(state: &Path) -> Result<Self, String> {
        let folder = Folder::open(&settings::folder(state)).map_err(|error| error.to_string())?;
        let Some(lock) = folder.lock().map_err(|error| error.to_string())? else {
            let of = folder.holder().map(|pid| format!(" (process {pid})")).unwrap_or_default();
            return Err(format!("{} is locked by another process{of}", folder.path().display()));
        };
        folder.tidy().map_err(|error| error.to_string())?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What is remembered of a list.
    pub(super) fn memory(&self, url: &Url) -> Memory {
        memory::read(&self.folder, url)
    }

    /// The list that is kept, if these CAs have signed it.
    pub(super) fn kept(&self, url: &Url, ca: &[CertificateDer<'_>]) -> Option<Proved> {
        let path = self.folder.path().join(settings::file(url));
        let read = files::read(&path, LARGEST as u64).ok()?;
        kept::read(&read.bytes, ca).ok()
    }

    /// Keeps a list in place of the one that is kept, which is read again: when the attempt began, the files of the CAs may
    /// have been unreadable for a moment, and then nothing seemed to be kept.
    pub(super) fn keep(&self, url: &Url, list: &Proved, ca: &BTreeSet<PathBuf>, now: i64) -> Result<(), String> {
        let (ca, _) = authorities_of(ca)?;
        let kept = self.kept(url, &ca).map(|kept| kept.facts);
        kept::may_replace(&list.facts, kept.as_ref(), now)?;
        let file = PathBuf::from(settings::file(url));
        let write = || self.folder.write(&file, &list.der);
        // Whoever tidies the folder above can take what is about to be written for something that a crash has left.
        write().or_else(|_| write()).map_err(|error| error.to_string())
    }

    /// Remembers what became of it.
    pub(super) fn remember(&self, url: &Url, memory: &Memory) {
        if let Err(error) = memory::write(&self.folder, url, memory) {
            tracing::warn!(%url, %error, "what became of a list of revoked certificates cannot be written");
        }
    }

    /// The points that peers have shown.
    pub(super) fn points(&self) -> Vec<(Point, Option<i64>)> {
        memory::points(&self.folder)
    }

    /// Remembers them.
    pub(super) fn keep_points(&self, points: Vec<(Point, i64)>) {
        if let Err(error) = memory::keep_points(&self.folder, points) {
            tracing::warn!(%error, "distribution points of lists of revoked certificates cannot be written");
        }
    }

    /// Removes lists that are out of date and that nobody asks for any more. Those that are current stay: an operator may take
    /// a change back.
    pub(super) fn clear(&self, wanted: &BTreeSet<String>, now: i64) {
        let entries = fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let stem = name.strip_suffix(settings::EXTENSION).and_then(|name| name.strip_suffix('.'));
            let Some(stem) = stem.filter(|stem| !stem.starts_with('.') && !wanted.contains(*stem)) else { continue };
            if memory::ends(&self.folder, stem).is_none_or(|ends| ends < now) {
                let _ = self.folder.remove(Path::new(name));
                let _ = memory::forget(&self.folder, stem);
            }
        }
    }
}

/// The CAs in some files, and their hash. An error where a file cannot be read, or where there is no CA in them.
pub(super) fn authorities_of(ca: &BTreeSet<PathBuf>) -> Result<(Vec<CertificateDer<'static>>, [u8; 32]), String> {
    let certificates = authorities::read(ca)?;
    if certificates.is_empty() {
        return Err("found no certificate of a CA in \"ca\", expected that of the CA that has signed the list".into());
    }
    let mut all = Vec::new();
    for certificate in &certificates {
        all.extend_from_slice(&(certificate.len() as u64).to_be_bytes());
        all.extend_from_slice(certificate);
    }
    let hash = crypto::sha256(&all);
    Ok((certificates, hash))
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
        SerialNumber,
    };

    use super::*;

    #[test]
    fn a_list_that_was_fetched_while_the_file_of_its_ca_was_gone_does_not_replace_a_newer_one() {
        let root = tempfile::tempdir().unwrap();
        let house = House::open(root.path()).unwrap();
        let url = Url::parse("http://a.test/1.crl").unwrap();
        let (file, key) = (root.path().join("ca.pem"), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let list = |number: u64| {
            let now = time();
            let params = CertificateRevocationListParams {
                this_update: now.into(),
                next_update: (now + std::time::Duration::from_secs(3600)).into(),
                crl_number: SerialNumber::from(number),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            let list = params.signed_by(&issuer).unwrap();
            kept::read(list.der(), &[certificate.der().clone()]).unwrap()
        };
        let ca = BTreeSet::from([file.clone()]);
        let keep = |number| house.keep(&url, &list(number), &ca, 0);
        assert!(keep(5).unwrap_err().contains("ca.pem"), "without the CA's file, nothing can be compared");
        fs::write(&file, certificate.pem()).unwrap();
        assert_eq!(keep(5), Ok(()));
        assert!(keep(4).unwrap_err().contains("older"));
        fs::write(&file, "").unwrap();
        assert!(keep(4).is_err() && authorities_of(&ca).is_err());
        fs::write(&file, certificate.pem()).unwrap();
        let (read, _) = authorities_of(&ca).unwrap();
        assert_eq!(house.kept(&url, &read).unwrap().facts.newness, list(5).facts.newness, "it is as it was");
        assert_eq!(keep(6), Ok(()));
    }

    /// A whole second, since a list has no parts of one.
    fn time() -> std::time::SystemTime {
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000)
    }
}
