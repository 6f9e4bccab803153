//! Reads the ClientHello from the client's connection. Must not know: what a hello contains, what is done with it.

use tokio::io::AsyncReadExt;

use crate::net::stream::Stream;
use crate::tls::wire::hello::reader::HelloReader;
use crate::tls::wire::hello::{Hello, HelloError};

/// Why there is no hello.
#[derive(Debug)]
pub enum NoHello {
    /// The client closed the connection before its hello was complete.
    Closed,
    /// Reading failed.
    Io(std::io::Error),
    /// The bytes are not an acceptable hello.
    Bad(HelloError),
}

/// Reads until the hello is complete; `reader` may contain bytes already. The caller sets the deadline.
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
