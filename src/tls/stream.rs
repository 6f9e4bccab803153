//! A TLS session of either side as a stream of plain bytes, for those who talk to a peer rather than relay. It copies each
//! byte twice; the relay, which does not, goes without it. Must not know: who the peer is, what is sent.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::record::Records;
use crate::tls::record::handshaking::Finished;
use crate::tls::record::interface::Opened;
use crate::tls::wire::codes::framing::MAX_FRAGMENT;

/// A stream whose handshake is done. Shutting it down sends close_notify, and so does nothing else.
#[derive(Debug)]
pub struct TlsStream<S> {
    stream: S,
    records: Records,
    /// Bytes off the wire that are less than a record: all others are opened at once.
    wire: Vec<u8>,
    /// Plaintext, of which the first `read` bytes were read.
    plain: Vec<u8>,
    read: usize,
    /// Records to be written, of which the first `written` bytes were.
    sealed: Vec<u8>,
    written: usize,
    /// Room in which one record is sealed.
    slot: Vec<u8>,
    /// Why no more data comes.
    end: Option<End>,
    /// close_notify was sealed.
    closing: bool,
}

/// How the peer's data ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum End {
    #[error("the peer has ended its data")]
    Closed,
    /// The data may have been cut off by anyone (RFC 8446 section 6.1).
    #[error("the connection was closed without close_notify")]
    Truncated,
    /// The peer broke the protocol, or sent a fatal alert.
    #[error("TLS: {0}")]
    Failed(String),
}

impl<S> TlsStream<S> {
    pub fn new(stream: S, session: Finished) -> Self {
        let Finished { records, negotiated: _, plain, wire, closed } = session;
        let (wire, end) = if closed { (Vec::new(), Some(End::Closed)) } else { (wire, None) };
        let (sealed, slot) = (Vec::new(), Vec::new());
        let mut session = Self { stream, records, wire, plain, read: 0, sealed, written: 0, slot, end, closing: false };
        session.open();
        session
    }

    /// Opens every whole record.
    fn open(&mut self) {
        let mut used = 0;
        while self.end.is_none() {
            match self.records.open(&mut self.wire[used..], &mut self.sealed) {
                Ok(Opened::Data { consumed, plain }) => {
                    self.plain.extend_from_slice(&self.wire[used..][plain]);
                    used += consumed;
                }
                Ok(Opened::Other { consumed }) => used += consumed,
                Ok(Opened::Incomplete) if self.wire.len() - used >= MOST_WIRE => {
                    self.end = Some(End::Failed("a handshake message is too long".into()));
                }
                Ok(Opened::Incomplete) => break,
                Ok(Opened::Closed) => self.end = Some(End::Closed),
                Err(error) => self.end = Some(End::Failed(error.to_string())),
            }
        }
        self.wire.drain(..used);
    }

    /// Seals the front of `bytes` as one record. Returns how many bytes that was.
    fn seal(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (room, count) = (self.records.room(), bytes.len().min(MAX_FRAGMENT));
        self.slot.resize(room.stride(), 0);
        self.slot[room.before..room.before + count].copy_from_slice(&bytes[..count]);
        let sealed = self.records.seal(&mut self.slot, count, &mut self.sealed).map_err(io::Error::other)?;
        self.sealed.extend_from_slice(&self.slot[..sealed]);
        Ok(count)
    }
}

impl<S: AsyncWrite + Unpin> TlsStream<S> {
    /// Writes what is sealed.
    fn poll_sealed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.sealed.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.sealed[self.written..]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.sealed.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            // Key updates and alerts go out while this side waits. Whether they can does not matter here: a peer that is
            // gone shows when it is read from.
            let _ = this.poll_sealed(cx);
            let waiting = &this.plain[this.read..];
            if !waiting.is_empty() {
                let count = waiting.len().min(buffer.remaining());
                buffer.put_slice(&waiting[..count]);
                this.read += count;
                return Poll::Ready(Ok(()));
            }
            this.plain.clear();
            this.read = 0;
            match &this.end {
                None => {}
                Some(End::Closed) => return Poll::Ready(Ok(())),
                Some(end) => return Poll::Ready(Err(end.into())),
            }
            let before = this.wire.len();
            this.wire.resize(before + READ_SIZE, 0);
            let mut space = ReadBuf::new(&mut this.wire[before..]);
            let polled = Pin::new(&mut this.stream).poll_read(cx, &mut space);
            let count = space.filled().len();
            this.wire.truncate(before + count);
            ready!(polled)?;
            match count {
                0 => this.end = Some(End::Truncated),
                _ => this.open(),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // close_notify is the end of this side's data (RFC 8446 section 6.1).
        if this.closing {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        // One record waits at most.
        ready!(this.poll_sealed(cx))?;
        match &this.end {
            // The peer may end its data and still take ours.
            None | Some(End::Closed) => {}
            Some(end) => return Poll::Ready(Err(end.into())),
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let count = this.seal(bytes)?;
        match this.poll_sealed(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The rest goes out with the next call.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_sealed(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // After a fatal alert of either side nothing may be sent (RFC 8446 section 6.2).
        if !this.closing && !matches!(this.end, Some(End::Failed(_))) {
            this.records.seal_close(&mut this.sealed).map_err(io::Error::other)?;
        }
        this.closing = true;
        ready!(this.poll_sealed(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl From<&End> for io::Error {
    fn from(end: &End) -> Self {
        let kind = match end {
            End::Closed | End::Truncated => ErrorKind::UnexpectedEof,
            End::Failed(_) => ErrorKind::InvalidData,
        };
        Self::new(kind, end.clone())
    }
}

const READ_SIZE: usize = 4096;

/// The longest handshake message, as it is for a relay.
const MOST_WIRE: usize = 128 * 1024;

#[cfg(test)]
mod tests;
