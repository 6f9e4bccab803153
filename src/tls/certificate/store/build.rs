//! The files of one certificate → the certificate, or the one from before where they are the same.
//! Must not know: how the files were found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::files;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::certified::error::CertificateError;
use crate::tls::certificate::pem;
use crate::tls::certificate::pem::Contents;
use crate::tls::certificate::place::{InToken, KeyPlace};
use crate::tls::certificate::stamp::Stamp;
use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::content;
use crate::tls::certificate::store::error::StoreError;
use crate::tls::certificate::store::origin::{Kept, Origin};
use crate::tls::certificate::unlock::Unlocking;
use crate::tls::crypto;
use crate::tls::token;
use crate::warning::Warning;

impl Loading<'_> {
    /// The certificate as it is on disk now; the one from before if that is the same.
    pub(in crate::tls::certificate) fn current(&self, origin: &Origin) -> Result<Kept, StoreError> {
        if let Some(kept) = self.after.kept.get(origin) {
            return Ok(kept.clone());
        }
        if let Some(kept) = self.known_as(origin) {
            return Ok(kept.clone());
        }
        let before = self.built_before(origin);
        // Taken before reading: a file that changes while it is read looks changed the next time.
        let stamps: Option<Box<[Stamp]>> = origin.files().map(|file| Stamp::of(file, self.now)).collect();
        if let Some(kept) = before
            && self.trust.by_stamps()
            && stamps.is_some()
            && kept.stamps == stamps
        {
            return Ok(kept.clone());
        }
        let files = Files::read(origin)?;
        let bytes = files.hash();
        if let Some(kept) = before.filter(|kept| kept.bytes == bytes) {
            return Ok(Kept { stamps, is_outlived: false, ..kept.clone() });
        }
        let (certificate, mut warnings) = files.certificate(origin, &self.unlocking)?;
        // Only a reload verifies all signatures: for thousands of certificates at the start it would take too long.
        if !self.before.kept.is_empty() {
            let unverified = certificate.unverified().into_iter();
            warnings.extend(unverified.map(|remark| Warning::about(Arc::clone(&certificate.label), remark)));
        }
        let certificate = Arc::new(certificate);
        let exposed = origin.token().is_none() && files.key().exposed;
        Ok(Kept { certificate, exposed, warnings, stamps, bytes, is_outlived: false })
    }
}

/// The files of one certificate.
struct Files {
    cert: File,
    key: Option<File>,
    chain: Option<File>,
}

impl Files {
    fn read(origin: &Origin) -> Result<Self, StoreError> {
        let read = |path: Option<&PathBuf>| path.map(|path| File::read(path)).transpose();
        let key = origin.key.as_ref().and_then(KeyPlace::file);
        Ok(Self { cert: File::read(&origin.cert)?, key: read(key)?, chain: read(origin.chain.as_ref())? })
    }

    /// The file that holds the key.
    fn key(&self) -> &File {
        self.key.as_ref().unwrap_or(&self.cert)
    }

    fn certificate(
        &self,
        origin: &Origin,
        unlocking: &Unlocking<'_>,
    ) -> Result<(Certificate, Vec<Warning>), StoreError> {
        let mut warnings = Vec::new();
        let mut contents = self.cert.contents(&mut warnings)?;
        if contents.certificates.is_empty() {
            self.cert.is_foreign()?;
        }
        let mut what = self.cert.path.display().to_string();
        if let Some(key) = &self.key {
            // Only the certificate file's certificates and the key file's key count: other keys or certificates in either
            // could be of another version.
            let of_key = key.contents(&mut warnings)?;
            (contents.keys, contents.encrypted) = (of_key.keys, of_key.encrypted);
            if contents.keys.is_empty() && contents.encrypted.is_empty() {
                key.is_foreign()?;
            }
            what = format!("{what} with {}", key.path.display());
        }
        if let Some(chain) = &self.chain {
            let behind = chain.contents(&mut warnings)?.certificates;
            if behind.is_empty() {
                chain.is_foreign()?;
                return Err(StoreError::Certificate(chain.path.display().to_string(), CertificateError::NoCertificate));
            }
            contents.certificates.extend(behind);
        }
        if let Some(key) = origin.token() {
            let what = format!("{what} with {}", key.uri);
            let built = in_token(origin, key, contents.certificates);
            return Ok((built.map_err(|error| StoreError::Certificate(what, error))?, warnings));
        }
        for encrypted in &contents.encrypted {
            let file = &self.key().path;
            let opened = unlocking.key(encrypted, file, origin.passphrase.as_ref());
            contents.keys.push(opened.map_err(|error| StoreError::Locked(file.clone(), error))?);
        }
        let label = files::shown(&origin.cert);
        let built = Certificate::build(&label, contents.certificates, contents.keys, origin.names.clone());
        Ok((built.map_err(|error| StoreError::Certificate(what, error))?, warnings))
    }

    fn hash(&self) -> [u8; 32] {
        let parts = [Some(&self.cert), self.key.as_ref(), self.chain.as_ref()];
        // The mode counts too: a key that everyone can read now is a new warning.
        let hashed = |file: &File| [crypto::sha256(&file.text).as_slice(), &[u8::from(file.exposed)]].concat();
        crypto::sha256(&parts.iter().flat_map(|file| file.map(hashed).unwrap_or_default()).collect::<Vec<_>>())
    }
}

/// The certificate whose key is in a token.
fn in_token(
    origin: &Origin,
    key: &InToken,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<Certificate, CertificateError> {
    let place = token::Place::of(&key.uri, origin.passphrase.clone()).map_err(CertificateError::Token)?;
    Certificate::build_in_token(&files::shown(&origin.cert), certificates, place, origin.names.clone())
}

struct File {
    path: PathBuf,
    text: Zeroizing<Vec<u8>>,
    exposed: bool,
}

impl File {
    fn read(path: &Path) -> Result<Self, StoreError> {
        let read = files::read(path, files::LARGEST_CERTIFICATES);
        let read = read.map_err(|error| StoreError::Read(path.to_owned(), error))?;
        Ok(Self { path: path.to_owned(), exposed: read.readable_by_all(), text: read.bytes })
    }

    /// The certificates and keys in it. What is not read adds warnings.
    fn contents(&self, warnings: &mut Vec<Warning>) -> Result<Contents, StoreError> {
        let contents =
            pem::read_with_encrypted(&self.text).map_err(|error| StoreError::Pem(self.path.clone(), error))?;
        let path = files::shown(&self.path);
        let unread = contents.passed_over.iter();
        warnings.extend(unread.map(|unread| Warning::about(path.as_str(), unread.to_string())));
        Ok(contents)
    }

    /// An error where nothing was found because the file is not PEM.
    fn is_foreign(&self) -> Result<(), StoreError> {
        content::foreign(&self.text).map_or(Ok(()), |why| Err(StoreError::Foreign(self.path.clone(), why)))
    }
}
