//! A connection that fails where its peer does not read what is sent for a while. Must not know: what is sent.

use std::io::{self, ErrorKind, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::net::stream::Stream;

/// A stream with a deadline for each write. Reads have none: the HTTP server limits them.
#[derive(Debug)]
pub(in crate::admin) struct Progress {
    stream: Stream,
    /// Runs while the peer reads nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Progress {
    pub(in crate::admin) fn new(stream: Stream) -> Self {
        // The kernel's buffer for a peer that does not read is memory as well. If this fails, the kernel's own limit
        // applies.
        let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
        Self { stream, stalled: None }
    }

    /// The IP address of this end.
    pub(in crate::admin) fn local_ip(&self) -> Option<IpAddr> {
        self.stream.local_address().ip()
    }

    fn watched<T>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            self.stalled = None;
            return moved;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        stalled.as_mut().poll(cx).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Progress {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Progress {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, moved)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = self.stream.poll_write_pieces(cx, pieces);
        self.watched(cx, moved)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How long the peer may read nothing at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes. Linux doubles the value (socket(7)).
const SEND_BUFFER: usize = 128 << 10;
