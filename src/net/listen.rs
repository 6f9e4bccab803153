//! Address → a listening socket. Must not know: what the socket is for.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::ioctl_fionbio;
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, acceptfrom_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::net::address::{Address, canonical};
use crate::net::refusal::explained;
use crate::net::socket;
use crate::net::socket_file::{self, SocketFile};
use crate::net::stream::Parked;

pub use crate::net::socket_file::{FileId, Remover, remove};

/// A listening, non-blocking socket.
#[derive(Debug)]
pub enum Listening {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Where clients connect.
        path: PathBuf,
        /// `None` where another program cares for the file.
        file: Option<Arc<SocketFile>>,
    },
}

/// A listening socket that another process has handed over.
#[derive(Debug)]
pub struct Handed {
    pub socket: OwnedFd,
    /// The file of a Unix socket, as that process has bound it.
    pub file: Option<FileId>,
}

/// Binds a socket to the address and listens; nobody can connect until [`Listening::resume`]. A Unix socket gets the permissions
/// `mode`, and belongs to `owner` (a user and a group) where there is one; one that a killed process left behind is replaced. The
/// error's text contains advice.
pub fn bind(address: &Address, mode: u32, owner: Option<(u32, u32)>) -> Result<Handed> {
    let bound = match address {
        Address::Tcp(address) => socket::listen(*address).map(|socket| Handed { socket: socket.into(), file: None }),
        Address::Unix(path) => socket_file::bind(path, mode, owner)
            .map(|(socket, file)| Handed { socket: socket.into(), file: Some(file) }),
    };
    bound.map_err(|error| explained(error, address))
}

impl Listening {
    /// Binds a socket in this process, to which clients can connect.
    pub fn bind(address: &Address, mode: u32) -> Result<Self> {
        let listening = Self::bind_suspended(address, mode)?;
        listening.resume()?;
        Ok(listening)
    }

    /// Binds a socket in this process, as [`bind`] does.
    pub fn bind_suspended(address: &Address, mode: u32) -> Result<Self> {
        bind(address, mode, None).map(|bound| Self::handed(bound, address, None))
    }

    /// A socket that was bound to that address for this process. `remover` removes the file of a Unix socket where this
    /// process has no right to.
    pub fn handed(handed: Handed, address: &Address, remover: Option<Remover>) -> Self {
        match (address, handed.file) {
            (Address::Unix(path), Some(id)) => {
                let file = SocketFile::new(path.clone(), id, remover);
                Self::Unix { listener: handed.socket.into(), path: path.clone(), file: Some(Arc::new(file)) }
            }
            _ => Self::Tcp(handed.socket.into()),
        }
    }

    /// Continues with a socket that another process has bound to that address. `None` if the file of a Unix socket is gone, or
    /// is another one: clients could not reach the old one, and a file that belongs to a third process must not be removed
    /// later. Then a new socket is to be bound as if there were no other process. The file belongs to the other process until
    /// [`Listening::take_over`].
    pub fn inherited(handed: Handed, address: &Address, remover: Option<Remover>) -> Option<Self> {
        if let Address::Unix(path) = address {
            let found = FileId::of(path).ok();
            found.filter(|found| handed.file == Some(*found))?;
        }
        let listening = Self::handed(handed, address, remover);
        listening.hand_over();
        Some(listening)
    }

    /// Continues with a socket that another program has bound, and whose file that program cares for. The error's text says
    /// what it is, and what was expected.
    pub fn passed(socket: OwnedFd) -> Result<Self> {
        let unexpected = |found: &str, expected: &str| {
            let message = format!("found {found}, expected a listening stream socket ({expected})");
            Err(Error::new(ErrorKind::InvalidInput, message))
        };
        match socket_type(&socket)? {
            SocketType::STREAM if socket_acceptconn(&socket)? => {}
            SocketType::STREAM => return unexpected("a socket that does not listen", "Accept=no in its unit"),
            SocketType::DGRAM => return unexpected("a datagram socket", "ListenStream= in its unit"),
            _ => return unexpected("a socket of another type", "ListenStream= in its unit"),
        }
        // Whoever has bound it may not have asked for that.
        ioctl_fionbio(&socket, true)?;
        match socket_domain(&socket)? {
            AddressFamily::INET | AddressFamily::INET6 => Ok(Self::Tcp(socket.into())),
            AddressFamily::UNIX => {
                let listener = UnixListener::from(socket);
                let path = path_of(&listener.local_addr()?);
                Ok(Self::Unix { listener, path, file: None })
            }
            _ => unexpected("a socket of another family", "an IP address, a port or a path"),
        }
    }

    /// The file of a Unix socket.
    pub fn file(&self) -> Option<FileId> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix { file, .. } => file.as_ref().map(|file| file.id()),
        }
    }

    /// Where it really listens: the kernel has replaced port 0.
    pub fn address(&self) -> Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            // The kernel reports the path at which it was bound, before it was moved to its place.
            Self::Unix { path, .. } => Ok(Address::Unix(path.clone())),
        }
    }

    /// The same socket under another descriptor.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix { listener, path, file } => {
                Self::Unix { listener: listener.try_clone()?, path: path.clone(), file: file.clone() }
            }
        })
    }

    /// Another process continues with this socket: dropping it here does not remove the file.
    pub fn hand_over(&self) {
        if let Self::Unix { file: Some(file), .. } = self {
            file.leave(true);
        }
    }

    /// This process continues with this socket: the last owner's drop removes the file.
    pub fn take_over(&self) {
        if let Self::Unix { file: Some(file), .. } = self {
            file.leave(false);
        }
    }

    /// Lets nobody connect, and keeps the address, until [`Listening::resume`]. At a Unix socket, clients wait instead.
    pub fn suspend(&self) -> Result<()> {
        match self {
            Self::Tcp(listener) => socket::suspend(listener, true),
            Self::Unix { .. } => Ok(()),
        }
    }

    /// Lets clients connect again.
    pub fn resume(&self) -> Result<()> {
        match self {
            Self::Tcp(listener) => match socket::suspend(listener, false) {
                // There was no filter (socket(7)).
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => other,
            },
            Self::Unix { .. } => Ok(()),
        }
    }

    /// Sets the permissions of a Unix socket that listens already.
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        match self {
            Self::Tcp(_) | Self::Unix { file: None, .. } => Ok(()),
            // If another process has put its own file there, its permissions must not be changed.
            Self::Unix { file: Some(file), .. } if file.is_there() => {
                // chmod(2) to the same mode would still wake everything that watches the folder.
                let is = fs::symlink_metadata(file.path())?.permissions().mode() & 0o7777;
                if is == mode { Ok(()) } else { fs::set_permissions(file.path(), Permissions::from_mode(mode)) }
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
            Listening::Unix { path, .. } => Some(path.clone()),
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
                // A socket for both families shows a client's IPv4 address as IPv6.
                let peer = canonical(SocketAddr::try_from(peer?)?);
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

/// The path of a bound Unix socket; an abstract name (unix(7)) in the form in which other programs show it.
fn path_of(address: &std::os::unix::net::SocketAddr) -> PathBuf {
    match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => PathBuf::from(OsString::from_vec([b"@", name].concat())),
        (None, None) => PathBuf::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicUsize, Ordering};

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
