//! A file → the certificates in it, their chain, and whether their key is in it.
//! Must not know: listeners, configuration, how any of it is shown.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files;
use crate::tls::certificate::certified;
use crate::tls::certificate::chain;
use crate::tls::certificate::chain::{Anchors, Chain, End};
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::pem;
use crate::tls::certificate::pem::error::{PassedOver, PemError};
use crate::tls::certificate::x509::{self, ParseError};
use crate::tls::crypto;

/// The certificates of one file.
#[derive(Debug)]
pub struct Item {
    /// In the order of the file; at least one.
    pub facts: Vec<Facts>,
    pub chain: Chain,
    pub key: Key,
    /// What else is in the file and was not read, with its line.
    pub unread: Vec<PassedOver>,
}

/// Whether a private key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    None,
    /// In that file, and it belongs to the first certificate of the chain.
    Matches(PathBuf),
    /// In that file, but it does not belong to any of the certificates.
    Strange(PathBuf),
    Unusable(PathBuf, String),
}

/// Why a file cannot be read. The texts begin with its path.
#[derive(Debug, Error)]
pub enum InventoryError {
    #[error("{path}: {reason}", path = .0.display(), reason = files::reason(.1))]
    Read(PathBuf, io::Error),
    #[error("{path}: {1}", path = .0.display())]
    Pem(PathBuf, PemError),
    #[error("{path}: the certificate at line {1} cannot be read: {2}", path = .0.display())]
    Certificate(PathBuf, usize, ParseError),
    #[error(
        "{path}: no certificate found (expected a \"-----BEGIN CERTIFICATE-----\" section, or one certificate in DER)",
        path = .0.display()
    )]
    NoCertificate(PathBuf),
}

impl Item {
    /// Reads a certificate file. Its key is looked for in `key`, or else in the file itself.
    pub fn read(path: &Path, key: Option<&Path>, anchors: &Anchors) -> Result<Self, InventoryError> {
        let text = contents(path).map_err(|error| InventoryError::Read(path.to_owned(), error))?;
        let pem::Contents { certificates, lines, passed_over, .. } = read(path, &text)?;
        let (leaf, key) = match key {
            Some(other) => match contents(other) {
                Ok(text) => found(other, &text, &certificates),
                Err(error) => (None, Key::Unusable(other.to_owned(), files::reason(&error))),
            },
            None => found(path, &text, &certificates),
        };
        // Parsed one by one first, so that an error has the line.
        for (der, line) in certificates.iter().zip(lines) {
            x509::parse(der).map_err(|error| InventoryError::Certificate(path.to_owned(), line, error))?;
        }
        match Self::of(&certificates, leaf, key, anchors) {
            Ok(Some(item)) => Ok(Self { unread: passed_over, ..item }),
            Ok(None) => Err(InventoryError::NoCertificate(path.to_owned())),
            Err(error) => Err(InventoryError::Certificate(path.to_owned(), 1, error)),
        }
    }

    /// The same for certificates that were read already; `leaf` is the index of the one with the key. `None` without any.
    pub fn of(
        certificates: &[CertificateDer<'_>],
        leaf: Option<usize>,
        key: Key,
        anchors: &Anchors,
    ) -> Result<Option<Self>, ParseError> {
        let facts = certificates.iter().map(|der| Facts::of(der)).collect::<Result<Vec<_>, _>>()?;
        Ok(chain::chain(certificates, leaf, anchors)?.map(|chain| Self { facts, chain, key, unread: Vec::new() }))
    }

    /// The certificates whose validity a client checks: all of the chain but a root, of which it has its own copy.
    pub fn judged(&self) -> impl Iterator<Item = &Facts> {
        let count = self.chain.order.len() - usize::from(self.chain.end == End::Root);
        self.chain.order.iter().take(count).map(|at| &self.facts[*at])
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> &Facts {
        &self.facts[self.chain.order[0]]
    }
}

/// The roots in a PEM file.
pub fn anchors(path: &Path) -> Result<Anchors, InventoryError> {
    let text = contents(path).map_err(|error| InventoryError::Read(path.to_owned(), error))?;
    let roots = read(path, &text)?.certificates;
    match roots.is_empty() {
        true => Err(InventoryError::NoCertificate(path.to_owned())),
        false => Ok(Anchors::new(roots)),
    }
}

fn read(path: &Path, text: &[u8]) -> Result<pem::Contents, InventoryError> {
    pem::read_certificates(text).map_err(|error| InventoryError::Pem(path.to_owned(), error))
}

/// The key in `text`, and which certificate it belongs to.
fn found(path: &Path, text: &[u8], certificates: &[CertificateDer<'_>]) -> (Option<usize>, Key) {
    let unusable = |reason: String| (None, Key::Unusable(path.to_owned(), reason));
    let mut keys = match pem::read(text) {
        Ok(contents) => contents.keys,
        Err(PemError::Encrypted) => return unusable("is encrypted with a passphrase".into()),
        Err(error @ PemError::Key(_)) => return unusable(error.to_string()),
        // The certificates of this file were read; the rest of it holds no key.
        Err(_) => return (None, Key::None),
    };
    let key = match (keys.pop(), keys.is_empty()) {
        (None, _) => return (None, Key::None),
        (Some(_), false) => return unusable(format!("holds {} keys", keys.len() + 1)),
        (Some(key), true) => key,
    };
    let Some(public) = crypto::signing_key(&key).ok().and_then(|key| key.public_key().map(|public| public.to_vec()))
    else {
        return unusable("is of a kind that cannot be used".into());
    };
    let has_key = |der: &CertificateDer<'_>| {
        x509::parse(der).is_ok_and(|parsed| certified::pair::form(&parsed, &public).is_some())
    };
    match certificates.iter().position(has_key) {
        Some(leaf) => (Some(leaf), Key::Matches(path.to_owned())),
        None => (None, Key::Strange(path.to_owned())),
    }
}

fn contents(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    files::read(path, files::LARGEST_CERTIFICATES).map(|contents| contents.bytes)
}
