//! Address → a socket that listens; and the file by which a Unix socket is found. Must not know: who listens, or why.

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
use crate::net::stream::Stream;

/// A listening socket, not blocking.
#[derive(Debug)]
pub enum Listening {
    Tcp(TcpListener),
    Unix { listener: UnixListener, file: Arc<SocketFile> },
}

/// The file by which a Unix socket is found; removed when the last who holds it lets go, unless another process has put its
/// own there, or goes on with this one.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: FileId,
    handed_over: AtomicBool,
}

/// Which file it is, whatever it is called. The socket that is bound to it keeps its number from being used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

/// A listening socket of another process.
#[derive(Debug)]
pub struct Handed {
    pub socket: OwnedFd,
    /// The file of a Unix socket, as that process knows it.
    pub file: Option<FileId>,
}

impl FileId {
    fn of(path: &Path) -> Result<Self> {
        fs::symlink_metadata(path).map(|found| Self { device: found.dev(), inode: found.ino() })
    }
}

impl Listening {
    /// Binds. A Unix socket gets these permissions, and one that a killed process left behind is replaced.
    pub fn bind(address: &Address, mode: u32) -> Result<Self> {
        let bound = match address {
            Address::Tcp(address) => socket::listen(*address).map(Self::Tcp),
            Address::Unix(path) => bind_unix(path, mode).map(|(listener, id)| Self::unix(listener, path, id)),
        };
        bound.map_err(|error| explained(error, address))
    }

    /// Goes on with a socket that another process has bound to that address. A Unix socket that cannot be found any more,
    /// since its file is gone or another one is in its place, is bound anew, as if there were no other process: what belongs
    /// to somebody else is neither taken for it nor removed with it. The file stays the other process's until
    /// [`Listening::take_over`].
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

    /// Where it really listens: port 0 has become another.
    pub fn address(&self) -> Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            // What the kernel says is where it was before it was moved to its place.
            Self::Unix { file, .. } => Ok(Address::Unix(file.path.clone())),
        }
    }

    pub fn try_clone(&self) -> Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix { listener, file } => Self::Unix { listener: listener.try_clone()?, file: Arc::clone(file) },
        })
    }

    /// Another process goes on with it: the file stays.
    pub fn hand_over(&self) {
        if let Self::Unix { file, .. } = self {
            file.handed_over.store(true, Ordering::Release);
        }
    }

    /// This process is who goes on with it: the file is removed with it in the end.
    pub fn take_over(&self) {
        if let Self::Unix { file, .. } = self {
            file.handed_over.store(false, Ordering::Release);
        }
    }

    /// Sets the permissions of a Unix socket that listens already.
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        match self {
            Self::Tcp(_) => Ok(()),
            // What somebody else has put in its place is not ours to change.
            Self::Unix { file, .. } if file.is_there() => {
                // Who watches its folder is told of a change only where there is one.
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
            // What is left is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The same within a runtime. It holds no file: who bound the socket does.
#[derive(Debug)]
pub struct Acceptor {
    socket: AsyncFd<OwnedFd>,
    /// Of a Unix socket.
    path: Option<PathBuf>,
}

impl Acceptor {
    /// Must be called within a runtime.
    pub fn new(socket: &Listening) -> Result<Self> {
        let path = match socket {
            Listening::Tcp(_) => None,
            Listening::Unix { file, .. } => Some(file.path.clone()),
        };
        let socket = socket.as_fd().try_clone_to_owned()?;
        Ok(Self { socket: socket::watch(socket, Interest::READABLE)?, path })
    }

    /// The next connection, and who is at its other end: over a Unix socket nobody has a name, unless it has bound one, and
    /// goes by the name of the socket.
    pub async fn accept(&self) -> Result<(Stream, Address)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Where connections come faster than they are accepted, it lets others on this thread have their turn now and then.
        let accept = |socket: &OwnedFd| Ok(acceptfrom_with(socket, flags)?);
        let (socket, peer) = self.socket.async_io(Interest::READABLE, accept).await?;
        let peer = peer.ok_or(ErrorKind::AddrNotAvailable);
        match &self.path {
            None => {
                let peer = SocketAddr::try_from(peer?)?;
                Ok((Stream::tcp(socket)?, Address::Tcp(peer)))
            }
            Some(path) => {
                let name = peer.ok().and_then(|peer| SocketAddrUnix::try_from(peer).ok());
                let bytes = name.as_ref().and_then(SocketAddrUnix::path_bytes).filter(|bytes| !bytes.is_empty());
                let peer = bytes.map_or_else(|| path.clone(), |bytes| OsStr::from_bytes(bytes).into());
                Ok((Stream::unix(socket)?, Address::Unix(peer)))
            }
        }
    }

    /// Where a client has connected to, as far as only the listener knows.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Whether somebody listens on a Unix socket. One whose queue is full would hold up who connects to it for good.
fn is_listened_to(path: &Path) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let connected = SocketAddrUnix::new(path)
        .and_then(|name| connect(&socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?, &name));
    matches!(connected, Ok(()) | Err(Errno::AGAIN))
}

/// Binds in a folder that nobody else can enter, sets the permissions there, and moves the socket to its place: at no
/// moment can it be reached by who should not, and one that a killed process left behind is replaced.
fn bind_unix(path: &Path, mode: u32) -> Result<(UnixListener, FileId)> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::new(ErrorKind::AlreadyExists, "a file that is no socket is in its place"));
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
    // Its path is a little longer than the one that was asked for, which may have been as long as there can be.
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
