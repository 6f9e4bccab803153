//! What a conversion asks of the file system. Must not know: how files are read, what they are for.

use std::cell::Cell;
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

/// The same files, as long as their texts are not too long together. A file may be named in many places: what is made of its
/// text is kept for each of them.
pub(super) struct Bounded<'a> {
    disk: &'a dyn Disk,
    /// How many bytes may still be read.
    left: Cell<usize>,
}

impl<'a> Bounded<'a> {
    pub(super) fn new(disk: &'a dyn Disk) -> Self {
        Self { disk, left: Cell::new(MOST_TEXT) }
    }
}

impl Disk for Bounded<'_> {
    fn text(&self, path: &Path) -> Result<String, String> {
        let text = self.disk.text(path)?;
        match self.left.get().checked_sub(text.len()) {
            Some(left) => self.left.set(left),
            None => return Err(format!("the files that are included have more than {MOST_TEXT} bytes together")),
        }
        Ok(text)
    }

    fn folder(&self, path: &Path) -> Result<Vec<PathBuf>, String> {
        self.disk.folder(path)
    }

    fn has_key(&self, path: &Path) -> Option<bool> {
        self.disk.has_key(path)
    }
}

/// As many as one configuration may have.
const MOST_TEXT: usize = 16 << 20;

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
