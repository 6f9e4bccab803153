//! The backend: does what the first bytes of a connection order, and checks what it receives. Must not know: TLS,
//! besides the length of a ClientHello, since a proxy that passes TLS through passes it on.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::buffers::Buffer;
use super::{Fault, aside, pattern};

/// A client's order. Each but `Echo` is written as [`Order::SIZE`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Send everything back, including the byte of this order, until the client ends.
    Echo,
    /// Take that many bytes of the pattern, then send [`DONE`].
    Sink { amount: u64 },
    /// Send that many bytes of the pattern, `piece` bytes with each call.
    Source { amount: u64, piece: u32 },
    /// For each `request` bytes, send `answer` bytes of the pattern, until the client ends.
    Answer { request: u32, answer: u64 },
    /// The same on the thread that precedes the load's.
    Aside { request: u32, answer: u64 },
}

impl Order {
    pub(crate) const SIZE: usize = 16;
    pub(crate) const ECHO: u8 = b'e';

    pub(crate) fn bytes(self) -> Vec<u8> {
        let (kind, size, amount) = match self {
            Self::Echo => return vec![Self::ECHO],
            Self::Sink { amount } => (b's', 0, amount),
            Self::Source { amount, piece } => (b'p', piece, amount),
            Self::Answer { request, answer } => (b'a', request, answer),
            Self::Aside { request, answer } => (b'b', request, answer),
        };
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(size.to_be_bytes());
        bytes.extend(amount.to_be_bytes());
        bytes
    }

    pub(crate) fn read(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let [kind, _, _, _, a, b, c, d, amount @ ..] = bytes;
        let (size, amount) = (u32::from_be_bytes([*a, *b, *c, *d]), u64::from_be_bytes(*amount));
        match kind {
            b's' => Some(Self::Sink { amount }),
            b'p' if size > 0 => Some(Self::Source { amount, piece: size }),
            b'a' if size > 0 => Some(Self::Answer { request: size, answer: amount }),
            b'b' if size > 0 => Some(Self::Aside { request: size, answer: amount }),
            _ => None,
        }
    }
}

/// The answer to [`Order::Sink`], once everything has arrived and is correct.
pub(crate) const DONE: u8 = b'k';

/// The longest time without progress on a connection.
const PATIENCE: Duration = Duration::from_secs(300);

/// A listening backend. Dropping it ends it, but not its open connections.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    open: AtomicUsize,
    fault: Mutex<Option<String>>,
}

impl Backend {
    pub(crate) fn start(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(4096)?;
        let (address, state) = (listener.local_addr()?, Arc::<State>::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::Relaxed)
    }

    /// The first fault since the last call.
    pub(crate) fn fault(&self) -> Option<String> {
        self.state.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely no descriptor is left: open connections go on.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        state.open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&state));
        tokio::spawn(async move {
            match serve(stream).await {
                // Some proxies answer the client's end with a reset.
                Ok(()) | Err(Fault::Io(_)) => {}
                Err(fault) => {
                    let mut first = counted.0.fault.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(fault.to_string());
                }
            }
        });
    }
}

struct Counted(Arc<State>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection: order after order, until the client ends.
async fn serve(mut stream: TcpStream) -> Result<(), Fault> {
    stream.set_nodelay(true)?;
    let mut head = [0; Order::SIZE];
    let mut filled = 0;
    loop {
        if filled == 0 {
            filled = read(&stream, &mut head).await?;
        }
        match head[0] {
            _ if filled == 0 => return Ok(()),
            Order::ECHO => {
                stream.write_all(&head[..filled]).await?;
                return echo(&mut stream).await;
            }
            HANDSHAKE => filled = skip_hello(&stream, &mut head, filled).await?,
            _ => {
                fill(&stream, &mut head, filled).await?;
                filled = 0;
                match Order::read(&head) {
                    Some(Order::Sink { amount }) => {
                        sink(&stream, amount).await?;
                        stream.write_all(&[DONE]).await?;
                    }
                    Some(Order::Source { amount, piece }) => source(&mut stream, amount, piece).await?,
                    Some(Order::Answer { request, answer }) => return answers(&mut stream, request, answer).await,
                    Some(Order::Aside { request, answer }) => return step_aside(stream, request, answer).await,
                    Some(Order::Echo) | None => return Err(Fault::Corrupt(0)),
                }
            }
        }
    }
}

/// TLS's content type of handshake records (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// Skips a ClientHello. The filled part of `head` is then what followed it.
async fn skip_hello(stream: &TcpStream, head: &mut [u8; Order::SIZE], mut filled: usize) -> Result<usize, Fault> {
    while filled < 5 {
        let more = read(stream, &mut head[filled..]).await?;
        if more == 0 {
            return Err(Fault::Short { expected: 5, found: filled as u64 });
        }
        filled += more;
    }
    let mut left = (5 + usize::from(u16::from_be_bytes([head[3], head[4]]))).saturating_sub(filled);
    let mut buffer = Buffer::take();
    while left > 0 {
        let end = left.min(buffer.len());
        match read(stream, &mut buffer[..end]).await? {
            0 => return Err(Fault::Short { expected: left as u64, found: 0 }),
            more => left -= more,
        }
    }
    Ok(0)
}

async fn echo(stream: &mut TcpStream) -> Result<(), Fault> {
    loop {
        ready(stream).await?;
        let mut buffer = Buffer::take();
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => stream.write_all(&buffer[..length]).await?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn sink(stream: &TcpStream, amount: u64) -> Result<(), Fault> {
    let mut offset = 0;
    while offset < amount {
        let mut buffer = Buffer::take();
        let end = buffer.len().min(usize::try_from(amount - offset).unwrap_or(usize::MAX));
        let length = read(stream, &mut buffer[..end]).await?;
        if length == 0 {
            return Err(Fault::Short { expected: amount, found: offset });
        }
        pattern::check(offset, &buffer[..length])?;
        offset += length as u64;
    }
    Ok(())
}

async fn source(stream: &mut TcpStream, amount: u64, piece: u32) -> Result<(), Fault> {
    let piece = u64::from(piece).min(pattern::SPAN as u64);
    let mut offset = 0;
    while offset < amount {
        let length = piece.min(amount - offset);
        stream.write_all(pattern::at(offset, usize::try_from(length).unwrap_or(0))).await?;
        offset += length;
    }
    Ok(())
}

async fn answers(stream: &mut TcpStream, request: u32, answer: u64) -> Result<(), Fault> {
    let request = request as usize;
    let mut got = 0;
    loop {
        {
            ready(stream).await?;
            let mut buffer = Buffer::take();
            match stream.try_read(&mut buffer) {
                Ok(0) if got == 0 => return Ok(()),
                Ok(0) => return Err(Fault::Short { expected: request as u64, found: got as u64 }),
                Ok(length) => {
                    pattern::check(got as u64, &buffer[..length.min(request - got)])?;
                    got += length;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        // A client sends its next request after it has received the answer to the one before.
        if got > request {
            return Err(Fault::Short { expected: request as u64, found: got as u64 });
        }
        if got == request {
            got = 0;
            source(stream, answer, u32::MAX).await?;
        }
    }
}

/// Answers on the thread that precedes the load's.
async fn step_aside(stream: TcpStream, request: u32, answer: u64) -> Result<(), Fault> {
    let stream = stream.into_std()?;
    let answering = aside::runtime()?.spawn(async move {
        let mut stream = TcpStream::from_std(stream)?;
        answers(&mut stream, request, answer).await
    });
    answering.await.map_err(io::Error::other)?
}

async fn fill(stream: &TcpStream, head: &mut [u8], mut filled: usize) -> Result<(), Fault> {
    while filled < head.len() {
        match read(stream, &mut head[filled..]).await? {
            0 => return Err(Fault::Short { expected: head.len() as u64, found: filled as u64 }),
            more => filled += more,
        }
    }
    Ok(())
}

async fn ready(stream: &TcpStream) -> Result<(), Fault> {
    timeout(PATIENCE, stream.readable()).await.map_err(|_| Fault::Late("a read", PATIENCE))??;
    Ok(())
}

async fn read(stream: &TcpStream, into: &mut [u8]) -> Result<usize, Fault> {
    loop {
        ready(stream).await?;
        match stream.try_read(into) {
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}
