//! Runs a handshake of either side over a stream. The caller sets the deadline. Must not know: which side it is.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::tls::handshake::failure::HandshakeError;
use crate::tls::record::handshaking::Handshaking;

/// Runs the handshake until it is done. Returns the last flight, not written yet: only the caller knows whether the peer
/// waits for it, or it can be sent later with data. On failure the alert has already been written.
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
            // After a failed handshake the cause is reported, not that the alert could not be sent.
            if advanced.is_ok() {
                written.map_err(HandshakeError::Io)?;
            }
        }
        advanced.map_err(HandshakeError::Protocol)?;
        let wire = handshaking.wire();
        if wire.len() >= MAX_WIRE {
            let error = handshaking.overflow(&mut reply);
            // The handshake has failed, even if the alert does not arrive.
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

/// Enough for most flights; a longer one takes several reads.
const READ_SIZE: usize = 4096;

/// The most unused bytes from a peer. A chain of certificates is the longest that a peer sends, and is far shorter.
const MAX_WIRE: usize = 64 * 1024;
