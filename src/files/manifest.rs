//! The files of a folder that never change: whether somebody has changed one nevertheless. Must not know: what is in them.
//!
//! All of them bear one date. To look at it costs far less than to read them.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, openat, statat, utimensat,
};
use rustix::io::Errno;

use crate::files::{progress, reason};

/// What is in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub folder: PathBuf,
    /// By their paths in it, with the size of each in bytes.
    pub files: BTreeMap<String, u64>,
    /// In whole seconds: when all of them were changed last, as it seems.
    pub date: SystemTime,
}

impl Manifest {
    /// Whether the folder has these files and no others, and nobody has changed one since they were dated. The error names a file,
    /// what was found, and what was expected.
    pub fn compare(&self) -> Result<(), String> {
        let mut count = 0;
        walk(&self.folder, &mut |path, is| {
            count += 1;
            self.expect(path, is)
        })?;
        if count == self.files.len() {
            return Ok(());
        }
        let is_there = |path: &str| self.folder.join(path).symlink_metadata().is_ok();
        // Where it is there again, it was gone a moment ago.
        let missing = self.files.iter().find(|(path, _)| !is_there(path)).or_else(|| self.files.iter().next());
        let (path, size) = missing.map_or(("", 0), |(path, size)| (path.as_str(), *size));
        Err(format!("{}: found no such file, expected one of {size} bytes", self.folder.join(path).display()))
    }

    fn expect(&self, path: &str, is: &Stat) -> Result<(), String> {
        let wrong = |text: String| Err(format!("{}: {text}", self.folder.join(path).display()));
        let Some(size) = self.files.get(path) else {
            return wrong("found a file that does not belong here, expected none".to_owned());
        };
        let is_file = FileType::from_raw_mode(is.st_mode) == FileType::RegularFile;
        if !is_file || u64::try_from(is.st_size) != Ok(*size) {
            let found = if is_file { format!("a file of {} bytes", is.st_size) } else { "no regular file".to_owned() };
            return wrong(format!("found {found}, expected one of {size} bytes"));
        }
        if is.st_mode & OTHERS != 0 {
            return wrong(format!("found mode {:04o}, expected 0600", is.st_mode & 0o7777));
        }
        let date = self.date.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if u64::try_from(is.st_mtime) != Ok(date) || is.st_mtime_nsec != 0 {
            return wrong("found a file that was changed, expected it as it was written".to_owned());
        }
        Ok(())
    }
}

/// Gives all files below a folder a date, so that who changes one later is noticed.
pub fn date(folder: &Path, date: SystemTime) -> Result<(), String> {
    let since = date.duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    let modified = Timespec { tv_sec: since.as_secs().cast_signed(), tv_nsec: 0 };
    let times = Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: modified };
    walk(folder, &mut |path, is| {
        if is.st_mtime == modified.tv_sec && is.st_mtime_nsec == 0 {
            return Ok(());
        }
        let path = folder.join(path);
        let dated = utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW);
        dated.map_err(|error| format!("{}: {}", path.display(), reason(&error.into())))
    })
}

/// Calls `each` with every file below a folder. One folder of each level is open at a time.
fn walk(folder: &Path, each: &mut dyn FnMut(&str, &Stat) -> Result<(), String>) -> Result<(), String> {
    let unreadable = |error: Errno| format!("{}: {}", folder.display(), reason(&error.into()));
    progress::begin(folder).map_err(|error| format!("{}: {}", folder.display(), reason(&error)))?;
    let opened = openat(CWD, folder, FOLDER, Mode::empty()).map_err(unreadable)?;
    walk_below(&opened, "", DEEPEST, &unreadable, each)
}

fn walk_below(
    folder: &OwnedFd,
    path: &str,
    depth: usize,
    unreadable: &dyn Fn(Errno) -> String,
    each: &mut dyn FnMut(&str, &Stat) -> Result<(), String>,
) -> Result<(), String> {
    for entry in Dir::read_from(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name: &CStr = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let path = format!("{path}{}", name.to_string_lossy());
        let is = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(unreadable)?;
        if FileType::from_raw_mode(is.st_mode) != FileType::Directory || depth == 0 {
            each(&path, &is)?;
            continue;
        }
        let inner = openat(folder, name, FOLDER, Mode::empty()).map_err(unreadable)?;
        walk_below(&inner, &format!("{path}/"), depth - 1, unreadable, each)?;
    }
    Ok(())
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Permissions of those who are not the owner.
const OTHERS: u32 = 0o077;

/// Levels of folders.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::time::Duration;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn whatever_somebody_changes_is_named() {
        let date_of = UNIX_EPOCH + Duration::from_secs(1000);
        let files = [("a", 1), ("b/c", 2), ("b/d/e", 0)];
        type Meddling = fn(&Path);
        let meddled: [(&str, Meddling); 8] = [
            ("a", |at| fs::write(at.join("a"), "2").unwrap()),
            ("a", |at| fs::write(at.join("a"), "longer").unwrap()),
            ("b/new", |at| fs::write(at.join("b/new"), "").unwrap()),
            ("b/c", |at| fs::remove_file(at.join("b/c")).unwrap()),
            ("b/c", |at| fs::rename(at.join("b/c"), at.join("b/x")).unwrap()),
            ("b/d/e", |at| fs::set_permissions(at.join("b/d/e"), Permissions::from_mode(0o644)).unwrap()),
            ("a", |at| {
                fs::remove_file(at.join("a")).unwrap();
                symlink("b/d/e", at.join("a")).unwrap();
            }),
            ("b", |at| fs::remove_dir_all(at.join("b")).unwrap()),
        ];
        for (round, (named, meddle)) in meddled.into_iter().enumerate() {
            let root = tempfile::tempdir().unwrap();
            for (path, size) in files {
                write(&root.path().join(path), &"1".repeat(size));
            }
            fs::create_dir(root.path().join("empty")).unwrap();
            let sizes = files.map(|(path, size)| (path.to_owned(), size as u64));
            let manifest = Manifest { folder: root.path().to_owned(), files: sizes.into(), date: date_of };
            assert!(manifest.compare().unwrap_err().contains("as it was written"), "it has no date yet");
            date(root.path(), date_of).unwrap();
            assert_eq!(manifest.compare(), Ok(()));
            meddle(root.path());
            let error = manifest.compare().unwrap_err();
            assert!(error.contains(named) || round == 4 && error.contains("b/x"), "{round}: {error}");
            assert!(error.contains("found") && error.contains("expected"), "{round}: {error}");
        }
        let gone = Manifest { folder: "/nowhere/x".into(), files: BTreeMap::new(), date: date_of };
        assert!(gone.compare().unwrap_err().starts_with("/nowhere/x: "));
    }
}
