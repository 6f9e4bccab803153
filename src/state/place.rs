//! The path that the operator named → an open folder that only this user may write to. Must not know: what is kept in it.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, accessat, fchown, fstat, fsync, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};

use crate::state::{reason, steps};

/// Opens the folder; makes it, and those above it, if they do not exist.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let open = || {
        let absolute = std::path::absolute(path)?;
        match look(&absolute)? {
            Found::Folder(folder) => Ok(folder),
            Found::Nothing { above, name } => {
                let made = steps::create(&above, name.as_os_str())?;
                fsync(openat(&above, ".", READ, Mode::empty())?)?;
                Ok(made)
            }
            Found::NothingAbove(above) => {
                DirBuilder::new().recursive(true).mode(0o700).create(&above)?;
                match look(&absolute)? {
                    Found::Nothing { above, name } => Ok(steps::create(&above, name.as_os_str())?),
                    Found::Folder(folder) => Ok(folder),
                    Found::NothingAbove(_) => Err(Errno::NOENT.into()),
                }
            }
        }
    };
    let folder = open().map_err(|error| explained(path, "cannot be opened", &error))?;
    expect_private(path, &folder, false)?;
    Ok(folder)
}

/// Makes the folder, and those above it, for another user and group. One that exists stays as it is.
pub fn make(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let absolute = std::path::absolute(path)?;
    let found = look(&absolute);
    let above: Vec<&Path> = match found.map_err(|error| explained(path, "cannot be opened", &error))? {
        Found::Folder(_) => return Ok(()),
        Found::Nothing { .. } => Vec::new(),
        Found::NothingAbove(_) => absolute.ancestors().skip(1).take_while(|folder| !folder.exists()).collect(),
    };
    let made = open(path)?;
    let Some((uid, gid)) = owner else { return Ok(()) };
    let give = |folder: &OwnedFd| Ok(fchown(folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?);
    let mut opened = above.into_iter().map(|folder| Ok(openat(CWD, folder, READ | OFlags::NOFOLLOW, Mode::empty())?));
    let given = give(&made).and_then(|()| opened.try_for_each(|folder: io::Result<OwnedFd>| give(&folder?)));
    given.map_err(|error: io::Error| explained(path, "cannot be given to its user", &error))
}

/// Whether [`Folder::open`](super::Folder::open) would succeed, and the folder could be written to, as far as that is known
/// without making anything. The error is the reason, with the path. For root, a folder may belong to another user: root asks
/// for the user that the service runs as.
pub fn usable(path: &Path) -> io::Result<()> {
    let found = std::path::absolute(path).and_then(|absolute| look(&absolute));
    match found.map_err(|error| explained(path, "cannot be opened", &error))? {
        Found::Folder(folder) => {
            let is_root = geteuid().is_root();
            expect_private(path, &folder, is_root)?;
            writable(&folder).map_err(|error| explained(path, "cannot be written to", &error))
        }
        Found::Nothing { above, .. } => writable(&above).map_err(|error| explained(path, "cannot be made", &error)),
        Found::NothingAbove(above) => {
            let nearest = above.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
            let opened = openat(CWD, nearest, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
            let made = opened.map_err(io::Error::from).and_then(|folder| writable(&folder));
            made.map_err(|error| explained(path, "cannot be made", &error))
        }
    }
}

/// What is at a path.
enum Found {
    Folder(OwnedFd),
    Nothing {
        above: OwnedFd,
        name: OsString,
    },
    /// Nor is there the folder above it.
    NothingAbove(PathBuf),
}

/// Follows a link in the folder's place only if it is root's or this user's: systemd makes one for a service with a dynamic
/// user. Another user's would lead to wherever that user likes.
fn look(path: &Path) -> io::Result<Found> {
    let mut at = openat(CWD, "/", ABOVE, Mode::empty())?;
    let mut rest = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(name) = rest.file_name().map(ToOwned::to_owned) else {
            // It ends with "..", or is the root.
            return Ok(Found::Folder(openat(&at, &rest, READ, Mode::empty())?));
        };
        let above = rest.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        at = match openat(&at, above, ABOVE, Mode::empty()) {
            Ok(above) => above,
            Err(Errno::NOENT) => return Ok(Found::NothingAbove(above.to_owned())),
            Err(error) => return Err(error.into()),
        };
        match steps::open(&at, name.as_os_str()) {
            Ok(folder) => return Ok(Found::Folder(folder)),
            Err(Errno::NOENT) => return Ok(Found::Nothing { above: at, name }),
            // Which of the two a link leads to depends on the kernel.
            Err(Errno::NOTDIR | Errno::LOOP) => rest = target(&at, name.as_os_str())?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::LOOP.into())
}

/// Where a link leads. Its owner is looked at through the same descriptor, so that it cannot be exchanged in between.
fn target(folder: &OwnedFd, name: &std::ffi::OsStr) -> io::Result<PathBuf> {
    let link = openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let is = fstat(&link)?;
    if FileType::from_raw_mode(is.st_mode) != FileType::Symlink {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "is not a folder"));
    }
    if !trusted(is.st_uid, geteuid().as_raw()) {
        let message = format!("is a link that user {} has made, expected a folder", is.st_uid);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(PathBuf::from(OsString::from_vec(readlinkat(&link, "", Vec::new())?.into_bytes())))
}

fn trusted(owner: u32, this: u32) -> bool {
    owner == 0 || owner == this
}

fn expect_private(path: &Path, folder: &OwnedFd, of_anyone: bool) -> io::Result<()> {
    let (is, this) = (fstat(folder)?, geteuid().as_raw());
    let mode = is.st_mode & 0o7777;
    let wrong = match () {
        () if is.st_uid != this && !of_anyone => {
            format!("belongs to user {}, expected {this}, which tlsgate runs as", is.st_uid)
        }
        () if mode & OTHERS_WRITE != 0 => {
            format!("may be written to by others (mode {mode:04o}), expected a folder of this user alone (mode 0700)")
        }
        () => return Ok(()),
    };
    let message = format!("{} {wrong}; name a folder in it that tlsgate can make, or change it", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

fn writable(folder: &OwnedFd) -> io::Result<()> {
    Ok(accessat(folder, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

fn explained(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} {what}: {}", path.display(), reason::of(error)))
}

/// Not to be read: a process may be allowed to read the folder, and not those above it.
const ABOVE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Of the group, and of everybody.
const OTHERS_WRITE: u32 = 0o022;

/// As many as Linux follows in one path.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_another_user_is_not_followed() {
        assert!(trusted(0, 1000) && trusted(1000, 1000) && !trusted(1001, 1000));
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("link");
        std::fs::create_dir(root.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        usable(&link).unwrap();
        if geteuid().is_root() {
            std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
            let error = open(&link).unwrap_err().to_string();
            assert!(
                error.ends_with("link cannot be opened: is a link that user 65534 has made, expected a folder"),
                "{error}"
            );
        }
    }

    #[test]
    fn nothing_is_made_to_find_out_whether_a_folder_can_be() {
        let root = tempfile::tempdir().unwrap();
        for below in ["new", "deep/er/new", "../deep/new"] {
            usable(&root.path().join(below)).unwrap();
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, expected) in
            [("file", "is not a folder"), ("file/state", "found a file or a link in place of a folder")]
        {
            let error = usable(&root.path().join(path)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
