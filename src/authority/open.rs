//! The folder of an authority, opened: its settings, its certificates, its keys. Must not know: what is done with them.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::authority::build::{Signer, Terms, Validity, validity};
use crate::authority::error::AuthorityError;
use crate::authority::index::Index;
use crate::authority::key::{self, KeyError};
use crate::authority::permit::Permitted;
use crate::state::{Folder, Lock};
use crate::tls::certificate::x509;

/// Returns the passphrase of a key, whose file it is given. It is called only for a key that is encrypted.
pub type Ask<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// An authority.
pub struct Authority {
    pub(super) folder: Folder,
    pub(super) index: Index,
    pub(super) permitted: Permitted,
    pub(super) root: Known,
    /// Held as long as it may be changed.
    _lock: Option<Lock>,
}

/// A certificate of the authority's own.
pub(super) struct Known {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) serial: String,
    pub(super) validity: Validity,
}

impl Authority {
    /// Opens an authority to change it. Another process that does the same is waited for.
    pub fn open(path: &Path, patience: Duration) -> Result<Self, AuthorityError> {
        let folder = existing(path)?;
        let start = Instant::now();
        let lock = loop {
            match folder.lock()? {
                Some(lock) => break lock,
                None if start.elapsed() >= patience => {
                    return Err(AuthorityError::Busy(path.to_owned(), folder.holder()));
                }
                None => thread::sleep(BETWEEN_TRIES),
            }
        };
        folder.tidy()?;
        Self::loaded(folder, Some(lock))
    }

    /// Opens an authority to look at it.
    pub fn read(path: &Path) -> Result<Self, AuthorityError> {
        Self::loaded(existing(path)?, None)
    }

    fn loaded(folder: Folder, lock: Option<Lock>) -> Result<Self, AuthorityError> {
        let broken = |file: &str, what: String| AuthorityError::Broken(folder.path().join(file), what);
        let Some(bytes) = folder.read(Path::new(INDEX))? else {
            return Err(AuthorityError::NoAuthority(folder.path().to_owned()));
        };
        let index = Index::read(&bytes).map_err(|what| broken(INDEX, what))?;
        let permitted = Permitted::parse(&index.permitted).map_err(|error| broken(INDEX, error.to_string()))?;
        let root = known(&folder, Path::new(ROOT))?;
        Ok(Self { folder, index, permitted, root, _lock: lock })
    }

    /// The folder, as it was named.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Settings, and what was revoked.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The issuing certificate that is in use, with its key. An error if it can issue nothing any more.
    pub fn issuing(&self, ask: Ask<'_>, now: i64) -> Result<Signer, AuthorityError> {
        let newest = self.index.newest();
        if self.index.revoked(newest).is_some() {
            return Err(AuthorityError::IssuingRevoked);
        }
        let signer = self.issuer(newest, ask)?;
        if signer.validity.to <= now {
            return Err(AuthorityError::Expired("issuing", "\"tlsgate ca renew\" makes a new one"));
        }
        Ok(signer)
    }

    /// One of the issuing certificates, with its key.
    pub(super) fn issuer(&self, serial: &str, ask: Ask<'_>) -> Result<Signer, AuthorityError> {
        self.signer(&issuing_file(serial, "pem"), &issuing_file(serial, "key"), ask)
    }

    /// The root, with its key.
    pub(super) fn root(&self, ask: Ask<'_>) -> Result<Signer, AuthorityError> {
        self.signer(Path::new(ROOT), Path::new(ROOT_KEY), ask)
    }

    fn signer(&self, certificate: &Path, key: &Path, ask: Ask<'_>) -> Result<Signer, AuthorityError> {
        let path = self.folder.path().join(key);
        let Some(bytes) = self.folder.read(key)? else { return Err(AuthorityError::NoKey(path)) };
        let pem = String::from_utf8_lossy(&bytes);
        let passphrase = if key::is_encrypted(&pem) { Some(ask(&path)?) } else { None };
        let pair = key::from_pem(&pem, passphrase.as_deref()).map_err(|error| match error {
            KeyError::Decrypt(error) => AuthorityError::Key(path, error),
            KeyError::Form(error) => AuthorityError::Broken(path, format!("is no private key: {error}")),
        })?;
        let read = known(&self.folder, certificate)?;
        let broken = |what: &str| AuthorityError::Broken(self.folder.path().join(certificate), what.to_owned());
        Signer::new(read.certificate, pair).map_err(broken)
    }

    /// Whether the root's key takes a passphrase.
    pub(super) fn has_encrypted_root(&self) -> Result<bool, AuthorityError> {
        let bytes = self.folder.read(Path::new(ROOT_KEY))?.unwrap_or_default();
        Ok(key::is_encrypted(&String::from_utf8_lossy(&bytes)))
    }

    /// All issuing certificates, the newest last.
    pub(super) fn issuers(&self) -> Result<Vec<Known>, AuthorityError> {
        self.index.issuing.iter().map(|serial| known(&self.folder, &issuing_file(serial, "pem"))).collect()
    }

    pub(super) fn terms(&self) -> Terms<'_> {
        Terms { permitted: &self.permitted, crl_url: self.index.crl_url.as_deref() }
    }

    pub(super) fn save(&self) -> Result<(), AuthorityError> {
        Ok(self.folder.write(Path::new(INDEX), &self.index.write())?)
    }
}

/// The file of an issuing certificate.
pub(super) fn issuing_file(serial: &str, ending: &str) -> PathBuf {
    Path::new("issuing").join(format!("{serial}.{ending}"))
}

/// The file of a certificate that was issued.
pub(super) fn issued_file(serial: &str) -> PathBuf {
    Path::new(ISSUED).join(format!("{serial}.pem"))
}

/// A certificate in a file that must be there.
fn known(folder: &Folder, file: &Path) -> Result<Known, AuthorityError> {
    let broken = |what: &str| AuthorityError::Broken(folder.path().join(file), what.to_owned());
    let Some(bytes) = folder.read(file)? else { return Err(broken("is not there")) };
    let certificate = CertificateDer::from_pem_slice(&bytes).map_err(|_| broken("is no certificate in PEM"))?;
    let parsed = x509::parse(&certificate).map_err(|error| broken(&error.to_string()))?;
    let (serial, validity) = (x509::serial(parsed.raw_serial()), validity(&parsed));
    drop(parsed);
    Ok(Known { certificate, serial, validity })
}

/// The folder, if it is there: to open one that is not there would make it.
fn existing(path: &Path) -> Result<Folder, AuthorityError> {
    match path.join(INDEX).symlink_metadata() {
        Ok(_) => Ok(Folder::open(path)?),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(io::Error::new(error.kind(), format!("{} cannot be opened: {error}", path.display())).into())
        }
        Err(_) => Err(AuthorityError::NoAuthority(path.to_owned())),
    }
}

pub(super) const INDEX: &str = "authority.json";
pub(super) const ROOT: &str = "ca.pem";
pub(super) const ROOT_KEY: &str = "ca.key";
pub(super) const ISSUED: &str = "issued";

const BETWEEN_TRIES: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::settings::KeyKind;
    use crate::authority::new::{Plan, create};

    #[test]
    fn one_process_at_a_time_changes_it_and_others_may_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca");
        let (name, key, permitted) = ("CA".to_owned(), KeyKind::EcdsaP256, Permitted::default());
        let plan = Plan { name, key, days: 9, issuing_days: 5, permitted, crl_url: None, crl_days: 1 };
        create(&path, &plan, None, 1_800_000_000).unwrap();
        let first = Authority::open(&path, Duration::ZERO).unwrap();
        let error = Authority::open(&path, Duration::ZERO).err().unwrap();
        assert!(matches!(&error, AuthorityError::Busy(_, Some(pid)) if *pid == std::process::id()), "{error}");
        assert_eq!(Authority::read(&path).unwrap().index(), first.index());
        drop(first);
        let mut next = Authority::open(&path, Duration::ZERO).unwrap();
        // The clock decides what can still be done.
        let nobody: Ask<'_> = &|_| Err(io::ErrorKind::NotFound.into());
        let (now, later) = (1_800_000_000 + 86_400, 1_800_000_000 + 6 * 86_400);
        assert!(next.issuing(nobody, now).is_ok());
        assert!(matches!(next.issuing(nobody, later), Err(AuthorityError::Expired("issuing", _))));
        next.renew(KeyKind::EcdsaP256, 5, nobody, later).unwrap();
        // It ends with the root.
        assert_eq!(next.issuing(nobody, later).ok().unwrap().validity.to, next.root.validity.to);
        let end = next.root.validity.to;
        assert!(matches!(next.renew(KeyKind::EcdsaP256, 5, nobody, end), Err(AuthorityError::Expired("root", _))));
    }
}
