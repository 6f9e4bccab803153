//! Runs a handshake of either side over a stream. The caller sets the deadline. Must not know: which side it is.

use std::future::pending;
use std::time::Duration;

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::gate::{Pace, Turn, Work};
use crate::tls::handshake::failure::HandshakeError;
use crate::tls::record::handshaking::Handshaking;
use crate::tls::record::interface::RecordError;
use crate::tls::token::TokenKey;
use crate::tls::token::error::TokenError;
use crate::tls::wire::alert;

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

/// A handshake after one of its steps.
pub(super) struct Step {
    handshaking: Handshaking,
    /// What is to be sent.
    reply: Vec<u8>,
    advanced: Result<bool, RecordError>,
}

impl Step {
    /// Takes the step on this thread.
    pub(super) fn here(mut handshaking: Handshaking, mut reply: Vec<u8>) -> Self {
        let advanced = handshaking.advance(&mut reply);
        Self { handshaking, reply, advanced }
    }

    /// Whether the step has failed because it would have signed with a key in a token on a thread that must not wait.
    pub(super) fn needs_token(&self) -> bool {
        let error = self.advanced.as_ref().err();
        error.and_then(|error| TokenError::within(&error.error)) == Some(&TokenError::Elsewhere)
    }

    /// Takes the step at the desk of `key`, if that is in a token and may sign in this step; else on this thread. The turn
    /// is only for the latter. If the token does not answer, the handshake is lost, and the peer has got the alert.
    async fn take(
        stream: &mut (impl AsyncWrite + Unpin),
        (handshaking, reply): (Handshaking, Vec<u8>),
        key: Option<&TokenKey>,
        (turn, pace): (Turn<'_>, Pace<'_>),
    ) -> Result<Self, HandshakeError> {
        let Some(key) = key.filter(|_| handshaking.may_sign()) else {
            let taken = Self::here(handshaking, reply);
            drop(turn);
            return Ok(taken);
        };
        drop(turn);
        let is_server = handshaking.is_server();
        let taken = key.aside(patience(pace), move || Self::here(handshaking, reply)).await;
        // What rustls would send is encrypted for who has got its ServerHello, and that is not sent.
        let error = match taken {
            Ok(Self { advanced: Err(error), .. }) if TokenError::within(&error.error).is_some() => {
                HandshakeError::of(error)
            }
            Ok(taken) => return Ok(taken),
            Err(error) => HandshakeError::Token(error),
        };
        if is_server {
            // The handshake has failed, even if the alert does not arrive.
            let _ = stream.write_all(&alert::plaintext(AlertDescription::InternalError)).await;
        }
        Err(error)
    }
}

/// How long a token may take for a step: half of the time that is left. The other half is for the network.
fn patience(pace: Pace<'_>) -> Duration {
    (pace.deadline.saturating_duration_since(Instant::now()) / 2).min(LONGEST_PATIENCE)
}

/// Takes the first step of a handshake, and runs it until it is done. See [`go_on`].
pub(super) async fn drive(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    handshaking: Handshaking,
    key: Option<&TokenKey>,
    (turn, pace): (Turn<'_>, Pace<'_>),
) -> Result<(Handshaking, Vec<u8>), HandshakeError> {
    let first = Step::take(stream, (handshaking, Vec::new()), key, (turn, pace)).await?;
    go_on(stream, first, key, pace).await
}

/// Runs the handshake until it is done. Returns the last flight, not written yet: only the caller knows whether the peer
/// waits for it, or it can be sent later with data. `key` is this side's, where that is in a token. On failure the alert has
/// already been written.
pub(super) async fn go_on(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    step: Step,
    key: Option<&TokenKey>,
    pace: Pace<'_>,
) -> Result<(Handshaking, Vec<u8>), HandshakeError> {
    let Step { mut handshaking, mut reply, mut advanced } = step;
    loop {
        if advanced == Ok(true) {
            return Ok((handshaking, reply));
        }
        if !reply.is_empty() {
            let written = stream.write_all(&reply).await;
            reply.clear();
            // After a failed handshake the cause is reported, not that the alert could not be sent.
            if advanced.is_ok() {
                written.map_err(HandshakeError::Io)?;
            }
        }
        advanced.map_err(HandshakeError::of)?;
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
        let taken = Step::take(stream, (handshaking, reply), key, (turn, pace)).await?;
        Step { handshaking, reply, advanced } = taken;
    }
}

/// For peers that have a very long time.
const LONGEST_PATIENCE: Duration = Duration::from_secs(30);

/// Enough for most flights; a longer one takes several reads.
const READ_SIZE: usize = 4096;

/// The most unused bytes from a peer. A chain of certificates is the longest that a peer sends, and is far shorter.
const MAX_WIRE: usize = 64 * 1024;

#[cfg(test)]
mod tests;
