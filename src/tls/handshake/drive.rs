//! Runs a handshake of either side over a stream; the deadline is the caller's. Must not know: which side it is.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::tls::handshake::failure::HandshakeError;
use crate::tls::record::handshaking::Handshaking;

/// Runs the handshake until it is done. Returns the last flight, which is not written yet: whether the peer waits for it
/// or can do without it for a while, only the caller knows. On failure the alert has been written.
pub(super) async fn drive(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    handshaking: &mut Handshaking,
) -> Result<Vec<u8>, HandshakeError> {
    let mut reply = Vec::new();
    loop {
        let advanced = handshaking.advance(&mut reply);
        if advanced == Ok(true) {
            return Ok(reply);
        }
        if !reply.is_empty() {
            let written = stream.write_all(&reply).await;
            reply.clear();
            if advanced.is_ok() {
                written.map_err(HandshakeError::Io)?;
            }
        }
        advanced.map_err(HandshakeError::Protocol)?;
        let wire = handshaking.wire();
        if wire.len() >= MAX_WIRE {
            let error = handshaking.overflow(&mut reply);
            // Whether the alert arrives or not, the handshake has failed.
            let _ = stream.write_all(&reply).await;
            return Err(HandshakeError::Protocol(error));
        }
        wire.reserve(READ_SIZE);
        match stream.read_buf(wire).await {
            Ok(0) => return Err(HandshakeError::Closed),
            Ok(_) => {}
            Err(error) => return Err(HandshakeError::Io(error)),
        }
    }
}

const READ_SIZE: usize = 4096;

/// A chain of certificates is the longest that a peer has to say, and does not come near this.
const MAX_WIRE: usize = 64 * 1024;
