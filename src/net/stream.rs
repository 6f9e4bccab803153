//! A byte stream to a peer, over TCP or a Unix socket. Must not know: what is sent on it.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use crate::net::address::Address;
use crate::net::socket;

/// A connected socket. The descriptor is shared so that the runtime can forget it and watch it again without another
/// descriptor: where none is left, connections that are established still go on.
#[derive(Debug)]
pub struct Stream(State);

#[derive(Debug)]
enum State {
    Watched(AsyncFd<Arc<Connected>>),
    /// See [`Stream::unwatch`].
    Unwatched(Arc<Connected>),
}

/// A socket that belongs to no runtime.
#[derive(Debug)]
pub struct Parked(Arc<Connected>);

#[derive(Debug)]
struct Connected {
    fd: OwnedFd,
    is_tcp: bool,
}

impl AsFd for Connected {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Connected {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Parked {
    /// Goes on in the runtime in which this is called.
    pub fn resume(self) -> io::Result<Stream> {
        State::watched(self.0).map(Stream)
    }
}

impl State {
    /// Must be called within a runtime.
    fn watched(socket: Arc<Connected>) -> io::Result<Self> {
        // Priority is how the kernel tells of urgent data; see `Stream::is_urgent`.
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        Ok(Self::Watched(socket::watch(socket, interest)?))
    }

    fn socket(&self) -> &Arc<Connected> {
        match self {
            Self::Watched(watched) => watched.get_ref(),
            Self::Unwatched(socket) => socket,
        }
    }
}

impl Stream {
    /// A socket of TCP that is connected and does not block. Must be called within a runtime, as the next one.
    pub fn tcp(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        Self::new(socket.into(), true)
    }

    /// A Unix socket that is connected and does not block.
    pub fn unix(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        Self::new(socket.into(), false)
    }

    fn new(fd: OwnedFd, is_tcp: bool) -> io::Result<Self> {
        State::watched(Arc::new(Connected { fd, is_tcp })).map(Self)
    }

    fn is_tcp(&self) -> bool {
        self.0.socket().is_tcp
    }

    /// Connects. The deadline is the caller's.
    pub async fn connect(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Tcp(address) => {
                let kind = Type::STREAM.nonblocking();
                let socket = Socket::new(Domain::for_address(*address), kind, Some(Protocol::TCP))?;
                begin(&socket, &SockAddr::from(*address))?;
                Self::tcp(socket)?
            }
            Address::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
                begin(&socket, &SockAddr::unix(path)?)?;
                Self::unix(socket)?
            }
        };
        std::future::poll_fn(|cx| stream.poll_write_ready(cx)).await?;
        match SockRef::from(&stream).take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    /// Sets the options that every connection gets; see [`socket::prepare`].
    pub fn prepare(&self) -> io::Result<()> {
        if self.is_tcp() { socket::prepare(self) } else { Ok(()) }
    }

    /// This end's address. Where the kernel does not say, it is one that nobody has.
    pub fn local_address(&self) -> Address {
        let address = SockRef::from(self).local_addr().ok();
        match self.is_tcp() {
            true => address.and_then(|address| address.as_socket()).map_or(NOWHERE, Address::Tcp),
            false => {
                let path = address.and_then(|address| address.as_pathname().map(Path::to_owned));
                Address::Unix(path.unwrap_or_default())
            }
        }
    }

    /// Takes it out of its runtime, so that another one can go on with it.
    pub fn park(self) -> Parked {
        Parked(Arc::clone(self.0.socket()))
    }

    /// Has the runtime forget it until [`Stream::watch`]: whatever comes meanwhile would wake this thread each time, though
    /// nobody wants it yet.
    pub fn unwatch(&mut self) {
        if let State::Watched(watched) = &self.0 {
            self.0 = State::Unwatched(Arc::clone(watched.get_ref()));
        }
    }

    /// Has the runtime watch it, if it does not. Where that fails the socket is still there, as it was.
    pub fn watch(&mut self) -> io::Result<()> {
        if let State::Unwatched(socket) = &self.0 {
            self.0 = State::watched(Arc::clone(socket))?;
        }
        Ok(())
    }

    /// To be unwatched is an error.
    fn watched(&self) -> io::Result<&AsyncFd<Arc<Connected>>> {
        match &self.0 {
            State::Watched(watched) => Ok(watched),
            State::Unwatched(_) => Err(ErrorKind::NotConnected.into()),
        }
    }

    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched()?.poll_read_ready(cx).map_ok(drop)
    }

    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched()?.poll_write_ready(cx).map_ok(drop)
    }

    /// Whether urgent data has come since the socket was last found empty. The kernel ends a read where such data is, and a
    /// splice does not get past it, although there may be more behind it: neither then shows that the socket is empty.
    pub fn is_urgent(&self) -> bool {
        self.urgent(|_| ()).is_some()
    }

    /// Has `then` look at the readiness that says so, if one does.
    fn urgent<R>(&self, then: impl FnOnce(&mut Readiness<'_>) -> R) -> Option<R> {
        let watched = self.watched().ok()?;
        // One look at memory decides for most. Who has closed counts as well here, though that is no priority.
        watched.try_io(Interest::PRIORITY, |_| Ok(())).ok()?;
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(watched.ready(Interest::PRIORITY)).poll(&mut cx) {
            Poll::Ready(Ok(mut guard)) if guard.ready().is_priority() => Some(then(&mut guard)),
            _ => None,
        }
    }

    /// Reads into all of `pieces` with one call. A read that does not fill them has found all that there was, unless urgent
    /// data has ended it: readiness is cleared with it, which saves the call that would only hear that there is nothing.
    pub fn poll_read_pieces(&self, cx: &mut Context<'_>, pieces: &mut [IoSliceMut<'_>]) -> Poll<io::Result<usize>> {
        let room: usize = pieces.iter().map(|piece| piece.len()).sum();
        loop {
            ready!(self.poll_read_ready(cx))?;
            // The end of the stream is told as often as it is asked for.
            let done = |count| count == 0 || count == room || self.is_urgent();
            match self.call(Interest::READABLE, done, || rustix::io::readv(self, pieces)) {
                // It is empty, and what was urgent is read.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.urgent(|readiness| readiness.clear_ready_matching(Ready::PRIORITY));
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes as much of `pieces` as the socket takes, with one call. A short write has filled it, and clears readiness.
    pub fn poll_write_pieces(&self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        loop {
            ready!(self.poll_write_ready(cx))?;
            match self.call(Interest::WRITABLE, |count| count == length, || rustix::io::writev(self, pieces)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes the last bytes before the end of the sending side, which is to follow at once: both travel together.
    pub fn poll_write_last(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        loop {
            ready!(self.poll_write_ready(cx))?;
            match self.call(Interest::WRITABLE, |count| count == bytes.len(), || rustix::net::send(self, bytes, flags))
            {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// One system call that moves bytes; unless it was `done` with it, the socket is no longer taken for ready.
    fn call(
        &self,
        interest: Interest,
        done: impl Fn(usize) -> bool,
        mut call: impl FnMut() -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        let mut moved = None;
        let result = self.try_io(interest, || {
            let count = rustix::io::retry_on_intr(&mut call)?;
            moved = Some(count);
            // tokio clears readiness when it hears this.
            if done(count) { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
        });
        match moved {
            Some(count) => Ok(count),
            None => result.map(|()| 0),
        }
    }

    /// Writes what the socket takes at once.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || Ok(rustix::io::retry_on_intr(|| rustix::io::write(self, bytes))?))
    }

    /// Does `io`; where it would block, readiness is cleared so that the next poll waits.
    pub fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.watched()?.try_io(interest, |_| io())
    }

    /// Whether bytes wait here that the peer has not got yet because it has no room for them, or because the network is slow.
    /// What is on its way does not count. Of a Unix socket nobody knows.
    pub fn has_unsent(&self) -> bool {
        self.is_tcp() && socket::has_unsent(self)
    }

    /// Has the kernel give up a peer that acknowledges nothing for a while, or that has no room for a while: as
    /// [`Stream::prepare`] does, or no longer. Peers of Unix sockets cannot be out of reach.
    pub fn limit_silence(&self, on: bool) {
        if self.is_tcp() {
            // Without it, the peer is given up when the kernel's own patience ends.
            let _ = socket::limit_silence(self, on);
        }
    }

    /// Ends the sending side.
    pub fn shutdown_write(&self) -> io::Result<()> {
        SockRef::from(self).shutdown(Shutdown::Write)
    }

    /// Makes closing it a reset, so that the peer does not take it for an end.
    pub fn reset_on_close(&self) -> io::Result<()> {
        SockRef::from(self).set_linger(Some(Duration::ZERO))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket().as_fd()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Without bytes to read, nothing is made ready for them.
        ready!(self.poll_read_ready(cx))?;
        let count = ready!(self.poll_read_pieces(cx, &mut [IoSliceMut::new(buffer.initialize_unfilled())]))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_pieces(cx, &[IoSlice::new(bytes)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown_write())
    }
}

type Readiness<'a> = AsyncFdReadyGuard<'a, Arc<Connected>>;

/// Begins to connect; that it is under way is no error.
fn begin(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.connect(address) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => Ok(()),
        result => result,
    }
}

const NOWHERE: Address = Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

#[cfg(test)]
mod tests;
