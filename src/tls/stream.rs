//! A TLS session of either side as a stream of plain bytes, for callers that talk to a peer themselves. It copies each byte
//! twice; the relay copies none, so it does not use this. Must not know: who the peer is, what is sent.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::record::Records;
use crate::tls::record::handshaking::{Finished, Negotiated};
use crate::tls::record::interface::Opened;
use crate::tls::wire::codes::framing::MAX_FRAGMENT;

/// A stream after the handshake. Shutting it down sends close_notify; dropping it does not.
#[derive(Debug)]
pub struct TlsStream<S> {
    stream: S,
    records: Records,
    /// Received bytes of an incomplete record; complete records are opened immediately.
    wire: Vec<u8>,
    /// Plaintext, of which the caller has read the first `read` bytes.
    plain: Vec<u8>,
    read: usize,
    /// Sealed records, of which the first `written` bytes have been written.
    sealed: Vec<u8>,
    written: usize,
    /// A buffer in which one record is sealed.
    slot: Vec<u8>,
    /// Why no more data will arrive; `None` while it may.
    end: Option<End>,
    /// Whether close_notify has been sealed.
    closing: bool,
}

/// How the peer's data ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum End {
    #[error("the peer has ended its data")]
    Closed,
    /// Anyone on the network could have cut off the data (RFC 8446 section 6.1).
    #[error("the connection was closed without close_notify")]
    Truncated,
    /// The peer broke the protocol, or sent a fatal alert.
    #[error("TLS: {0}")]
    Failed(String),
}

impl<S> TlsStream<S> {
    /// Continues a finished handshake on its `stream`.
    pub fn new(stream: S, session: Finished) -> Self {
        let Finished { records, negotiated: _, plain, wire, closed } = session;
        let (wire, end) = if closed { (Vec::new(), Some(End::Closed)) } else { (wire, None) };
        let (sealed, slot) = (Vec::new(), Vec::new());
        let mut session = Self { stream, records, wire, plain, read: 0, sealed, written: 0, slot, end, closing: false };
        // The peer's first data may have arrived together with the end of the handshake.
        session.open();
        session
    }

    /// Takes the stream apart, for a caller that continues with the records. The stream must be flushed, and `negotiated`
    /// is what belonged to its session. Fails if the peer was cut off or has broken the protocol.
    pub fn into_session(mut self, negotiated: Negotiated) -> io::Result<Finished> {
        let closed = match &self.end {
            None => false,
            Some(End::Closed) => true,
            Some(end) => return Err(end.into()),
        };
        let plain = self.plain.split_off(self.read);
        Ok(Finished { records: self.records, negotiated, plain, wire: self.wire, closed })
    }

    /// Opens every complete record.
    fn open(&mut self) {
        let mut used = 0;
        while self.end.is_none() {
            match self.records.open(&mut self.wire[used..], &mut self.sealed) {
                Ok(Opened::Data { consumed, plain }) => {
                    self.plain.extend_from_slice(&self.wire[used..][plain]);
                    used += consumed;
                }
                Ok(Opened::Other { consumed }) => used += consumed,
                // rustls's layer leaves a message in parts on the wire until it is complete.
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

    /// Seals the first bytes of `bytes` as one record. Returns how many they are.
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
    /// Writes the sealed records.
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
            // Answers to key updates, and alerts, are sent while this side reads. An error does not matter here: if the
            // connection is broken, reading reports it too.
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
            // Before any return: unused room must never be taken for received bytes.
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
        // At most one record waits: a peer that does not read must not fill the memory.
        ready!(this.poll_sealed(cx))?;
        match &this.end {
            // A peer that has ended its data may still read (RFC 8446 section 6.1).
            None | Some(End::Closed) => {}
            Some(end) => return Poll::Ready(Err(end.into())),
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let count = this.seal(bytes)?;
        match this.poll_sealed(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The bytes are sealed and count as written; the next call sends the rest.
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
        // After a fatal alert of either side nothing more may be sent (RFC 8446 section 6.2).
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

/// The bytes of one read. The callers exchange short messages, so more would be wasted.
const READ_SIZE: usize = 4096;

/// The most bytes of an incomplete record or handshake message; the relay has the same limit.
const MOST_WIRE: usize = 128 * 1024;

#[cfg(test)]
mod tests;
