//! Address → a listening socket; and the file of a Unix socket. Must not know: what the socket is for.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, acceptfrom_with, connect, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::net::address::{Address, LONGEST_PATH};
use crate::net::refusal::explained;
use crate::net::socket;
use crate::net::stream::Parked;

/// A listening, non-blocking socket.
#[derive(Debug)]
pub enum Listening {
    Tcp(TcpListener),
    Unix { listener: UnixListener, file: Arc<SocketFile> },
}

/// The file of a Unix socket. It is removed when the last owner drops this, unless another process has put its own file
/// there, or continues to use this one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: FileId,
    handed_over: AtomicBool,
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

/// A listening socket that another process has handed over.
#[derive(Debug)]
pub struct Handed {
    pub socket: OwnedFd,
    /// The file of a Unix socket, as that process has bound it.
    pub file: Option<FileId>,
}

impl FileId {
    fn of(path: &Path) -> Result<Self> {
        fs::symlink_metadata(path).map(|found| Self { device: found.dev(), inode: found.ino() })
    }
}

impl Listening {
    /// Binds a socket to the address and listens. A Unix socket gets the permissions `mode`; one that a killed process
    /// left behind is replaced. The error's text contains advice.
    pub fn bind(address: &Address, mode: u32) -> Result<Self> {
        let bound = match address {
            Address::Tcp(address) => socket::listen(*address).map(Self::Tcp),
            Address::Unix(path) => bind_unix(path, mode).map(|(listener, id)| Self::unix(listener, path, id)),
        };
        bound.map_err(|error| explained(error, address))
    }

    /// Continues with a socket that another process has bound to that address. If the file of a Unix socket is gone, or
    /// is another one, a new socket is bound as if there were no other process: clients could not reach the old one,
    /// and a file that belongs to a third process must not be removed later. The file belongs to the other process
    /// until [`Listening::take_over`].
    pub fn inherited(handed: Handed, address: &Address, mode: u32) -> Result<Self> {
        match address {
            Address::Tcp(_) => Ok(Self::Tcp(handed.socket.into())),
            Address::Unix(path) => match FileId::of(path) {
                Ok(found) if handed.file == Some(found) => {
                    let listening = Self::unix(handed.socket.into(), path, found);
                    listening.hand_over();
                    Ok(listening)
                }
                _ => Self::bind(address, mode),
            },
        }
    }

    fn unix(listener: UnixListener, path: &Path, id: FileId) -> Self {
        let file = SocketFile { path: path.to_owned(), id, handed_over: AtomicBool::new(false) };
        Self::Unix { listener, file: Arc::new(file) }
    }

    /// The file of a Unix socket.
    pub fn file(&self) -> Option<FileId> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix { file, .. } => Some(file.id),
        }
    }

    /// Where it really listens: the kernel has replaced port 0.
    pub fn address(&self) -> Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            // The kernel reports the path at which it was bound, before it was moved to its place.
            Self::Unix { file, .. } => Ok(Address::Unix(file.path.clone())),
        }
    }

    /// The same socket under another descriptor.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix { listener, file } => Self::Unix { listener: listener.try_clone()?, file: Arc::clone(file) },
        })
    }

    /// Another process continues with this socket: dropping it here does not remove the file.
    pub fn hand_over(&self) {
        if let Self::Unix { file, .. } = self {
            file.handed_over.store(true, Ordering::Release);
        }
    }

    /// This process continues with this socket: the last owner's drop removes the file.
    pub fn take_over(&self) {
        if let Self::Unix { file, .. } = self {
            file.handed_over.store(false, Ordering::Release);
        }
    }

    /// Sets the permissions of a Unix socket that listens already.
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        match self {
            Self::Tcp(_) => Ok(()),
            // If another process has put its own file there, its permissions must not be changed.
            Self::Unix { file, .. } if file.is_there() => {
                // chmod(2) to the same mode would still wake everything that watches the folder.
                let is = fs::symlink_metadata(&file.path)?.permissions().mode() & 0o7777;
                if is == mode { Ok(()) } else { fs::set_permissions(&file.path, Permissions::from_mode(mode)) }
            }
            Self::Unix { .. } => {
                Err(Error::new(ErrorKind::NotFound, "the socket's file is gone, or another is in its place"))
            }
        }
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

impl SocketFile {
    fn is_there(&self) -> bool {
        FileId::of(&self.path).is_ok_and(|found| found == self.id)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.handed_over.load(Ordering::Acquire) && self.is_there() {
            // If it cannot be removed, the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A listening socket within a runtime. It does not own the file of a Unix socket; the [`Listening`] does.
#[derive(Debug)]
pub struct Acceptor {
    socket: AsyncFd<OwnedFd>,
    /// Of a Unix socket.
    path: Option<PathBuf>,
}

impl Acceptor {
    /// Registers a clone of the socket with the runtime in which this is called.
    pub fn new(socket: &Listening) -> Result<Self> {
        let path = match socket {
            Listening::Tcp(_) => None,
            Listening::Unix { file, .. } => Some(file.path.clone()),
        };
        let socket = socket.as_fd().try_clone_to_owned()?;
        Ok(Self { socket: socket::watch(socket, Interest::READABLE)?, path })
    }

    /// The next connection, which no runtime watches yet, and the address of its peer. A peer over a Unix socket usually has
    /// bound no path; then the listening socket's path stands in for it.
    pub async fn accept(&self) -> Result<(Parked, Address)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // `async_io` takes part in tokio's budget: even if connections arrive faster than they are accepted, the other tasks of
        // this thread have their turn.
        let accept = |socket: &OwnedFd| Ok(acceptfrom_with(socket, flags)?);
        let (socket, peer) = self.socket.async_io(Interest::READABLE, accept).await?;
        let peer = peer.ok_or(ErrorKind::AddrNotAvailable);
        match &self.path {
            None => {
                let peer = SocketAddr::try_from(peer?)?;
                Ok((Parked::tcp(socket), Address::Tcp(peer)))
            }
            Some(path) => {
                let name = peer.ok().and_then(|peer| SocketAddrUnix::try_from(peer).ok());
                let bytes = name.as_ref().and_then(SocketAddrUnix::path_bytes).filter(|bytes| !bytes.is_empty());
                let peer = bytes.map_or_else(|| path.clone(), |bytes| OsStr::from_bytes(bytes).into());
                Ok((Parked::unix(socket), Address::Unix(peer)))
            }
        }
    }

    /// The path that clients connect to: an accepted Unix socket does not have it.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Whether a process listens on a Unix socket.
fn is_listened_to(path: &Path) -> bool {
    // Non-blocking: while the listener's queue is full, connect(2) would block, perhaps forever. That is EAGAIN here.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let connected = SocketAddrUnix::new(path)
        .and_then(|name| connect(&socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?, &name));
    matches!(connected, Ok(()) | Err(Errno::AGAIN))
}

/// Binds in a folder that no other user can enter, sets the permissions there, and moves the socket to its place. So at
/// no moment can a process without permission reach it, and one that a killed process left behind is replaced.
fn bind_unix(path: &Path, mode: u32) -> Result<(UnixListener, FileId)> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::new(ErrorKind::AlreadyExists, "a file that is not a socket is in its place"));
        }
        Ok(_) if is_listened_to(path) => {
            return Err(Error::new(ErrorKind::AddrInUse, "another process listens there"));
        }
        _ => {}
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let private = tempfile::Builder::new()
        .prefix(".")
        .rand_bytes(4)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    let aside = private.path().join("s");
    // Its path is a little longer than the configured one, which may have been of the greatest length.
    let folder = File::open(private.path())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/s", folder.as_raw_fd()));
    let listener = UnixListener::bind(if aside.as_os_str().len() > LONGEST_PATH { &short } else { &aside })?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&aside, Permissions::from_mode(mode))?;
    let id = FileId::of(&aside)?;
    fs::rename(&aside, path)?;
    Ok((listener, id))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn others_have_their_turn_however_fast_connections_come() {
        let socket = Listening::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap()), 0).unwrap();
        let Ok(Address::Tcp(address)) = socket.address() else { panic!("no address") };
        let acceptor = Acceptor::new(&socket).unwrap();
        let mut clients = Vec::new();
        let turns = Arc::new(AtomicUsize::new(0));
        while clients.len() < 1000 && turns.load(Ordering::Relaxed) == 0 {
            // There is one whenever it looks for one.
            clients.push(TcpStream::connect(address).unwrap());
            acceptor.accept().await.unwrap();
            if clients.len() == 1 {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.fetch_add(1, Ordering::Relaxed) });
            }
        }
        assert_eq!(turns.load(Ordering::Relaxed), 1, "nobody else had a turn while {} were accepted", clients.len());
    }
}
