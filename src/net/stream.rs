//! A byte stream to a peer, over TCP or a Unix socket. Must not know: what is sent on it.

use std::convert::identity;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::SendFlags;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::net::address::Address;
use crate::net::socket;

/// A connected socket.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// The runtime does not watch it; see [`Stream::unwatch`].
    Unwatched(Parked),
}

/// A socket that belongs to no runtime.
#[derive(Debug)]
pub enum Parked {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Parked {
    /// Goes on in the runtime in which this is called.
    pub fn resume(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Self::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }
}

impl AsFd for Parked {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Does the same with either kind; to be `unwatched` is an error.
macro_rules! either {
    ($stream:expr, $inner:ident => $body:expr, $unwatched:expr) => {
        match $stream {
            Stream::Tcp($inner) => $body,
            Stream::Unix($inner) => $body,
            Stream::Unwatched(_) => $unwatched(Err(ErrorKind::NotConnected.into())),
        }
    };
}

impl Stream {
    /// Connects. The deadline is the caller's.
    pub async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => TcpStream::connect(address).await.map(Self::Tcp),
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        }
    }

    /// Sets the options that every connection gets; see [`socket::prepare`].
    pub fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => socket::prepare(stream),
            Self::Unix(_) | Self::Unwatched(_) => Ok(()),
        }
    }

    /// This end's address. Where the kernel does not say, it is one that nobody has.
    pub fn local_address(&self) -> Address {
        match self {
            Self::Tcp(stream) => stream.local_addr().map_or(NOWHERE, Address::Tcp),
            Self::Unix(stream) => {
                let path = stream.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
                Address::Unix(path.unwrap_or_default())
            }
            Self::Unwatched(_) => NOWHERE,
        }
    }

    /// Takes it out of its runtime, so that another one can go on with it.
    pub fn park(self) -> io::Result<Parked> {
        Ok(match self {
            Self::Tcp(stream) => Parked::Tcp(stream.into_std()?),
            Self::Unix(stream) => Parked::Unix(stream.into_std()?),
            Self::Unwatched(parked) => parked,
        })
    }

    /// Has the runtime forget it until [`Stream::watch`]: whatever comes meanwhile would wake this thread each time, though
    /// nobody wants it yet. Where there is no descriptor left for that, it is watched on.
    pub fn unwatch(&mut self) {
        let parked = match self {
            Self::Tcp(stream) => stream.as_fd().try_clone_to_owned().map(|fd| Parked::Tcp(fd.into())),
            Self::Unix(stream) => stream.as_fd().try_clone_to_owned().map(|fd| Parked::Unix(fd.into())),
            Self::Unwatched(_) => return,
        };
        if let Ok(parked) = parked {
            *self = Self::Unwatched(parked);
        }
    }

    /// Has the runtime watch it, if it does not. Where that fails the socket is still there, as it was.
    pub fn watch(&mut self) -> io::Result<()> {
        if let Self::Unwatched(parked) = self {
            *self = parked.try_clone()?.resume()?;
        }
        Ok(())
    }

    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read_ready(cx), Poll::Ready)
    }

    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_write_ready(cx), Poll::Ready)
    }

    /// Reads into all of `pieces` with one call. A read that does not fill them has found all that there was: readiness is
    /// cleared with it, which saves the call that would only hear that there is nothing.
    pub fn poll_read_pieces(&self, cx: &mut Context<'_>, pieces: &mut [IoSliceMut<'_>]) -> Poll<io::Result<usize>> {
        let room: usize = pieces.iter().map(|piece| piece.len()).sum();
        loop {
            ready!(self.poll_read_ready(cx))?;
            // The end of the stream is told as often as it is asked for.
            let done = |count| count == 0 || count == room;
            match self.call(Interest::READABLE, done, || rustix::io::readv(self, pieces)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
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
        either!(self, stream => stream.try_write(bytes), identity)
    }

    /// Does `io`; where it would block, readiness is cleared so that the next poll waits.
    pub fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        either!(self, stream => stream.try_io(interest, io), identity)
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
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Unwatched(parked) => parked.as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buffer), Poll::Ready)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes), Poll::Ready)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx), Poll::Ready)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx), Poll::Ready)
    }
}

const NOWHERE: Address = Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_came_while_it_was_not_watched_is_there_when_it_is_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let tcp = (Stream::Tcp(tcp), Stream::Tcp(listener.accept().await.unwrap().0));
        let unix = UnixStream::pair().unwrap();
        for (mut here, mut there) in [tcp, (Stream::Unix(unix.0), Stream::Unix(unix.1))] {
            here.unwatch();
            here.unwatch();
            assert_eq!(here.try_write(b"x").unwrap_err().kind(), ErrorKind::NotConnected);
            there.write_all(b"mean").await.unwrap();
            let mut came = [0; 9];
            assert_eq!(here.read(&mut came).await.unwrap_err().kind(), ErrorKind::NotConnected);
            for _ in 0..2 {
                here.watch().unwrap();
            }
            there.write_all(b"while").await.unwrap();
            here.read_exact(&mut came).await.unwrap();
            assert_eq!(&came, b"meanwhile");
            here.unwatch();
            here.shutdown_write().unwrap();
            assert_eq!(there.read(&mut came).await.unwrap(), 0);
        }
    }
}
