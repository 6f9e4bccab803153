//! Files and folders are put into their place whole, and removed whole. Must not know: where the folder is.
//!
//! What is new is written under a hidden name and renamed. Nothing that a crash interrupts can be found under its own name.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, RenameFlags, fsync, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use crate::files::manifest::Manifest;
use crate::state::made::{Made, make};
use crate::state::{lock, steps};

/// Puts a file into its place.
pub(super) fn file(folder: &OwnedFd, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    let hidden = Hidden::new(folder);
    make(folder, &hidden.name, bytes)?.sync_all()?;
    renameat(folder, &*hidden.name, folder, name)?;
    Ok(fsync(folder)?)
}

/// Puts a folder into its place, and removes what is there. Names may lead into folders of it. Returns what is in it, of which nobody
/// could change anything, since nobody knew its name: it will be found as `path`.
pub(super) fn folder(
    above: &OwnedFd,
    (name, path): (&OsStr, &Path),
    made: &Made<'_>,
    like: Option<&OwnedFd>,
) -> io::Result<Manifest> {
    let hidden = Hidden::new(above);
    let new = steps::create(above, &*hidden.name)?;
    made.fill(&new, like)?;
    let manifest = Manifest::within(&new, path).map_err(io::Error::other)?;
    exchange(above, &hidden, name)?;
    Ok(manifest)
}

/// The same out of a folder that nobody needs: it gets another name, and what differs is changed.
pub(super) fn folder_out_of(
    above: &OwnedFd,
    (spare, name, path): (&OsStr, &OsStr, &Path),
    made: &Made<'_>,
    like: Option<&OwnedFd>,
) -> io::Result<Manifest> {
    let hidden = Hidden::new(above);
    renameat(above, spare, above, &*hidden.name)?;
    let new = steps::open(above, &*hidden.name)?;
    made.change(&new, like)?;
    let manifest = Manifest::within(&new, path).map_err(io::Error::other)?;
    exchange(above, &hidden, name)?;
    Ok(manifest)
}

fn exchange(above: &OwnedFd, hidden: &Hidden<'_>, name: &OsStr) -> io::Result<()> {
    match renameat_with(above, &*hidden.name, above, name, RenameFlags::EXCHANGE) {
        // What was there has the hidden name now.
        Ok(()) => {}
        Err(Errno::NOENT) => renameat(above, &*hidden.name, above, name)?,
        // Not every file system can exchange (NFS, FUSE).
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => in_two_steps(above, &hidden.name, name)?,
        Err(error) => return Err(error.into()),
    }
    Ok(fsync(above)?)
}

/// Removes a file, or a folder at once: its files are gone together.
pub(super) fn remove(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let hidden = Hidden::new(folder);
    renameat(folder, name, folder, &*hidden.name)?;
    Ok(fsync(folder)?)
}

/// Removes everything that has a hidden name of this file's, and returns how much that was. What was put aside comes back
/// if nothing has taken its place.
pub(super) fn tidy(folder: &OwnedFd) -> io::Result<usize> {
    tidy_below(folder, DEEPEST)
}

fn tidy_below(folder: &OwnedFd, depth: usize) -> io::Result<usize> {
    let mut tidied = 0;
    for name in names(folder)? {
        if let Some(real) = put_aside(&name) {
            let missing = statat(folder, real, AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT);
            if missing {
                renameat(folder, &*name, folder, real)?
            } else {
                remove_all(folder, &name, DEEPEST)?
            }
            tidied += 1;
        } else if is_hidden(&name) {
            // What somebody else has put into it, and nobody but him may remove, stays.
            tidied += usize::from(remove_all(folder, &name, DEEPEST).is_ok());
        } else if depth > 0 {
            match steps::open(folder, &*name) {
                // What has a lock of its own is tidied by who holds that.
                Ok(inner) if statat(&inner, lock::FILE, AtFlags::SYMLINK_NOFOLLOW).is_ok() => {}
                Ok(inner) => tidied += tidy_below(&inner, depth - 1)?,
                // A file, or a link.
                Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    if tidied > 0 {
        fsync(folder)?;
    }
    Ok(tidied)
}

/// For file systems that cannot exchange. Between the two steps there is nothing under the name.
fn in_two_steps(above: &OwnedFd, hidden: &OsStr, name: &OsStr) -> io::Result<()> {
    let mut aside = OsString::from(format!("{ASIDE}{:016x}-", fastrand::u64(..)));
    aside.push(name);
    match renameat(above, name, above, &*aside) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    if let Err(error) = renameat(above, hidden, above, name) {
        let _ = renameat(above, &*aside, above, name);
        return Err(error.into());
    }
    remove_all(above, &aside, DEEPEST)
}

/// Removes a file, a link, or a folder with everything in it.
fn remove_all(folder: &OwnedFd, name: &OsStr, depth: usize) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Which of the two it is for a folder depends on the system.
        Err(Errno::ISDIR | Errno::PERM) if depth > 0 => {}
        Err(error) => return Err(error.into()),
    }
    let inner = steps::open(folder, name)?;
    for name in names(&inner)? {
        remove_all(&inner, &name, depth - 1)?;
    }
    Ok(unlinkat(folder, name, AtFlags::REMOVEDIR)?)
}

/// What is in a folder.
fn names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(OsStr::from_bytes(name.as_bytes()).to_owned());
        }
    }
    Ok(names)
}

/// A name that nothing has yet. Whatever has it in the end is removed.
struct Hidden<'f> {
    folder: &'f OwnedFd,
    name: OsString,
}

impl<'f> Hidden<'f> {
    fn new(folder: &'f OwnedFd) -> Self {
        Self { folder, name: format!("{TEMPORARY}{:016x}", fastrand::u64(..)).into() }
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is tidied at the next start.
        let _ = remove_all(self.folder, &self.name, DEEPEST);
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().strip_prefix(TEMPORARY.as_bytes()).is_some_and(is_random)
}

/// The name of what was put aside.
fn put_aside(name: &OsStr) -> Option<&OsStr> {
    let (random, name) = name.as_bytes().strip_prefix(ASIDE.as_bytes())?.split_at_checked(RANDOM)?;
    let name = name.strip_prefix(b"-").filter(|name| !name.is_empty())?;
    is_random(random).then_some(OsStr::from_bytes(name))
}

fn is_random(text: &[u8]) -> bool {
    text.len() == RANDOM && text.iter().all(u8::is_ascii_hexdigit)
}

const TEMPORARY: &str = ".tmp-";

const ASIDE: &str = ".old-";

/// Digits of a random number in hidden names.
const RANDOM: usize = 16;

/// Levels of folders that are tidied and removed; no more are ever made.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn opened(path: &Path) -> OwnedFd {
        File::open(path).unwrap().into()
    }

    #[test]
    fn without_an_exchange_the_folder_is_replaced_in_two_steps() {
        let root = tempfile::tempdir().unwrap();
        let at = |below: &str| root.path().join(below);
        let above = opened(root.path());
        for round in ["1", "2"] {
            fs::create_dir(at("new")).unwrap();
            fs::write(at("new/file"), round).unwrap();
            in_two_steps(&above, OsStr::new("new"), OsStr::new("folder")).unwrap();
            assert_eq!(fs::read_to_string(at("folder/file")).unwrap(), round);
            assert_eq!(names(&above).unwrap(), ["folder"]);
        }
        in_two_steps(&above, OsStr::new("absent"), OsStr::new("folder")).unwrap_err();
        assert_eq!(fs::read_to_string(at("folder/file")).unwrap(), "2", "the old one is back");
    }

    #[test]
    fn what_a_crash_left_is_tidied_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let at = |below: &str| root.path().join(below);
        let others = [".hidden", ".tmp-notes", ".old-0123456789abcdef-", ".nfs0123", "file"];
        for folder in ["", "a/b/"] {
            fs::create_dir_all(at(folder)).unwrap();
            for name in others {
                fs::write(at(&format!("{folder}{name}")), "").unwrap();
            }
            fs::write(at(&format!("{folder}.tmp-0123456789abcdef")), "").unwrap();
            fs::create_dir_all(at(&format!("{folder}.tmp-fedcba9876543210/x"))).unwrap();
            fs::write(at(&format!("{folder}.tmp-fedcba9876543210/x/y")), "").unwrap();
            // A crash between the two steps, and one after them.
            fs::write(at(&format!("{folder}.old-0123456789abcdef-lost")), "lost").unwrap();
            fs::write(at(&format!("{folder}.old-0123456789abcdef-file")), "").unwrap();
        }
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join(".tmp-0123456789abcdef"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), at("link")).unwrap();
        assert_eq!(tidy(&opened(root.path())).unwrap(), 8);
        for folder in ["", "a/b"] {
            let mut left = names(&opened(&at(folder))).unwrap();
            left.retain(|name| name != "a" && name != "link");
            left.sort_unstable();
            assert_eq!(
                left,
                [".hidden", ".nfs0123", ".old-0123456789abcdef-", ".tmp-notes", "file", "lost"],
                "{folder}"
            );
            assert_eq!(fs::read_to_string(at(folder).join("lost")).unwrap(), "lost");
        }
        assert_eq!(names(&opened(elsewhere.path())).unwrap(), [".tmp-0123456789abcdef"], "behind a link");
        assert_eq!(tidy(&opened(root.path())).unwrap(), 0);
    }
}
