//! The file of a Unix socket: made, owned, removed. Must not know: what the socket is for.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, chmodat, chownat, fstat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Gid, Uid, geteuid};

/// The file of a Unix socket. It is removed when the last owner drops this, unless another process has put its own file
/// there, or continues to use this one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: FileId,
    handed_over: AtomicBool,
    remover: Option<Remover>,
}

/// Identifies a file independently of its name. While a socket is bound to the file, its inode number is not used
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// `st_dev` (stat(2)).
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// Removes the file of a socket, where this process has no right to.
#[derive(Clone)]
pub struct Remover(pub Arc<dyn Fn(&Path, FileId) -> Result<()> + Send + Sync>);

impl std::fmt::Debug for Remover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remover")
    }
}

impl FileId {
    pub(super) fn of(path: &Path) -> Result<Self> {
        fs::symlink_metadata(path).map(|found| Self { device: found.dev(), inode: found.ino() })
    }
}

impl SocketFile {
    pub(super) fn new(path: PathBuf, id: FileId, remover: Option<Remover>) -> Self {
        Self { path, id, handed_over: AtomicBool::new(false), remover }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// Whether another process continues with it.
    pub(super) fn leave(&self, to_other: bool) {
        self.handed_over.store(to_other, Ordering::Release);
    }

    pub(super) fn is_there(&self) -> bool {
        FileId::of(&self.path).is_ok_and(|found| found == self.id)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.handed_over.load(Ordering::Acquire)
            && self.is_there()
            && fs::remove_file(&self.path).is_err()
            && let Some(Remover(remove)) = &self.remover
        {
            // If it cannot be removed, the next start replaces it.
            let _ = remove(&self.path, self.id);
        }
    }
}

/// Binds in a folder that no other user can enter, sets owner and permissions there, and moves the socket to its place. So at
/// no moment can a process without permission reach it, and one that a killed process left behind is replaced.
///
/// Where the folder belongs to another user, that one can put other files in place of ours at any moment: so nothing is
/// looked up by its whole path twice, and a link is followed nowhere.
pub(super) fn bind(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<(UnixListener, FileId)> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::new(ErrorKind::AlreadyExists, "a file that is not a socket is in its place"));
        }
        Ok(_) if is_listened_to(path) => {
            return Err(Error::new(ErrorKind::AddrInUse, "another process listens there"));
        }
        _ => {}
    }
    let (parent, name) = opened(path)?;
    // Through the open folder, its path cannot be too long.
    let private = tempfile::Builder::new()
        .prefix(".")
        .rand_bytes(4)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(inside(parent.as_fd(), OsStr::new("")))?;
    let folder = own_folder(private.path())?;
    let socket = OsStr::new("s");
    let listener = UnixListener::bind(inside(folder.as_fd(), socket))?;
    listener.set_nonblocking(true)?;
    if let Some((user, group)) = owner {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        chownat(&folder, socket, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    chmodat(&folder, socket, Mode::from_raw_mode(mode), AtFlags::empty())?;
    let is = statat(&folder, socket, AtFlags::SYMLINK_NOFOLLOW)?;
    renameat(&folder, socket, &parent, name)?;
    Ok((listener, FileId { device: is.st_dev, inode: is.st_ino }))
}

/// Removes the file of a socket, if it still is that file and belongs to `owner` (this user, where there is none).
pub fn remove(path: &Path, file: FileId, owner: Option<u32>) -> Result<()> {
    let (parent, name) = opened(path)?;
    let is = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let owner = owner.unwrap_or_else(|| geteuid().as_raw());
    let is_it = FileId { device: is.st_dev, inode: is.st_ino } == file && is.st_uid == owner;
    if !is_it || FileType::from_raw_mode(is.st_mode) != FileType::Socket {
        let message = format!("{}: another file is in its place, expected the socket of user {owner}", path.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    Ok(unlinkat(&parent, name, AtFlags::empty())?)
}

/// Whether a process listens on a Unix socket.
fn is_listened_to(path: &Path) -> bool {
    // Non-blocking: while the listener's queue is full, connect(2) would block, perhaps forever. That is EAGAIN here.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let connected = SocketAddrUnix::new(path)
        .and_then(|name| connect(&socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?, &name));
    matches!(connected, Ok(()) | Err(Errno::AGAIN))
}

/// The folder in which the path ends, opened, and the name in it.
fn opened(path: &Path) -> Result<(OwnedFd, &OsStr)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the path ends with no name"))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((openat(CWD, parent, flags, Mode::empty())?, name))
}

/// Opens a folder that this process has just made.
fn own_folder(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, path, flags, Mode::empty())?;
    let is = fstat(&folder)?;
    if is.st_uid != geteuid().as_raw() || is.st_mode & 0o077 != 0 {
        let message = "another file was put in place of the private folder in which it is bound";
        return Err(Error::new(ErrorKind::PermissionDenied, message));
    }
    Ok(folder)
}

/// The path of a name in an open folder.
fn inside(folder: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)
}

#[cfg(test)]
mod tests {
    use std::fs::DirBuilder;
    use std::os::unix::fs::{DirBuilderExt, symlink};

    use super::*;

    #[test]
    fn only_a_folder_of_ones_own_that_nobody_else_can_enter_is_bound_in() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, mode| {
            let path = folder.path().join(name);
            DirBuilder::new().mode(mode).create(&path).unwrap();
            path
        };
        let private = made("private", 0o700);
        assert!(own_folder(&private).is_ok());
        let link = folder.path().join("link");
        symlink(&private, &link).unwrap();
        assert!(own_folder(&link).is_err());
        let open = made("open", 0o711);
        assert_eq!(own_folder(&open).unwrap_err().kind(), ErrorKind::PermissionDenied);
        if geteuid().is_root() {
            let theirs = made("theirs", 0o700);
            std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
            assert_eq!(own_folder(&theirs).unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn who_removes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (_listener, id) = bind(&path, 0o600, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let asked = Arc::new(AtomicBool::new(false));
        let remover = |asked: &Arc<AtomicBool>| {
            let asked = Arc::clone(asked);
            Some(Remover(Arc::new(move |_: &Path, _| {
                asked.store(true, Ordering::Relaxed);
                Ok(())
            })))
        };
        // Handed over, or another file is there: nobody.
        let left = SocketFile::new(path.clone(), id, remover(&asked));
        left.leave(true);
        drop(left);
        drop(SocketFile::new(path.clone(), FileId { inode: id.inode + 1, ..id }, remover(&asked)));
        assert!(path.exists());
        // This process, where it can.
        drop(SocketFile::new(path.clone(), id, remover(&asked)));
        assert!(!path.exists() && !asked.load(Ordering::Relaxed));
        // A folder cannot be removed like a file, by any user.
        DirBuilder::new().create(&path).unwrap();
        let id = FileId::of(&path).unwrap();
        drop(SocketFile::new(path, id, remover(&asked)));
        assert!(asked.load(Ordering::Relaxed));
    }
}
