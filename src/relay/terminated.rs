//! The relay of a terminated connection: records to and from the client, plain bytes to and from the backend.
//!
//! One task drives both directions. Each has room for one buffer: it reads only when what it read before is written,
//! so that a peer that does not read stops the other one, and a connection on which nothing moves holds no buffer.
//! Must not know: certificates, how connections are closed.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::net::buffer;
use crate::net::stream::Stream;
use crate::observe::metrics::Traffic;
use crate::relay::End;
use crate::tls::record::{RecordError, Records};

/// Relays until both directions have ended, or something ends them. `early` is plaintext that came with the handshake.
/// `traffic` is kept up to date all the while.
pub async fn relay(
    client: &Stream,
    backend: &Stream,
    records: &mut Records,
    early: Vec<u8>,
    idle: Duration,
    traffic: &mut Traffic,
) -> End {
    traffic.receive(early.len());
    let from_client = match records.peer_closed() {
        true => FromClient::Ending,
        false => FromClient::Open,
    };
    let mut relay = Relay {
        client,
        backend,
        records,
        traffic,
        plain: Pending { bytes: early, written: 0 },
        sealed: Pending::default(),
        from_client,
        from_backend: FromBackend::Open,
        backend_broke: false,
    };
    let mut last_moved = Instant::now();
    let mut timer = pin!(sleep_until(last_moved + idle));
    poll_fn(|cx| {
        let (end, moved) = relay.advance(cx);
        if moved {
            last_moved = Instant::now();
        }
        if let Poll::Ready(end) = end {
            return Poll::Ready(end);
        }
        // The timer is set anew only when it fires, not for every byte.
        while timer.as_mut().poll(cx).is_ready() {
            if last_moved.elapsed() >= idle {
                return Poll::Ready(End::IdleTimeout);
            }
            timer.as_mut().reset(last_moved + idle);
        }
        Poll::Pending
    })
    .await
}

struct Relay<'a> {
    client: &'a Stream,
    backend: &'a Stream,
    records: &'a mut Records,
    traffic: &'a mut Traffic,
    /// Opened, not yet written to the backend.
    plain: Pending,
    /// Sealed, not yet written to the client.
    sealed: Pending,
    from_client: FromClient,
    from_backend: FromBackend,
    /// The backend's connection was reset: an end of its data that is seen later is none.
    backend_broke: bool,
}

/// Where the direction from the client stands.
enum FromClient {
    Open,
    /// close_notify came; the backend is told as soon as it has everything.
    Ending,
    /// The backend was told; what else comes from the client is not its data.
    Ended {
        ignored: usize,
    },
    /// Ended, and the client has closed, or sends what nobody asked for.
    Closed,
    /// A record did not open, or an alert came: what came before it is delivered first.
    Failing(End),
    /// The backend takes no more.
    Refused,
}

/// Where the direction from the backend stands.
enum FromBackend {
    Open,
    /// The backend ended its data; close_notify is sealed.
    Ending,
    Ended,
    /// The client takes no more.
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Moved,
    /// Waits for a socket, which will wake the task.
    Blocked,
    Finished,
}

impl Relay<'_> {
    /// Goes on until both directions wait. Also tells whether a byte moved.
    fn advance(&mut self, cx: &mut Context<'_>) -> (Poll<End>, bool) {
        let mut moved = false;
        for _ in 0..ROUNDS {
            let (up, down) = match (self.client_to_backend(cx), self.backend_to_client(cx)) {
                (Ok(up), Ok(down)) => (up, down),
                (Err(end), _) | (_, Err(end)) => return (Poll::Ready(end), moved),
            };
            moved |= up == Step::Moved || down == Step::Moved;
            match (up, down) {
                (Step::Finished, Step::Finished) => return (Poll::Ready(self.end()), moved),
                (Step::Moved, _) | (_, Step::Moved) => {}
                _ => return (Poll::Pending, moved),
            }
        }
        // Others on this thread have their turn first.
        cx.waker().wake_by_ref();
        (Poll::Pending, moved)
    }

    /// Both directions are finished: how, all in all?
    fn end(&self) -> End {
        match (&self.from_client, &self.from_backend) {
            (FromClient::Refused, _) => End::BackendClosedEarly,
            (_, FromBackend::Refused) => End::ClientReset { ended: true },
            _ => End::Completed,
        }
    }

    fn client_has_ended(&self) -> bool {
        matches!(self.from_client, FromClient::Ending | FromClient::Ended { .. } | FromClient::Closed)
    }

    fn client_to_backend(&mut self, cx: &mut Context<'_>) -> Result<Step, End> {
        if !self.plain.is_empty() {
            return match self.plain.write_to(self.backend, cx) {
                Poll::Pending => Ok(Step::Blocked),
                Poll::Ready(Ok(())) => Ok(Step::Moved),
                Poll::Ready(Err(error)) => {
                    // After the backend's end the kernel says EPIPE. Otherwise this is a reset, and having been told here it
                    // would look like an end to the one who reads.
                    self.backend_broke |= error.kind() != ErrorKind::BrokenPipe;
                    self.plain.clear();
                    self.from_client = FromClient::Refused;
                    Ok(Step::Moved)
                }
            };
        }
        match &mut self.from_client {
            FromClient::Open => self.read_client(cx),
            FromClient::Failing(end) => {
                let mut end = end.clone();
                if let End::ClientBadRecord { last_words, .. } = &mut end {
                    // The bytes before the alert have their place before it, however slowly the client takes them.
                    last_words.extend_from_slice(&self.sealed.bytes[self.sealed.written..]);
                }
                Err(end)
            }
            FromClient::Ending => {
                // It fails only where the backend is gone already, which reading from it will tell.
                let _ = self.backend.shutdown_write();
                self.from_client = FromClient::Ended { ignored: 0 };
                Ok(Step::Moved)
            }
            FromClient::Ended { .. } => self.ignore_client(cx),
            FromClient::Closed | FromClient::Refused => Ok(Step::Finished),
        }
    }

    fn read_client(&mut self, cx: &mut Context<'_>) -> Result<Step, End> {
        let wire = self.records.wire();
        buffer::ensure(wire);
        let read = poll_read(self.client, cx, wire);
        let step = match read {
            Poll::Pending => Ok(Step::Blocked),
            // The kernel tells of a reset once, and the one who wrote has heard it.
            Poll::Ready(Ok(0)) if matches!(self.from_backend, FromBackend::Refused) => {
                Err(End::ClientReset { ended: false })
            }
            Poll::Ready(Ok(0)) => Err(End::ClientTruncated),
            Poll::Ready(Err(_)) => Err(End::ClientReset { ended: false }),
            Poll::Ready(Ok(_)) => {
                self.open_records();
                Ok(Step::Moved)
            }
        };
        let wire = self.records.wire();
        if wire.is_empty() {
            buffer::give_back(wire);
        }
        step
    }

    fn open_records(&mut self) {
        buffer::ensure(&mut self.plain.bytes);
        let opened = self.records.open(&mut self.plain.bytes, &mut self.sealed.bytes);
        self.traffic.receive(self.plain.bytes.len());
        self.plain.release_if_empty();
        match opened {
            Err(error) => self.from_client = FromClient::Failing(failure(error)),
            Ok(()) if self.records.peer_closed() => self.from_client = FromClient::Ending,
            Ok(()) if self.records.wire().len() >= MAX_UNOPENED => {
                self.from_client = FromClient::Failing(bad_record("an endless handshake message".into()));
            }
            Ok(()) => {}
        }
    }

    /// After close_notify the client has nothing more to say (RFC 8446 section 6.1), but that it goes away must be seen.
    fn ignore_client(&mut self, cx: &mut Context<'_>) -> Result<Step, End> {
        let FromClient::Ended { ignored } = &mut self.from_client else { return Ok(Step::Finished) };
        if matches!(self.from_backend, FromBackend::Ended | FromBackend::Refused) {
            return Ok(Step::Finished);
        }
        let mut waste = buffer::take();
        let read = poll_read(self.client, cx, &mut waste);
        buffer::give_back(&mut waste);
        match read {
            Poll::Pending => Ok(Step::Blocked),
            Poll::Ready(Err(_)) => Err(End::ClientReset { ended: true }),
            Poll::Ready(Ok(count)) => {
                *ignored += count;
                if count == 0 || *ignored > MOST_IGNORED {
                    self.from_client = FromClient::Closed;
                }
                Ok(Step::Moved)
            }
        }
    }

    fn backend_to_client(&mut self, cx: &mut Context<'_>) -> Result<Step, End> {
        if !self.sealed.is_empty() {
            return match self.sealed.write_to(self.client, cx) {
                Poll::Pending => Ok(Step::Blocked),
                Poll::Ready(Ok(())) => Ok(Step::Moved),
                Poll::Ready(Err(_)) => {
                    // What the client sent before it went is still delivered. One that had ended and does not wait for our
                    // close_notify has missed nothing.
                    self.sealed.clear();
                    let nothing_missed = matches!(self.from_backend, FromBackend::Ending) && self.client_has_ended();
                    self.from_backend = if nothing_missed { FromBackend::Ended } else { FromBackend::Refused };
                    Ok(Step::Moved)
                }
            };
        }
        match self.from_backend {
            // Nothing can be sealed after a failure; it is told once the client's last good bytes are delivered.
            FromBackend::Open if matches!(self.from_client, FromClient::Failing(_)) => Ok(Step::Blocked),
            FromBackend::Open => self.read_backend(cx),
            FromBackend::Ending => {
                // It fails only where the client is gone, and then there is nobody to tell.
                let _ = self.client.shutdown_write();
                self.from_backend = FromBackend::Ended;
                Ok(Step::Moved)
            }
            FromBackend::Ended | FromBackend::Refused => Ok(Step::Finished),
        }
    }

    fn read_backend(&mut self, cx: &mut Context<'_>) -> Result<Step, End> {
        let mut fresh = buffer::take();
        let step = match poll_read(self.backend, cx, &mut fresh) {
            Poll::Pending => Ok(Step::Blocked),
            Poll::Ready(Err(_)) => Err(End::BackendReset),
            Poll::Ready(Ok(0)) if self.backend_broke => Err(End::BackendReset),
            Poll::Ready(Ok(count)) => {
                buffer::ensure(&mut self.sealed.bytes);
                let sealed = match count {
                    0 => {
                        self.from_backend = FromBackend::Ending;
                        self.records.seal_close(&mut self.sealed.bytes)
                    }
                    _ => self.records.seal(&fresh, &mut self.sealed.bytes),
                };
                self.traffic.send(count);
                sealed.map(|()| Step::Moved).map_err(failure)
            }
        };
        buffer::give_back(&mut fresh);
        step
    }
}

/// Bytes on their way to a socket.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    written: usize,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn clear(&mut self) {
        self.written = 0;
        buffer::give_back(&mut self.bytes);
    }

    fn release_if_empty(&mut self) {
        if self.bytes.is_empty() {
            self.clear();
        }
    }

    /// Writes some; when all is written the buffer is gone.
    fn write_to(&mut self, stream: &Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_write(&self.bytes[self.written..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    self.written += count;
                    if self.written >= self.bytes.len() {
                        self.clear();
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

fn poll_read(stream: &Stream, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read_buf(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read),
        }
    }
}

fn failure(error: RecordError) -> End {
    match error.received_alert {
        Some(alert) => End::ClientAlert(alert),
        None => bad_record(error.to_string()),
    }
}

fn bad_record(reason: String) -> End {
    End::ClientBadRecord { reason, last_words: Vec::new() }
}

/// Steps of one connection before others on the thread have their turn: 1 MiB at most.
const ROUNDS: usize = 16;

/// Records are opened as soon as they are whole, so that only a handshake message cut into many could grow to this.
const MAX_UNOPENED: usize = 64 * 1024;

/// Bytes after close_notify that are read and thrown away before the client is no longer listened to.
const MOST_IGNORED: usize = 64 * 1024;
