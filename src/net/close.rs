//! Ways to end a TCP connection, so that the peer can distinguish a complete stream from a truncated one.
//! Must not know: TLS.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::net::socket;
use crate::net::stream::Stream;

/// A connection that is reset when it is dropped, unless it was finished. A peer that is cut off in the middle, by a
/// shutdown or a panic, must not take that for the end of the data.
#[derive(Debug)]
pub struct Unfinished {
    stream: Stream,
    finished: bool,
}

impl Unfinished {
    /// A connection whose end only TCP marks, by a FIN or a reset.
    pub fn new(stream: Stream) -> Self {
        Self { stream, finished: false }
    }

    /// A connection that needs no reset when it is dropped: what is sent on it marks its own end, as TLS does with
    /// close_notify.
    pub fn with_marked_end(stream: Stream) -> Self {
        Self { stream, finished: true }
    }

    /// From now on only TCP marks its end, as with [`Unfinished::new`].
    pub fn leave_unmarked(&mut self) {
        self.finished = false;
    }

    /// Whether it needs no reset when it is dropped.
    pub fn has_marked_end(&self) -> bool {
        self.finished
    }

    /// Closes it in the ordinary way.
    pub fn finish(mut self) {
        self.finished = true;
    }

    /// Resets it now.
    pub fn reset(mut self) {
        self.finished = false;
    }

    /// Waits until the kernel has sent what was written, for at most 5 seconds, then resets: the peer receives every
    /// byte, and cannot take this for the end of the data.
    pub async fn reset_after_delivery(mut self) {
        self.finished = false;
        self.delivered().await;
    }

    /// Waits until the kernel has sent what was written, then closes in the ordinary way; after 5 seconds, resets: what a
    /// peer does not read would stay in the kernel for minutes, where no limit counts it.
    pub async fn finish_after_delivery(mut self) {
        self.finished = false;
        self.finished = self.delivered().await;
    }

    /// Whether the kernel has sent what was written, within 5 seconds.
    async fn delivered(&self) -> bool {
        // With TCP_NOTSENT_LOWAT at 1, "writable" means that nothing waits to be sent (tcp(7)).
        if SockRef::from(&self.stream).set_tcp_notsent_lowat(1).is_err() {
            // Not TCP: what was written is with the peer.
            return true;
        }
        let give_up = Instant::now() + DELIVERY;
        // Polled, since tokio remembers that the socket was writable before the option was set.
        let mut pause = Duration::from_micros(200);
        while !socket::is_writable(&self.stream) {
            if Instant::now() >= give_up {
                return false;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        true
    }
}

impl AsRef<Stream> for Unfinished {
    fn as_ref(&self) -> &Stream {
        &self.stream
    }
}

impl AsMut<Stream> for Unfinished {
    fn as_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // If the option cannot be set, the peer sees an ordinary end; there is no other way to send a reset.
            let _ = self.stream.reset_on_close();
        }
    }
}

/// Writes `last`, ends the sending side, and reads what is left for at most 2 seconds: closing with unread bytes would
/// send a reset (RFC 2525 section 2.17), which can overtake the last bytes.
pub async fn with_last_words(stream: &mut Stream, last: &[u8]) {
    let goodbye = async {
        stream.watch()?;
        stream.write_all(last).await?;
        stream.shutdown().await?;
        let mut waste = vec![0; 4096];
        let mut left = MOST_WASTE;
        while left > 0 {
            match stream.read(&mut waste).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        io::Result::Ok(())
    };
    // A failure does not matter: the connection is closed next. Boxed, since few connections end like this, and the
    // futures of all of them would reserve the memory.
    let _ = timeout(LINGER, Box::pin(goodbye)).await;
}

/// How long a client may take to read why it is refused.
const LINGER: Duration = Duration::from_secs(2);
/// How many bytes are read and discarded meanwhile: a client that never stops sending must not keep the connection
/// busy.
const MOST_WASTE: usize = 256 * 1024;

/// How long a peer may take to accept the last bytes before its connection is reset.
const DELIVERY: Duration = Duration::from_secs(5);
