//! Where certificates come from: the one interface to all kinds of source. Must not know: which listener they are for,
//! configuration.
//!
//! The trait in [`kind`] is what a source implements; each kind has a file of its own. Only this file knows which kinds
//! there are: a new one is its file, a variant here, and its form in the configuration.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::passphrase::Source as Passphrase;
use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::error::StoreError;
use crate::tls::certificate::store::loaded::Loaded;
use crate::tls::token::uri::Uri;
use kind::{Kind, Watched};
use ordered::Ordered;
use pair::Pair;
use path::AtPath;

pub mod folder;
pub mod kind;
pub mod ordered;
pub mod pair;
mod path;

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(Any);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Any {
    Path(AtPath),
    Pair(Pair),
    Ordered(Ordered),
}

impl Source {
    /// A folder, or a file with certificates and key in it.
    pub fn path(path: PathBuf) -> Self {
        Self(Any::Path(AtPath(path)))
    }

    /// The files of one certificate.
    pub fn pair(pair: Pair) -> Self {
        Self(Any::Pair(pair))
    }

    /// Certificates that an authority issues.
    pub fn ordered(ordered: Ordered) -> Self {
        Self(Any::Ordered(ordered))
    }

    /// What is ordered, where an authority issues its certificates.
    pub fn as_ordered(&self) -> Option<&Ordered> {
        match &self.0 {
            Any::Ordered(ordered) => Some(ordered),
            Any::Path(_) | Any::Pair(_) => None,
        }
    }

    /// Loads its certificates. A file that the operator named must load. Of the files in a folder, one that cannot be used
    /// keeps its last good version, or is left out if there is none.
    pub fn load(&self, loading: &mut Loading<'_>) -> Result<Loaded, StoreError> {
        self.kind().load(loading)
    }

    /// The files and folders in which a change may lead to other certificates.
    pub fn watched(&self) -> Watched {
        self.kind().watched()
    }

    /// The URI of its key in a token; `None` where the key is in a file.
    pub fn token(&self) -> Option<&Uri> {
        match &self.0 {
            Any::Pair(pair) => pair.key.token().map(|key| &key.uri),
            Any::Path(_) | Any::Ordered(_) => None,
        }
    }

    /// The passphrase, or PIN, that is for its key alone.
    pub fn passphrase(&self) -> Option<&Passphrase> {
        match &self.0 {
            Any::Pair(pair) => pair.secret(),
            Any::Path(_) | Any::Ordered(_) => None,
        }
    }

    /// The source in JSON, with the keys of the configuration: a text, or an object. Paths are shown, never the contents of
    /// files.
    pub fn shown(&self) -> Value {
        self.kind().shown()
    }

    /// The same with relative paths below `folder`.
    #[must_use]
    pub fn below(mut self, folder: &Path) -> Self {
        match &mut self.0 {
            Any::Path(path) => path.resolve(folder),
            Any::Pair(pair) => pair.resolve(folder),
            Any::Ordered(ordered) => ordered.resolve(folder),
        }
        self
    }

    /// A folder on disk to which a certificate can be added, so that this source loads it; `None` where there is none.
    pub fn folder(&self) -> Option<&Path> {
        self.kind().folder()
    }

    fn kind(&self) -> &dyn Kind {
        match &self.0 {
            Any::Path(path) => path,
            Any::Pair(pair) => pair,
            Any::Ordered(ordered) => ordered,
        }
    }
}
