//! Issues certificates: with a key made here, or for a request. Must not know: arguments, how certificates are built.

use std::path::{Path, PathBuf};

use rcgen::PublicKeyData;

use crate::acme::settings::KeyKind;
use crate::authority::build::{self, Signer, Validity};
use crate::authority::error::AuthorityError;
use crate::authority::key;
use crate::authority::open::{Authority, issued_file};
use crate::authority::request::Request;
use crate::authority::subject::Subject;
use crate::state::Folder;
use crate::tls::certificate::pem::written::section;

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Upper-case hex.
    pub serial: String,
    /// The certificate and its issuer's, in PEM.
    pub chain: String,
    /// Its end, in seconds since 1970.
    pub until: i64,
    /// Whether it ends earlier than asked, since its issuer does.
    pub shortened: bool,
}

impl Authority {
    /// Issues a certificate for a new key, which is returned in PEM.
    pub fn issue(
        &self,
        subject: &Subject,
        kind: KeyKind,
        validity: Validity,
        signer: &Signer,
    ) -> Result<(Issued, String), AuthorityError> {
        self.permitted.allow_all(subject.names())?;
        let key = key::generate(kind)?;
        let is_rsa = matches!(kind, KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096);
        let issued = self.certify(subject, &key, is_rsa, validity, signer)?;
        Ok((issued, key::to_pem(&key, None)?))
    }

    /// Issues a certificate for the key of a request, whose names the caller has found to be allowed.
    pub fn sign(
        &self,
        request: &Request,
        subject: &Subject,
        validity: Validity,
        signer: &Signer,
    ) -> Result<Issued, AuthorityError> {
        self.permitted.allow_all(subject.names())?;
        self.certify(subject, &request.key, request.key.is_rsa(), validity, signer)
    }

    /// It is recorded before it is returned, so that each certificate that is in use can be revoked.
    fn certify(
        &self,
        subject: &Subject,
        key: &impl PublicKeyData,
        is_rsa: bool,
        validity: Validity,
        signer: &Signer,
    ) -> Result<Issued, AuthorityError> {
        let certificate = build::leaf(subject, key, is_rsa, validity, signer, self.terms())?;
        let serial = build::serial_of(&certificate)?;
        let own = section("CERTIFICATE", &certificate);
        self.folder.write(&issued_file(&serial), own.as_bytes())?;
        let until = validity.to.min(signer.validity.to);
        let chain = own + &section("CERTIFICATE", &signer.certificate);
        Ok(Issued { serial, chain, until, shortened: until < validity.to })
    }
}

/// Where pairs are put.
#[derive(Debug)]
pub struct Destination(Folder);

impl Destination {
    /// Opens the folder, and makes it if it does not exist. An error names it. This is done before anything is issued, so
    /// that nothing is issued in vain.
    pub fn open(path: &Path) -> Result<Self, AuthorityError> {
        Ok(Self(Folder::open(path)?))
    }

    /// Puts a certificate and its key into `NAME/tls.crt` and `NAME/tls.key`, both at once. Returns that folder.
    pub fn put(&self, name: &str, chain: &str, key: &str) -> Result<PathBuf, AuthorityError> {
        let files = [("tls.crt", chain.as_bytes()), ("tls.key", key.as_bytes())];
        let folder = self.0.path().join(name);
        // Only a pair is replaced.
        let inside = std::fs::read_dir(&folder).ok().into_iter().flatten().filter_map(Result::ok);
        let mut strange =
            inside.map(|entry| entry.file_name()).filter(|name| files.iter().all(|(known, _)| name != known));
        if let Some(strange) = strange.next() {
            let strange = strange.display();
            let what = format!("found {strange} in it, expected at most tls.crt and tls.key: it would be replaced");
            return Err(AuthorityError::Broken(folder, what));
        }
        self.0.replace(Path::new(name), &files)?;
        Ok(folder)
    }
}
