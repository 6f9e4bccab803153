//! Reads the PROXY header of a proxy in front, which comes before anything else. The listener trusts that proxy, so the
//! header is believed. Must not know: TLS, what is done with the connection.

use tokio::io::AsyncReadExt;

use crate::net::proxy_protocol;
use crate::net::proxy_protocol::header::{Header, HeaderError};
use crate::net::stream::Stream;

/// Why there is no header.
#[derive(Debug)]
pub enum NoHeader {
    Closed,
    Io(std::io::Error),
    Bad(HeaderError),
}

/// Reads a header, and with it, maybe, the beginning of what follows.
pub(super) async fn read(client: &mut Stream) -> Result<(Header, Vec<u8>), NoHeader> {
    let mut bytes = Vec::with_capacity(READ_SIZE);
    loop {
        // No header is as large as twice this, and what is no header is seen at once.
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
