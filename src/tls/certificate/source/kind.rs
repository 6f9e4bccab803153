//! What a kind of source implements. Must not know: which kinds there are.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::error::StoreError;
use crate::tls::certificate::store::loaded::Loaded;

/// One kind of source. The methods of `Source` have the docs.
pub(super) trait Kind {
    fn load(&self, loading: &mut Loading<'_>) -> Result<Loaded, StoreError>;

    fn watched(&self) -> Watched;

    fn shown(&self) -> Value;

    /// Puts relative paths below `folder`.
    fn resolve(&mut self, folder: &Path);

    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// Where a change may lead to other certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    pub files: Vec<PathBuf>,
    /// Each a folder in which every file may be a certificate, as deep as [`DEEPEST`](super::folder::DEEPEST); or a file.
    pub folders: Vec<PathBuf>,
}
