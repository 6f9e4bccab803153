//! Moves bytes from one socket to another: a few by copying, many by splicing them through a pipe. A buffer or a pipe
//! is held only while there is something in it. Without a pipe, or with a socket that cannot be spliced, many bytes are
//! copied as well. Must not know: what the bytes are.

use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::task::{Context, Poll, ready};

use crate::net::buffer::{Buffer, Size};
use crate::net::pipe::{Pipe, cannot_splice};
use crate::net::stream::Stream;

#[derive(Default)]
pub(super) struct Carrier {
    buffer: Buffer,
    /// The part of the buffer that has to be written.
    waiting: Range<usize>,
    /// Its bytes come after those in the buffer.
    pipe: Option<Pipe>,
    /// The last read returned many bytes: the next one gets a pipe or a larger buffer.
    bulk: bool,
    /// One of the sockets cannot be spliced.
    copies: bool,
}

impl Carrier {
    /// Begins with bytes that were read already: at most as many as a ClientHello may have.
    pub(super) fn holding(bytes: &[u8]) -> Self {
        let size = if bytes.len() <= Buffer::bytes(Size::Small) { Size::Small } else { Size::Medium };
        let mut buffer = Buffer::take(size);
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Self { buffer, waiting: 0..length, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.pipe.is_none()
    }

    /// Whether the bytes to be written are in a pipe.
    pub(super) fn is_splicing(&self) -> bool {
        self.pipe.is_some()
    }

    /// Reads what there is, as far as there is room. Returns how many bytes; 0 is the end. The carrier must be empty.
    pub(super) fn fill(&mut self, from: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        from.watch()?;
        // An idle connection must hold neither buffer nor pipe: they are taken only when there are bytes to read.
        ready!(from.poll_read_ready(cx))?;
        // splice(2) does not get past urgent data: it would return 0, as at the end.
        if self.bulk
            && !self.copies
            && !from.is_urgent()
            && let Some(mut pipe) = Pipe::take()
        {
            match ready!(pipe.poll_fill(from, cx)) {
                Err(error) if cannot_splice(&error) => self.copies = true,
                Err(error) => return Poll::Ready(Err(error)),
                // Perhaps not the end, but urgent data that the runtime has not noticed yet. A read below decides.
                Ok(0) => {}
                Ok(count) => {
                    self.bulk = count >= BULK;
                    self.pipe = Some(pipe);
                    return Poll::Ready(Ok(count));
                }
            }
        }
        self.buffer = Buffer::up_to(if self.bulk { Size::Large } else { Size::Small });
        let read = from.poll_read_pieces(cx, &mut [IoSliceMut::new(&mut self.buffer)]);
        match &read {
            Poll::Ready(Ok(count)) if *count > 0 => {
                self.waiting = 0..*count;
                self.bulk = if self.bulk { *count >= BULK } else { *count == self.buffer.len() };
            }
            _ => self.clear(),
        }
        read
    }

    /// Writes as much as the socket takes; when everything is written, buffer and pipe are given back.
    pub(super) fn empty(&mut self, to: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        to.watch()?;
        if self.waiting.is_empty()
            && let Some(pipe) = &mut self.pipe
        {
            if !self.copies {
                match ready!(pipe.poll_empty(to, cx)) {
                    Err(error) if cannot_splice(&error) => self.copies = true,
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(()) => {
                        self.pipe.take_if(|pipe| pipe.held() == 0);
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            // The receiver cannot be spliced to, which shows only now: what is in the pipe is copied.
            self.buffer = Buffer::up_to(Size::Large);
            self.waiting = 0..pipe.read(&mut self.buffer)?;
            self.pipe.take_if(|pipe| pipe.held() == 0);
        }
        let count = ready!(to.poll_write_pieces(cx, &[IoSlice::new(&self.buffer[self.waiting.clone()])]))?;
        self.waiting.start += count;
        if self.waiting.is_empty() {
            self.buffer = Buffer::default();
            self.waiting = 0..0;
        }
        Poll::Ready(Ok(()))
    }

    /// The bytes of memory that it holds, and how many of them it would not need for what waits in it.
    pub(super) fn held(&self) -> (usize, usize) {
        let in_pipe = self.pipe.as_ref().map_or(0, Pipe::held);
        (self.buffer.len() + in_pipe, self.buffer.len() - self.waiting.len())
    }

    /// Gives back the memory that is not needed for what waits.
    pub(super) fn shrink(&mut self) {
        self.buffer = Buffer::of(&self.buffer[self.waiting.clone()]);
        self.waiting = 0..self.buffer.len();
    }

    /// Discards everything, since it has no receiver.
    pub(super) fn clear(&mut self) {
        self.buffer = Buffer::default();
        self.waiting = 0..0;
        self.pipe = None;
    }
}

/// A read of fewer bytes is no sign of a bulk transfer.
const BULK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use rustix::event::{PollFd, PollFlags, poll};
    use socket2::SockRef;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Two ends of one connection.
    async fn pair(unix: bool) -> (Stream, Stream) {
        if unix {
            let (here, there) = UnixStream::pair().unwrap();
            here.set_nonblocking(true).unwrap();
            there.set_nonblocking(true).unwrap();
            return (Stream::unix(here).unwrap(), Stream::unix(there).unwrap());
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = Stream::connect(&listener.local_addr().unwrap().into()).await.unwrap();
        let there = listener.accept().unwrap().0;
        there.set_nonblocking(true).unwrap();
        (here, Stream::tcp(there).unwrap())
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    /// Carries all that one end sends to another; `each` is called whenever bytes were taken.
    async fn carry(unix: [bool; 2], count: usize, mut each: impl FnMut(&mut Carrier)) {
        let (mut source, mut from) = pair(unix[0]).await;
        let (mut to, mut sink) = pair(unix[1]).await;
        let sent = bytes(count);
        let sending = async {
            source.write_all(&sent).await.unwrap();
            source.shutdown_write().unwrap();
        };
        let carrying = async {
            let mut carrier = Carrier::default();
            let mut taken = 0;
            loop {
                let filled = poll_fn(|cx| carrier.fill(&mut from, cx)).await.unwrap();
                if filled == 0 {
                    break;
                }
                taken += filled;
                each(&mut carrier);
                while !carrier.is_empty() {
                    poll_fn(|cx| carrier.empty(&mut to, cx)).await.unwrap();
                }
                assert!(carrier.buffer.is_none() && carrier.pipe.is_none(), "held while there is nothing in it");
            }
            to.shutdown_write().unwrap();
            taken
        };
        let mut came = Vec::new();
        let ((), taken, _) = tokio::join!(sending, carrying, sink.read_to_end(&mut came));
        assert_eq!(taken, count);
        assert!(came == sent, "{} bytes of {count}", came.len());
    }

    #[tokio::test]
    async fn many_bytes_go_through_a_pipe_between_sockets_of_either_kind() {
        for unix in [[false, false], [false, true], [true, false], [true, true]] {
            let mut spliced = 0;
            carry(unix, 5_000_000, |carrier| spliced += carrier.pipe.as_ref().map_or(0, Pipe::held)).await;
            assert!(spliced > 1_000_000, "{unix:?}: only {spliced} bytes");
        }
    }

    #[tokio::test]
    async fn an_end_behind_urgent_data_cuts_off_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut source = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let from = listener.accept().unwrap().0;
        from.set_nonblocking(true).unwrap();
        let mut from = Stream::tcp(from).unwrap();
        let (mut to, mut sink) = pair(false).await;
        source.write_all(b"before").unwrap();
        poll_fn(|cx| from.poll_read_ready(cx)).await.unwrap();
        // The runtime does not notice these until it has to wait.
        SockRef::from(&source).send_out_of_band(b"!").unwrap();
        source.write_all(b"behind").unwrap();
        source.shutdown(Shutdown::Write).unwrap();
        poll(&mut [PollFd::new(&from, PollFlags::RDHUP)], None).unwrap();
        let mut carrier = Carrier { bulk: true, ..Carrier::default() };
        while poll_fn(|cx| carrier.fill(&mut from, cx)).await.unwrap() > 0 {
            // Whoever sends much sends on.
            carrier.bulk = true;
            poll_fn(|cx| carrier.empty(&mut to, cx)).await.unwrap();
        }
        to.shutdown_write().unwrap();
        let mut came = String::new();
        sink.read_to_string(&mut came).await.unwrap();
        assert_eq!(came, "beforebehind");
    }

    #[tokio::test]
    async fn few_are_copied() {
        carry([false, false], 10_000, |carrier| assert!(carrier.pipe.is_none())).await;
    }

    #[tokio::test]
    async fn what_is_in_a_pipe_is_copied_out_of_it_where_it_cannot_be_spliced() {
        let mut copied = 0;
        carry([false, false], 5_000_000, |carrier| {
            if carrier.pipe.is_some() && !carrier.copies {
                copied += 1;
                carrier.copies = true;
            }
        })
        .await;
        assert_eq!(copied, 1, "never a pipe, or another one after that");
    }
}
