//! Reads the ClientHello off the client's connection. Must not know: what a hello holds, what is done with it.

use tokio::io::AsyncReadExt;

use crate::net::stream::Stream;
use crate::tls::wire::hello::reader::HelloReader;
use crate::tls::wire::hello::{Hello, HelloError};

/// Why there is no hello.
#[derive(Debug)]
pub enum NoHello {
    /// The client closed before it was whole.
    Closed,
    Io(std::io::Error),
    Bad(HelloError),
}

/// Reads until the hello is whole; `reader` may have something already. The caller sets the deadline.
pub(super) async fn read(client: &mut Stream, reader: &mut HelloReader) -> Result<Hello, NoHello> {
    if !reader.raw.is_empty()
        && let Some(hello) = reader.advance().map_err(NoHello::Bad)?
    {
        return Ok(hello);
    }
    loop {
        match client.read_buf(&mut reader.raw).await {
            Ok(0) => return Err(NoHello::Closed),
            Ok(_) => {}
            Err(error) => return Err(NoHello::Io(error)),
        }
        if let Some(hello) = reader.advance().map_err(NoHello::Bad)? {
            return Ok(hello);
        }
    }
}
