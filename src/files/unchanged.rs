//! Which files of a folder are the same as in another one. Must not know: how that is known.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::files::manifest::Manifest;

/// A folder whose files are those of another one, but for some. Nobody changes a file in either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchanged {
    /// The new folder.
    pub folder: PathBuf,
    /// The other one.
    pub before: PathBuf,
    /// The files of the new folder that the other one does not have, or has with another content: their paths in it.
    pub changed: BTreeSet<PathBuf>,
}

/// What is known of a folder whose files never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub manifest: Manifest,
    /// How it differs from another one.
    pub unchanged: Option<Arc<Unchanged>>,
}

impl Unchanged {
    /// That nothing of a folder has changed since it was read last.
    pub fn all(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), before: folder.to_owned(), changed: BTreeSet::new() }
    }

    /// The file of the other folder that is the same as this one.
    pub fn before(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.folder).ok()?;
        let is_plain = below.components().all(|name| matches!(name, Component::Normal(_)));
        (is_plain && !self.changed.contains(below)).then(|| self.before.join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_unless_it_was_changed_or_is_elsewhere() {
        let unchanged = Unchanged {
            folder: "/r/2".into(),
            before: "/r/1".into(),
            changed: BTreeSet::from(["certs/a.crt".into(), "b".into()]),
        };
        let before = |path: &str| unchanged.before(Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(before("/r/2/certs/c.crt").as_deref(), Some("/r/1/certs/c.crt"));
        for other in ["/r/2/certs/a.crt", "/r/2/b", "/r/1/c", "/r/22/c", "/etc/c", "/r/2/certs/../b", "c"] {
            assert_eq!(before(other), None, "{other}");
        }
    }
}
