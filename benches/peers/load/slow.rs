//! A client that sends a byte of its ClientHello in each second, and never completes it. Must not know: how many there
//! are, what the proxy does about it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Fault;
use super::target::Target;

/// The headers of a record with a ClientHello of 508 bytes, and its version. Zeros follow.
const BEGIN: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
const LENGTH: usize = 517;
const PAUSE: Duration = Duration::from_secs(1);

/// Counts one connection until it is dropped.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn count(open: &'a AtomicU64) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection, until the proxy ends it or `stop` is set. It counts in `open` for as long as the proxy keeps it: one that is
/// refused or ended early is no fault, but it is no slow client either.
pub(super) async fn connection(target: &Target, stop: &AtomicBool, open: &AtomicU64) -> Result<(), Fault> {
    let Ok(mut tcp) = TcpStream::connect(target.address).await else {
        // Its queue is full, or it refuses: such a client comes again.
        sleep(PAUSE).await;
        return Ok(());
    };
    tcp.set_nodelay(true)?;
    let _open = Open::count(open);
    for byte in BEGIN.into_iter().chain(std::iter::repeat(0)).take(LENGTH) {
        if stop.load(Ordering::Relaxed) || tcp.write_all(&[byte]).await.is_err() {
            break;
        }
        // Whatever comes is an alert, or the end.
        if timeout(PAUSE, tcp.read(&mut [0; 16])).await.is_ok() {
            break;
        }
    }
    Ok(())
}
