//! A source that is a path: a folder of certificates, or one file with certificates and key in it. Must not know: other
//! kinds of source.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::files;
use crate::files::progress;
use crate::tls::certificate::source::folder;
use crate::tls::certificate::source::kind::{Kind, Watched};
use crate::tls::certificate::store::Loading;
use crate::tls::certificate::store::error::StoreError;
use crate::tls::certificate::store::loaded::Loaded;
use crate::tls::certificate::store::origin::Origin;

/// The file or folder at a path. Which of the two is checked again at each load, since it may be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AtPath(pub(super) PathBuf);

impl AtPath {
    fn is_folder(&self) -> std::io::Result<bool> {
        progress::begin(&self.0).and_then(|()| fs::metadata(&self.0)).map(|found| found.is_dir())
    }
}

impl Kind for AtPath {
    fn load(&self, loading: &mut Loading<'_>) -> Result<Loaded, StoreError> {
        if self.is_folder().map_err(|error| StoreError::Read(self.0.clone(), error))? {
            return folder::load(&self.0, loading);
        }
        let origin = Origin::of(self.0.clone(), None);
        let kept = loading.current(&origin)?;
        Ok(Loaded { items: vec![loading.keep(origin, kept, true)], ..Loaded::default() })
    }

    fn watched(&self) -> Watched {
        Watched { files: Vec::new(), folders: vec![self.0.clone()] }
    }

    fn shown(&self) -> Value {
        json!(files::shown(&self.0))
    }

    fn resolve(&mut self, folder: &Path) {
        self.0 = folder.join(&self.0);
    }

    fn folder(&self) -> Option<&Path> {
        self.is_folder().is_ok_and(|is| is).then_some(&self.0)
    }
}
