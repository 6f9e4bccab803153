//! Writes what follows from the authority's state: the lists of revoked certificates, and the certificates that they need.
//! Must not know: why something was revoked.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use crate::authority::build::{DAY, Signer};
use crate::authority::error::AuthorityError;
use crate::authority::index::Index;
use crate::authority::list::{self, Edition, List};
use crate::authority::open::{Ask, Authority};
use crate::state::Folder;
use crate::tls::certificate::pem::written::section;

/// What is written for those who verify certificates.
pub(super) struct Published {
    /// The root's list first.
    lists: Vec<(String, List)>,
    /// The root first.
    certificates: Vec<CertificateDer<'static>>,
}

/// The root's list changes seldom, so that the root's key need not be there.
enum RootList {
    Kept(List),
    Due(Box<Signer>),
}

impl Authority {
    /// Signs new lists, valid for `days` or as set, and writes them. The root's key is needed only if the root's list has to
    /// change. Returns when the lists end, in seconds since 1970.
    pub fn publish(&mut self, days: Option<u32>, ask: Ask<'_>, now: i64) -> Result<i64, AuthorityError> {
        let until = now.saturating_add(i64::from(days.unwrap_or(self.index.crl_days)) * DAY);
        let mut issuers = self.issuers()?;
        issuers.retain(|issuer| issuer.validity.to >= now);
        // All keys first, so that nothing is done if one is missing.
        let signers = issuers.iter().map(|issuer| self.issuer(&issuer.serial, ask)).collect::<Result<Vec<_>, _>>()?;
        let root = match self.current_root_list(now)? {
            Some(list) => RootList::Kept(list),
            None => RootList::Due(Box::new(self.root(ask)?)),
        };
        // The number is saved before it is used: it is never used for two lists.
        self.index.crl_number += 1;
        self.save()?;
        let edition = Edition { number: self.index.crl_number, now, until };
        let root_list = match root {
            RootList::Kept(list) => list,
            RootList::Due(root) => {
                list::sign(&root, &self.index.revoked, Edition { until: root.validity.to, ..edition })?
            }
        };
        let mut published = Published {
            lists: vec![(self.root.serial.clone(), root_list)],
            certificates: vec![self.root.certificate.clone()],
        };
        for signer in &signers {
            published.add(signer, &self.index, edition)?;
        }
        published.write(&self.folder)?;
        Ok(until)
    }

    /// The root's list, if it need not be signed again.
    fn current_root_list(&self, now: i64) -> Result<Option<List>, AuthorityError> {
        let Some(der) = self.folder.read(&file(&self.root.serial))? else { return Ok(None) };
        let root = (self.root.serial.as_str(), self.root.validity.to);
        let pem = section("X509 CRL", &der);
        Ok(list::is_current(&der, root, &self.index.revoked, now).then_some(List { der: der.to_vec(), pem }))
    }
}

impl Published {
    /// For a new authority.
    pub(super) fn first(root: &Signer, issuing: &Signer, index: &Index, now: i64) -> Result<Self, AuthorityError> {
        let edition = Edition { number: index.crl_number, now, until: now + i64::from(index.crl_days) * DAY };
        let list = list::sign(root, &index.revoked, Edition { until: root.validity.to, ..edition })?;
        let lists = vec![(root.serial.clone(), list)];
        let mut published = Self { lists, certificates: vec![root.certificate.clone()] };
        published.add(issuing, index, edition)?;
        Ok(published)
    }

    fn add(&mut self, signer: &Signer, index: &Index, edition: Edition) -> Result<(), AuthorityError> {
        self.lists.push((signer.serial.clone(), list::sign(signer, &index.revoked, edition)?));
        self.certificates.push(signer.certificate.clone());
        Ok(())
    }

    pub(super) fn write(&self, folder: &Folder) -> Result<(), AuthorityError> {
        for (serial, list) in &self.lists {
            folder.write(&file(serial), &list.der)?;
        }
        let certificates: String = self.certificates.iter().map(|der| section("CERTIFICATE", der)).collect();
        folder.write(Path::new(ISSUERS), certificates.as_bytes())?;
        let lists: String = self.lists.iter().map(|(_, list)| list.pem.as_str()).collect();
        Ok(folder.write(Path::new(LISTS), lists.as_bytes())?)
    }
}

/// The file of one issuer's list, in DER, as it is published (RFC 5280 section 4.2.1.13).
fn file(serial: &str) -> PathBuf {
    Path::new("crl").join(format!("{serial}.crl"))
}

/// All lists in one file.
pub const LISTS: &str = "crl.pem";

/// The root and all issuing certificates in one file.
pub const ISSUERS: &str = "issuers.pem";
