//! Reads the PROXY header of a proxy in front, which comes before anything else. The listener trusts that proxy, so it
//! trusts the header. Must not know: TLS, what is done with the connection.

use tokio::io::AsyncReadExt;

use crate::net::proxy_protocol;
use crate::net::proxy_protocol::header::{Header, HeaderError};
use crate::net::stream::Stream;

/// Why there is no header.
#[derive(Debug)]
pub enum NoHeader {
    /// The proxy closed the connection before the header was complete.
    Closed,
    /// Reading failed.
    Io(std::io::Error),
    /// The bytes are not a valid header.
    Bad(HeaderError),
}

/// Reads a header. Returns it with the bytes after it that were read along with it. The caller sets the deadline.
pub(super) async fn read(client: &mut Stream) -> Result<(Header, Vec<u8>), NoHeader> {
    let mut bytes = Vec::with_capacity(READ_SIZE);
    loop {
        // At most once: a header has at most twice this size, and bytes that cannot be a header end the loop.
        if bytes.len() == bytes.capacity() {
            bytes.reserve(READ_SIZE);
        }
        match client.read_buf(&mut bytes).await {
            Ok(0) => return Err(NoHeader::Closed),
            Ok(_) => {}
            Err(error) => return Err(NoHeader::Io(error)),
        }
        if let Some(header) = proxy_protocol::read(&bytes).map_err(NoHeader::Bad)? {
            bytes.drain(..header.length);
            return Ok((header, bytes));
        }
    }
}

const READ_SIZE: usize = 4096;
