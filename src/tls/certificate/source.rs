//! Where certificates come from: the one door to all kinds of source. Must not know: which listener they are for,
//! configuration.
//!
//! What a source has to answer is the trait in [`kind`]; each kind has a file of its own. Nobody else knows which kinds
//! there are: a new one is its file, a variant here, and the words in which the configuration writes it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::error::StoreError;
use crate::tls::certificate::store::loaded::Loaded;
use kind::{Kind, Watched};
use pair::Pair;
use path::AtPath;

pub mod folder;
pub mod kind;
pub mod pair;
mod path;

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(Any);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Any {
    Path(AtPath),
    Pair(Pair),
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

    /// Loads its certificates. What the operator named must load; of what is found in a folder, what cannot be used keeps
    /// its last good version, or is left out if there is none.
    pub fn load(&self, loading: &mut Loading<'_>) -> Result<Loaded, StoreError> {
        self.kind().load(loading)
    }

    /// The files and folders in which a change may mean other certificates.
    pub fn watched(&self) -> Watched {
        self.kind().watched()
    }

    /// It in JSON, with the keys that the configuration has for it: a text, or an object. Paths are shown, and nothing of
    /// what is in the files.
    pub fn shown(&self) -> Value {
        self.kind().shown()
    }

    /// The same with relative paths below `folder`.
    #[must_use]
    pub fn below(mut self, folder: &Path) -> Self {
        match &mut self.0 {
            Any::Path(path) => path.resolve(folder),
            Any::Pair(pair) => pair.resolve(folder),
        }
        self
    }

    /// The folder to which a certificate can be added that this source then gives, if there is one on disk now.
    pub fn folder(&self) -> Option<&Path> {
        self.kind().folder()
    }

    fn kind(&self) -> &dyn Kind {
        match &self.0 {
            Any::Path(path) => path,
            Any::Pair(pair) => pair,
        }
    }
}
