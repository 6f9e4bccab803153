//! The files of a folder that never change: whether somebody has changed one nevertheless. Must not know: what is in them.
//!
//! What a file is known by changes with its content: its inode, its size and its date. To look at these costs far less than to
//! read it. They are taken down before the content is read or after it was written, and nothing is written to compare them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use crate::files::{progress, reason};

/// What is in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    folder: PathBuf,
    /// By their paths in it.
    files: BTreeMap<String, Mark>,
}

/// By what a file is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    inode: u64,
    /// In bytes.
    pub size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Manifest {
    /// What is there now. Anything but files and folders is an error.
    pub fn of(folder: &Path) -> Result<Self, String> {
        Self::within(&open(folder)?, folder)
    }

    /// What is in an open folder, which will be found as `folder`.
    pub fn within(opened: &OwnedFd, folder: &Path) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        Walk { top: folder }.below(opened, "", DEEPEST, &mut |path, mark| {
            files.insert(path, mark);
            Ok(())
        })?;
        Ok(Self { folder: folder.to_owned(), files })
    }

    /// The files by their paths in the folder.
    pub fn files(&self) -> &BTreeMap<String, Mark> {
        &self.files
    }

    /// Whether the folder has these files and no others, and nobody has changed one since. The error names a file, what was found,
    /// and what was expected.
    pub fn compare(&self) -> Result<(), String> {
        let mut found = 0;
        let walk = Walk { top: &self.folder };
        walk.below(&open(&self.folder)?, "", DEEPEST, &mut |path, mark| {
            found += 1;
            self.judge(&path, mark)
        })?;
        if found == self.files.len() {
            return Ok(());
        }
        let is_there = |path: &str| self.folder.join(path).symlink_metadata().is_ok();
        // Where it is there again, it was gone a moment ago.
        let missing = self.files.iter().find(|(path, _)| !is_there(path)).or_else(|| self.files.iter().next());
        let (path, size) = missing.map_or(("", 0), |(path, mark)| (path.as_str(), mark.size));
        Err(format!("{}: found no such file, expected one of {size} bytes", self.folder.join(path).display()))
    }

    fn judge(&self, path: &str, mark: Mark) -> Result<(), String> {
        let wrong = |text: String| Err(format!("{}: {text}", self.folder.join(path).display()));
        match self.files.get(path) {
            None => wrong("found a file that does not belong here, expected none".into()),
            Some(known) if known.size != mark.size => {
                wrong(format!("found a file of {} bytes, expected one of {} bytes", mark.size, known.size))
            }
            Some(known) if *known != mark => {
                wrong("found a file that was changed, expected it as it was written".into())
            }
            Some(_) => Ok(()),
        }
    }
}

fn open(folder: &Path) -> Result<OwnedFd, String> {
    progress::begin(folder).map_err(|error| at(folder, error))?;
    openat(CWD, folder, FOLDER, Mode::empty()).map_err(|error| at(folder, error.into()))
}

fn at(path: &Path, error: std::io::Error) -> String {
    format!("{}: {}", path.display(), reason(&error))
}

/// Through a folder, as its name is shown.
struct Walk<'w> {
    top: &'w Path,
}

impl Walk<'_> {
    /// Calls `each` with every file below an open folder. One folder of each level is open at a time.
    fn below(
        &self,
        folder: &OwnedFd,
        prefix: &str,
        depth: usize,
        each: &mut dyn FnMut(String, Mark) -> Result<(), String>,
    ) -> Result<(), String> {
        let unreadable = |path: &str, error: std::io::Error| at(&self.top.join(path), error);
        for entry in Dir::read_from(folder).map_err(|error| unreadable(prefix, error.into()))? {
            let entry = entry.map_err(|error| unreadable(prefix, error.into()))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let path = name.to_str().map(|name| format!("{prefix}{name}"));
            let path =
                path.map_err(|_| format!("{}: found a name that is not UTF-8", self.top.join(prefix).display()))?;
            let full = self.top.join(&path);
            progress::begin(&full).map_err(|error| unreadable(&path, error))?;
            let is =
                statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| unreadable(&path, error.into()))?;
            match FileType::from_raw_mode(is.st_mode) {
                FileType::RegularFile => each(path, Mark::of(&is))?,
                FileType::Directory if depth > 0 => {
                    let inner = openat(folder, name, FOLDER, Mode::empty());
                    let inner = inner.map_err(|error| unreadable(&path, error.into()))?;
                    self.below(&inner, &format!("{path}/"), depth - 1, each)?;
                }
                _ => return Err(format!("{}: found no regular file, expected one", full.display())),
            }
        }
        Ok(())
    }
}

impl Mark {
    fn of(is: &Stat) -> Self {
        let size = u64::try_from(is.st_size).unwrap_or_default();
        Self { inode: is.st_ino, size, modified: (is.st_mtime, is.st_mtime_nsec.cast_signed()) }
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Levels of folders.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn whatever_somebody_changes_is_named() {
        let files = [("a", "1"), ("b/c", "22"), ("b/d/e", "")];
        type Meddling = fn(&Path);
        let meddled: [(&[&str], Meddling); 8] = [
            (&["a"], |at| fs::write(at.join("a"), "2").unwrap()),
            (&["a"], |at| fs::write(at.join("a"), "longer").unwrap()),
            (&["b/new"], |at| fs::write(at.join("b/new"), "").unwrap()),
            (&["b/c"], |at| fs::remove_file(at.join("b/c")).unwrap()),
            (&["b/c", "b/x"], |at| fs::rename(at.join("b/c"), at.join("b/x")).unwrap()),
            (&["a"], |at| {
                // Another file with the same size and date.
                let date = fs::metadata(at.join("a")).unwrap().modified().unwrap();
                fs::write(at.join("y"), "3").unwrap();
                fs::File::options().write(true).open(at.join("y")).unwrap().set_modified(date).unwrap();
                fs::rename(at.join("y"), at.join("a")).unwrap();
            }),
            (&["a"], |at| {
                fs::remove_file(at.join("a")).unwrap();
                symlink("b/d/e", at.join("a")).unwrap();
            }),
            (&["b/c", "b/d/e"], |at| fs::remove_dir_all(at.join("b")).unwrap()),
        ];
        for (named, meddle) in meddled {
            let root = tempfile::tempdir().unwrap();
            for (path, text) in files {
                write(&root.path().join(path), text);
                // What is written within one tick of the clock has one date otherwise.
                let opened = fs::File::options().write(true).open(root.path().join(path)).unwrap();
                opened.set_modified(UNIX_EPOCH + Duration::from_secs(1000)).unwrap();
            }
            fs::create_dir(root.path().join("empty")).unwrap();
            let manifest = Manifest::of(root.path()).unwrap();
            assert_eq!((manifest.compare(), manifest.files().len()), (Ok(()), 3));
            meddle(root.path());
            let error = manifest.compare().unwrap_err();
            let begins = |path: &&str| error.starts_with(&format!("{}: found ", root.path().join(path).display()));
            assert!(named.iter().any(begins) && error.contains(", expected "), "{named:?}: {error}");
        }
        assert!(Manifest::of(Path::new("/nowhere/x")).unwrap_err().starts_with("/nowhere/x: "));
    }
}
