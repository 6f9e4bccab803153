//! What an authority has issued, and what has become of it. Must not know: how it is shown.

use std::fs;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::authority::error::AuthorityError;
use crate::authority::index::Revoked;
use crate::authority::open::{Authority, ISSUED, issued_file};
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::x509;
use crate::tls::crypto::Verified;

/// What a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Issuing,
    Server,
    Client,
}

/// One certificate.
#[derive(Debug)]
pub struct Entry {
    pub role: Role,
    pub facts: Facts,
    pub revoked: Option<Revoked>,
}

/// One certificate, found by its serial number or in a file.
pub(super) struct Found {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) serial: String,
    /// The serial number of its issuer.
    pub(super) issuer: String,
    pub(super) not_after: i64,
}

impl Authority {
    /// Everything but the root, the issuing certificates first, then by the beginning of validity. A file that cannot be
    /// read is an error of its own.
    pub fn issued(&self) -> (Vec<Entry>, Vec<AuthorityError>) {
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        let mut add = |role: Option<Role>, der: &[u8], path: &Path| match Facts::of(der) {
            Ok(facts) => {
                let role = role.unwrap_or_else(|| role_of(der));
                entries.push(Entry { role, revoked: self.index.revoked(&facts.serial).cloned(), facts });
            }
            Err(error) => errors.push(AuthorityError::Broken(path.to_owned(), error.to_string())),
        };
        match self.issuers() {
            Ok(issuers) => issuers.iter().for_each(|issuer| add(Some(Role::Issuing), &issuer.certificate, self.path())),
            Err(error) => return (entries, vec![error]),
        }
        let mut unread = Vec::new();
        for serial in self.serials() {
            match self.read_issued(&serial) {
                Ok(Some(der)) => add(None, &der, &self.path().join(issued_file(&serial))),
                Ok(None) => {}
                Err(error) => unread.push(error),
            }
        }
        errors.extend(unread);
        entries.sort_by_key(|entry| (entry.role != Role::Issuing, entry.facts.not_before, entry.facts.serial.clone()));
        (entries, errors)
    }

    /// By a serial number in hex, with or without colons; or by a file with the certificate.
    pub(super) fn find(&self, what: &str) -> Result<Found, AuthorityError> {
        let serial = what.strip_prefix("0x").unwrap_or(what).replace(':', "").to_ascii_uppercase();
        if !serial.is_empty() && serial.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            if let Some(der) = self.read_issued(&serial)? {
                return self.found(der).ok_or_else(|| AuthorityError::Foreign(self.path().join(issued_file(&serial))));
            }
            if serial == self.root.serial {
                return Err(AuthorityError::Root);
            }
            let issuer = self.issuers()?.into_iter().find(|issuer| issuer.serial == serial);
            if let Some(found) = issuer.and_then(|issuer| self.found(issuer.certificate)) {
                return Ok(found);
            }
        }
        let path = Path::new(what);
        match crate::files::read(path, crate::files::LARGEST_CERTIFICATES) {
            Ok(contents) => {
                let der = CertificateDer::from_pem_slice(&contents.bytes)
                    .map_err(|_| AuthorityError::Broken(path.to_owned(), "is no certificate in PEM".into()))?;
                if der == self.root.certificate {
                    return Err(AuthorityError::Root);
                }
                self.found(der).ok_or_else(|| AuthorityError::Foreign(path.to_owned()))
            }
            Err(_) if !path.exists() => Err(AuthorityError::NotIssued(what.to_owned())),
            Err(error) => Err(AuthorityError::Broken(path.to_owned(), crate::files::reason(&error))),
        }
    }

    /// `None` if none of the authority's keys has signed it.
    fn found(&self, certificate: CertificateDer<'static>) -> Option<Found> {
        let parsed = x509::parse(&certificate).ok()?;
        let mut issuers = self.issuers().ok()?;
        let own = [(&self.root.serial, &self.root.certificate)];
        let issuers = issuers.iter_mut().map(|issuer| (&issuer.serial, &issuer.certificate)).chain(own);
        let signed = |der: &CertificateDer<'_>| {
            x509::parse(der).is_ok_and(|issuer| {
                x509::same_name(parsed.issuer(), issuer.subject()) && x509::signed(&parsed, &issuer) == Verified::Yes
            })
        };
        let issuer = issuers.into_iter().find(|(_, der)| signed(der)).map(|(serial, _)| serial.clone())?;
        let (serial, not_after) = (x509::serial(parsed.raw_serial()), parsed.validity().not_after.timestamp());
        drop(parsed);
        Some(Found { certificate, serial, issuer, not_after })
    }

    fn read_issued(&self, serial: &str) -> Result<Option<CertificateDer<'static>>, AuthorityError> {
        let file = issued_file(serial);
        let Some(bytes) = self.folder.read(&file)? else { return Ok(None) };
        let broken = |_| AuthorityError::Broken(self.path().join(&file), "is no certificate in PEM".into());
        CertificateDer::from_pem_slice(&bytes).map(Some).map_err(broken)
    }

    /// The serial numbers of what was issued, by the names of the files.
    fn serials(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.path().join(ISSUED)) else { return Vec::new() };
        let names = files.filter_map(Result::ok).filter_map(|file| file.file_name().into_string().ok());
        let serials = names.filter_map(|name| name.strip_suffix(".pem").map(str::to_owned));
        serials.filter(|serial| serial.bytes().all(|byte| byte.is_ascii_hexdigit())).collect()
    }
}

fn role_of(der: &[u8]) -> Role {
    let client = x509::parse(der)
        .ok()
        .and_then(|certificate| certificate.extended_key_usage().ok().flatten().map(|usage| usage.value.client_auth));
    if client == Some(true) { Role::Client } else { Role::Server }
}
