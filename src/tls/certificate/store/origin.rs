//! The files of a certificate, and the certificate as it was last built. Must not know: how it is built, how its files were
//! found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files;
use crate::passphrase::Source;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::name::Name;
use crate::tls::certificate::place::{InToken, KeyPlace};
use crate::tls::certificate::stamp::Stamp;
use crate::warning::Warning;

/// The files and settings that a certificate is built from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::tls::certificate) struct Origin {
    pub(in crate::tls::certificate) cert: PathBuf,
    /// `None` where the key is in the same file.
    pub(in crate::tls::certificate) key: Option<KeyPlace>,
    /// Certificates to send behind those of the first file.
    pub(in crate::tls::certificate) chain: Option<PathBuf>,
    pub(in crate::tls::certificate) names: Option<Vec<Name>>,
    /// The passphrase of an encrypted key, besides those for all keys; or the PIN of a token.
    pub(in crate::tls::certificate) passphrase: Option<Source>,
}

/// A certificate as it was last loaded.
#[derive(Debug, Clone)]
pub(in crate::tls::certificate) struct Kept {
    pub(super) certificate: Arc<Certificate>,
    /// Whether everyone can read the private key.
    pub(super) exposed: bool,
    /// What was not read of its files, and what does not verify.
    pub(super) warnings: Vec<Warning>,
    /// The stamp of each file. `None` where they must be read again.
    pub(super) stamps: Option<Box<[Stamp]>>,
    pub(super) bytes: [u8; 32],
    /// Whether the files hold something else, which cannot be used.
    pub(super) is_outlived: bool,
}

impl Origin {
    /// A certificate file, with its key if that is in another.
    pub(in crate::tls::certificate) fn of(cert: PathBuf, key: Option<PathBuf>) -> Self {
        Self { cert, key: key.map(KeyPlace::File), chain: None, names: None, passphrase: None }
    }

    /// The same with other files in place of its own, if there is one for each.
    pub(super) fn moved(&self, to: impl Fn(&Path) -> Option<PathBuf>) -> Option<Self> {
        let key = match &self.key {
            Some(key) => Some(key.file().map_or_else(|| Some(key.clone()), |file| to(file).map(KeyPlace::File))?),
            None => None,
        };
        let chain = match &self.chain {
            Some(chain) => Some(to(chain)?),
            None => None,
        };
        Some(Self { cert: to(&self.cert)?, key, chain, names: self.names.clone(), passphrase: self.passphrase.clone() })
    }

    /// The same files by their paths in the release of a fleet, where they are of one.
    pub(super) fn in_release(&self) -> Option<Self> {
        let named = |path: &PathBuf| files::in_release(path).unwrap_or_else(|| path.clone());
        let key =
            self.key.as_ref().map(|key| key.file().map_or_else(|| key.clone(), |file| KeyPlace::File(named(file))));
        let cert = files::in_release(&self.cert)?;
        Some(Self { cert, key, chain: self.chain.as_ref().map(named), ..self.clone() })
    }

    /// For a token, its URI without the query.
    pub(super) fn key_file(&self) -> &Path {
        self.key.as_ref().map_or(&self.cert, KeyPlace::shown)
    }

    pub(super) fn token(&self) -> Option<&InToken> {
        self.key.as_ref().and_then(KeyPlace::token)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.cert).chain(self.key.as_ref().and_then(KeyPlace::file)).chain(&self.chain)
    }
}

impl Kept {
    /// The same, with files that must be read again the next time: they now hold something that cannot be used.
    pub(in crate::tls::certificate) fn outlived(&self) -> Self {
        Self { stamps: None, is_outlived: true, ..self.clone() }
    }
}
