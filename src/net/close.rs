//! Ways to end a TCP connection, so that the peer reads from the end what it should.
//! Must not know: TLS.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::net::socket;
use crate::net::stream::Stream;

/// A connection that is reset when it is dropped, unless somebody says that it has ended in order: whoever is cut off in
/// the middle, by a shutdown or a fault of ours, must not take that for an end.
#[derive(Debug)]
pub struct Unfinished {
    stream: Stream,
    finished: bool,
}

impl Unfinished {
    pub fn new(stream: Stream) -> Self {
        Self { stream, finished: false }
    }

    /// One that needs no reset when it is dropped: what is sent on it marks its end by itself, as TLS does with
    /// close_notify.
    pub fn with_marked_end(stream: Stream) -> Self {
        Self { stream, finished: true }
    }

    /// Ends it as an ordinary close does.
    pub fn finish(mut self) {
        self.finished = true;
    }

    /// Resets it at once.
    pub fn reset(mut self) {
        self.finished = false;
    }

    /// Lets the kernel send what was written, then resets: the peer has every byte, and cannot take this for an end.
    pub async fn reset_after_delivery(mut self) {
        self.finished = false;
        // With this, "writable" means that nothing is waiting to be sent.
        if SockRef::from(&self.stream).set_tcp_notsent_lowat(1).is_err() {
            return;
        }
        let give_up = Instant::now() + DELIVERY;
        let mut pause = Duration::from_micros(200);
        while !socket::is_writable(&self.stream) && Instant::now() < give_up {
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
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
            // If the option cannot be set the peer sees an ordinary end; there is no other way to tell it.
            let _ = self.stream.reset_on_close();
        }
    }
}

/// Writes `last`, ends the sending side, and reads what is left for a moment: closing with unread bytes would send a
/// reset, which can overtake the last words.
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
    // Whatever goes wrong here, the connection is closed next. Boxed, since few come here and all would have room for it.
    let _ = timeout(LINGER, Box::pin(goodbye)).await;
}

/// How long a client may take to hear why it is refused.
const LINGER: Duration = Duration::from_secs(2);
const MOST_WASTE: usize = 256 * 1024;

/// How long a peer may take to accept the last bytes before it is reset.
const DELIVERY: Duration = Duration::from_secs(5);
