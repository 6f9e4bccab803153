//! Where the admin server listens → a socket that accepts. Must not know: HTTP.

use std::fs::{self, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::admin::guard::Door;
use crate::config::values::{AdminAddress, Mode};

/// A socket that accepts.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// One connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The file by which a Unix socket is found; removed when dropped, unless another process has put its own there.
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
    /// Another process serves it from now on.
    handed_over: Arc<AtomicBool>,
}

/// Binds, or goes on with a socket that another process has bound, and tells what the socket became. The file of a Unix
/// socket stays when `handed_over` says so in the end. Must be called within a runtime.
pub(super) fn bind(
    address: &AdminAddress,
    mode: Mode,
    inherited: Option<OwnedFd>,
    handed_over: &Arc<AtomicBool>,
) -> Result<(Socket, Door)> {
    match address {
        AdminAddress::Tcp(address) => {
            let listener = match inherited {
                Some(socket) => TcpListener::from_std(socket.into())?,
                None => bind_tcp(*address)?,
            };
            let door = Door::Tcp(listener.local_addr()?);
            Ok((Socket::Tcp(listener), door))
        }
        AdminAddress::Unix(path) => {
            let (listener, inode) = match inherited.zip(fs::symlink_metadata(path).ok()) {
                Some((socket, file)) => (UnixListener::from_std(socket.into())?, file.ino()),
                None => bind_unix(path, mode)?,
            };
            let file = SocketFile { path: path.clone(), inode, handed_over: Arc::clone(handed_over) };
            Ok((Socket::Unix { listener, _file: file }, Door::Unix(path.clone())))
        }
    }
}

impl Socket {
    pub(super) async fn accept(&self) -> Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.handed_over.load(Ordering::Acquire) {
            return;
        }
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // What is left is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Binds in a folder that nobody else can enter, sets the permissions there, and moves the socket to its place: at no
/// moment can it be reached by who should not, and one that a killed process left behind is replaced.
fn bind_unix(path: &Path, mode: Mode) -> Result<(UnixListener, u64)> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::new(ErrorKind::AlreadyExists, "a file that is no socket is in its place"));
        }
        Ok(_) if StdUnixStream::connect(path).is_ok() => {
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
    let listener = UnixListener::bind(&aside)?;
    fs::set_permissions(&aside, Permissions::from_mode(mode.0))?;
    let inode = fs::symlink_metadata(&aside)?.ino();
    fs::rename(&aside, path)?;
    Ok((listener, inode))
}

/// As many may wait to be accepted.
const BACKLOG: u32 = 1024;
