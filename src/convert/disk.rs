//! What a conversion asks of the file system. Must not know: how files are read, what they are for.

use std::path::{Path, PathBuf};

/// The files that a configuration names. The verb reads them with limits; a test has none.
pub trait Disk {
    /// The text of a file. An error is the reason, in words.
    fn text(&self, path: &Path) -> Result<String, String>;

    /// The files in a folder, by name.
    fn folder(&self, path: &Path) -> Result<Vec<PathBuf>, String>;

    /// Whether there is a private key in this file. `None` if the file cannot be read here.
    fn has_key(&self, path: &Path) -> Option<bool>;
}

/// No file at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Disk for Nothing {
    fn text(&self, _: &Path) -> Result<String, String> {
        Err("there are no files".into())
    }

    fn folder(&self, _: &Path) -> Result<Vec<PathBuf>, String> {
        Err("there are no files".into())
    }

    fn has_key(&self, _: &Path) -> Option<bool> {
        None
    }
}
