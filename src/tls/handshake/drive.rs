//! Runs a handshake of either side over a stream. The caller sets the deadline. Must not know: which side it is.

use std::future::pending;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::gate::{Pace, Turn, Work};
use crate::tls::handshake::failure::HandshakeError;
use crate::tls::record::handshaking::Handshaking;

/// Waits for the first turn. Meanwhile it adds to `wire` what the peer sends, and so notices when the peer closes: a
/// signature for a peer that has gone would be in vain.
pub async fn first_turn<'g>(
    pace: Pace<'g>,
    work: Work,
    stream: &mut (impl AsyncRead + Unpin),
    wire: &mut Vec<u8>,
) -> Result<Turn<'g>, HandshakeError> {
    tokio::select! {
        // The sockets were polled right before the turn begins, so a peer that has gone is seen first.
        biased;
        gone = until_gone(stream, wire) => Err(gone),
        turn = pace.turn(work) => Ok(turn),
    }
}

/// Reads until the peer closes. What it may send before it has an answer is early data; of that, little is kept.
async fn until_gone(stream: &mut (impl AsyncRead + Unpin), wire: &mut Vec<u8>) -> HandshakeError {
    let most = wire.len() + READ_SIZE;
    while wire.len() < most {
        match stream.read_buf(wire).await {
            Ok(0) => return HandshakeError::Closed,
            Ok(_) => {}
            Err(error) => return HandshakeError::Io(error),
        }
    }
    pending().await
}

/// Runs the handshake until it is done. `turn` is for the first step, `pace` for the others. Returns the last flight, not
/// written yet: only the caller knows whether the peer waits for it, or it can be sent later with data. On failure the
/// alert has already been written.
pub(super) async fn drive(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    handshaking: &mut Handshaking,
    pace: Pace<'_>,
    turn: Turn<'_>,
) -> Result<Vec<u8>, HandshakeError> {
    let mut reply = Vec::new();
    let mut advanced = handshaking.advance(&mut reply);
    drop(turn);
    loop {
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
        let turn = pace.turn(Work::Continue).await;
        advanced = handshaking.advance(&mut reply);
        drop(turn);
    }
}

/// Enough for most flights; a longer one takes several reads.
const READ_SIZE: usize = 4096;

/// The most unused bytes from a peer. A chain of certificates is the longest that a peer sends, and is far shorter.
const MAX_WIRE: usize = 64 * 1024;

#[cfg(test)]
mod tests;
