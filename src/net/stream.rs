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

use crate::net::address::{Address, canonical};
use crate::net::socket;
pub use crate::net::socket::Unsent;
use crate::net::source::Source;

/// A connected socket. The descriptor is shared, so that the runtime can stop watching it and start again without
/// another descriptor: established connections continue even when none is left.
#[derive(Debug)]
pub struct Stream(State);

#[derive(Debug)]
enum State {
    Watched(AsyncFd<Arc<Connected>>),
    /// See [`Stream::unwatch`].
    Unwatched(Arc<Connected>),
}

/// A socket that is not registered with a runtime.
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
    /// A connected, non-blocking TCP socket.
    pub fn tcp(socket: impl Into<OwnedFd>) -> Self {
        Self(Arc::new(Connected { fd: socket.into(), is_tcp: true }))
    }

    /// A connected, non-blocking Unix socket.
    pub fn unix(socket: impl Into<OwnedFd>) -> Self {
        Self(Arc::new(Connected { fd: socket.into(), is_tcp: false }))
    }

    /// Registers it with the runtime in which this is called.
    pub fn resume(self) -> io::Result<Stream> {
        State::watched(self.0).map(Stream)
    }
}

impl State {
    /// Must be called within a runtime.
    fn watched(socket: Arc<Connected>) -> io::Result<Self> {
        // The kernel reports urgent data as priority; see `Stream::is_urgent`.
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
    /// A connected, non-blocking TCP socket. Must be called within a runtime, like the next one.
    pub fn tcp(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        Parked::tcp(socket).resume()
    }

    /// A connected, non-blocking Unix socket.
    pub fn unix(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        Parked::unix(socket).resume()
    }

    fn is_tcp(&self) -> bool {
        self.0.socket().is_tcp
    }

    /// Connects. The caller sets the deadline.
    pub async fn connect(address: &Address) -> io::Result<Self> {
        Self::connect_from(None, address).await
    }

    /// The same from a given address.
    pub async fn connect_from(source: Option<Source>, address: &Address) -> io::Result<Self> {
        let stream = Self::begin(source, address).await?;
        stream.established(address).await?;
        Ok(stream)
    }

    /// Begins to connect, from a given address where there is one; a Unix socket has none. It is connected once
    /// [`Stream::established`] says so; the peer may accept it, and see how it is closed, before that is known here.
    pub async fn begin(source: Option<Source>, address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let kind = Type::STREAM.nonblocking();
                let socket = Socket::new(Domain::for_address(*address), kind, Some(Protocol::TCP))?;
                if let Some(source) = source {
                    source.bind(SockRef::from(&socket), address.ip())?;
                }
                begin(&socket, &SockAddr::from(*address))?;
                Self::tcp(socket)
            }
            Address::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
                // Boxed, since few servers are behind one: no other connection has to hold what this needs.
                Box::pin(socket::connect_unix(&socket, SockAddr::unix(path)?)).await?;
                Self::unix(socket)
            }
        }
    }

    /// Waits until an attempt to connect to that address has ended.
    pub async fn established(&self, peer: &Address) -> io::Result<()> {
        // The socket becomes writable when the attempt has ended; SO_ERROR contains its result (connect(2)).
        std::future::poll_fn(|cx| self.poll_write_ready(cx)).await?;
        let socket = SockRef::from(self);
        socket.take_error()?.map_or(Ok(()), Err)?;
        match peer {
            Address::Tcp(peer) => socket::not_itself(socket, *peer),
            Address::Unix(_) => Ok(()),
        }
    }

    /// Sets the options that every connection gets; see [`socket::prepare`].
    pub fn prepare(&self) -> io::Result<()> {
        if self.is_tcp() { socket::prepare(self) } else { Ok(()) }
    }

    /// The address of this end. If the kernel does not report it, `0.0.0.0:0`.
    pub fn local_address(&self) -> Address {
        let address = SockRef::from(self).local_addr().ok();
        match self.is_tcp() {
            true => address.and_then(|address| address.as_socket()).map_or(NOWHERE, |own| Address::Tcp(canonical(own))),
            false => {
                let path = address.and_then(|address| address.as_pathname().map(Path::to_owned));
                Address::Unix(path.unwrap_or_default())
            }
        }
    }

    /// The runtime stops watching it until [`Stream::watch`]: whatever arrives meanwhile would wake this thread each
    /// time, although it is not read yet.
    pub fn unwatch(&mut self) {
        if let State::Watched(watched) = &self.0 {
            self.0 = State::Unwatched(Arc::clone(watched.get_ref()));
        }
    }

    /// The runtime watches it again, if it does not already. If that fails, the socket is unchanged.
    pub fn watch(&mut self) -> io::Result<()> {
        if let State::Unwatched(socket) = &self.0 {
            self.0 = State::watched(Arc::clone(socket))?;
        }
        Ok(())
    }

    /// An error if it is not watched.
    fn watched(&self) -> io::Result<&AsyncFd<Arc<Connected>>> {
        match &self.0 {
            State::Watched(watched) => Ok(watched),
            State::Unwatched(_) => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Waits until there is something to read, without reading it.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched()?.poll_read_ready(cx).map_ok(drop)
    }

    /// Waits until the socket accepts bytes.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watched()?.poll_write_ready(cx).map_ok(drop)
    }

    /// Whether urgent data has arrived since the socket was last found empty. The kernel ends a read at such data, and
    /// a splice does not get past it, although there may be more after it: then neither shows that the socket is empty.
    pub fn is_urgent(&self) -> bool {
        self.urgent(|_| ()).is_some()
    }

    /// Calls `then` with the readiness that reports urgent data, if there is any.
    fn urgent<R>(&self, then: impl FnOnce(&mut Readiness<'_>) -> R) -> Option<R> {
        let watched = self.watched().ok()?;
        // This only reads memory, and decides for almost all sockets. It is also true for a closed one, which is not
        // urgent.
        watched.try_io(Interest::PRIORITY, |_| Ok(())).ok()?;
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(watched.ready(Interest::PRIORITY)).poll(&mut cx) {
            Poll::Ready(Ok(mut guard)) if guard.ready().is_priority() => Some(then(&mut guard)),
            _ => None,
        }
    }

    /// Reads into all of `pieces` with one call. A read that does not fill them has read everything, unless urgent data
    /// has ended it. So it clears readiness, which saves a second call that would only return EAGAIN.
    pub fn poll_read_pieces(&self, cx: &mut Context<'_>, pieces: &mut [IoSliceMut<'_>]) -> Poll<io::Result<usize>> {
        let room: usize = pieces.iter().map(|piece| piece.len()).sum();
        loop {
            ready!(self.poll_read_ready(cx))?;
            // At the end of the stream readiness stays: each further read returns the end again.
            let done = |count| count == 0 || count == room || self.is_urgent();
            match self.call(Interest::READABLE, done, || rustix::io::readv(self, pieces)) {
                // The socket is empty: urgent data, if there was any, has been read.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.urgent(|readiness| readiness.clear_ready_matching(Ready::PRIORITY));
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes as much of `pieces` as the socket takes, with one call. A short write means that it is full, and clears
    /// readiness.
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

    /// Writes the last bytes before the end of the sending side. The caller ends it right after, so that both travel in
    /// one packet.
    pub fn poll_write_last(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // MSG_MORE keeps the segment back until the shutdown, which then sends both in one packet.
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

    /// One system call that moves bytes. If `done` is false for their number, the socket no longer counts as ready.
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
            // tokio clears readiness when it receives this error.
            if done(count) { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
        });
        match moved {
            Some(count) => Ok(count),
            None => result.map(|()| 0),
        }
    }

    /// Writes what the socket takes now.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || Ok(rustix::io::retry_on_intr(|| rustix::io::write(self, bytes))?))
    }

    /// Calls `io`. If it would block, readiness is cleared, so that the next poll waits.
    pub fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.watched()?.try_io(interest, |_| io())
    }

    /// Whether the kernel has something that was not read yet: bytes, the end of the data, or an error.
    pub fn has_unread(&self) -> bool {
        socket::is_readable(self)
    }

    /// Whether bytes wait here that were not sent yet, because the peer has no room for them or the network is slow.
    /// Bytes on their way do not count. For a Unix socket this is not known, and false.
    pub fn has_unsent(&self) -> bool {
        self.is_tcp() && socket::has_unsent(self)
    }

    /// Whether the kernel ends the connection of a peer that acknowledges nothing, or has no room, for a while.
    /// [`Stream::prepare`] turns it on. It has no meaning for a Unix socket, whose peer cannot be unreachable.
    pub fn limit_silence(&self, on: bool) {
        if self.is_tcp() {
            // If this fails, the setting stays as it was: a connection may end earlier or later than it should.
            let _ = socket::limit_silence(self, on);
        }
    }

    /// Limits how many bytes the kernel keeps that it has not sent yet. Bytes on their way are not limited.
    pub fn limit_unsent(&self, limit: Unsent) {
        if self.is_tcp() {
            // If this fails, the setting stays as it was, and more memory is used than needed.
            let _ = socket::limit_unsent(self, limit);
        }
    }

    /// Ends the sending side.
    pub fn shutdown_write(&self) -> io::Result<()> {
        SockRef::from(self).shutdown(Shutdown::Write)
    }

    /// Makes closing it a reset, so that the peer does not take it for the end of the data.
    pub fn reset_on_close(&self) -> io::Result<()> {
        // A linger time of zero makes close(2) discard what is unsent and send a reset.
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
        // The buffer is initialised only when there are bytes to read.
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

/// Begins to connect. EINPROGRESS is the normal result of a non-blocking socket, and not an error.
fn begin(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.connect(address) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => Ok(()),
        result => result,
    }
}

const NOWHERE: Address = Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

#[cfg(test)]
mod tests;
