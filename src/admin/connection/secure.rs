//! TLS on a connection to the admin server: the handshake, and how a client learns that it has failed. The caller sets the
//! deadline. Must not know: who may do what, HTTP beyond one answer to those who speak no TLS.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::admin::connection::caller::{Presented, Secured};
use crate::admin::connection::permits::{Doing, Permit};
use crate::admin::connection::progress::Progress;
use crate::gate::{Pace, Work};
use crate::tls::certificate::inspect::Facts;
use crate::tls::handshake::failure::HandshakeError;
use crate::tls::handshake::refusal::Refusal;
use crate::tls::handshake::{Terminated, Terminator, first_turn};
use crate::tls::record::handshaking::Finished;
use crate::tls::wire::alert;
use crate::tls::wire::hello::reader::HelloReader;
use crate::tls::wire::hello::{Hello, HelloError};

/// Why there was no handshake.
#[derive(Debug, Error)]
pub(in crate::admin) enum Failure {
    /// The client has sent nothing, as a check of the port does. It is not reported.
    #[error("the client sent nothing")]
    Unused,
    #[error("it took too long")]
    Late,
    #[error("found plain HTTP, expected TLS")]
    Plain,
    #[error("{0}")]
    Hello(HelloError),
    #[error("{0}")]
    Refused(Refusal),
    #[error("too many handshakes wait")]
    Overloaded,
    #[error("{0}")]
    Handshake(Box<HandshakeError>),
}

impl Failure {
    pub(in crate::admin) const LABELS: [&str; 7] =
        ["timeout", "not_tls", "refused", "overloaded", "client_certificate", "closed", "failed"];

    /// Its kind, in the metrics and the log.
    pub(in crate::admin) fn label(&self) -> &'static str {
        match self {
            Self::Late => "timeout",
            Self::Plain | Self::Hello(HelloError::NotTls) => "not_tls",
            Self::Hello(_) | Self::Refused(_) => "refused",
            Self::Overloaded => "overloaded",
            Self::Unused => "closed",
            Self::Handshake(error) => match **error {
                HandshakeError::Client { .. } => "client_certificate",
                HandshakeError::Closed | HandshakeError::Io(_) => "closed",
                HandshakeError::Protocol(_) | HandshakeError::Token(_) => "failed",
            },
        }
    }
}

/// Runs a handshake.
pub(super) async fn handshake(
    stream: &mut Progress,
    terminator: &Terminator,
    pace: Pace<'_>,
    permit: &Permit,
) -> Result<(Finished, Secured), Failure> {
    let mut hello = read(stream).await?;
    // A client that has sent its hello is not as silent as one that has not.
    permit.becomes(Doing::Receiving);
    if let Some(error) = hello.unacceptable {
        return Err(Failure::Hello(error));
    }
    let needed = hello.server_name.is_none() && terminator.certificates.knows_addresses();
    let address = if needed { stream.local_ip() } else { None };
    let choice = terminator.choose(&hello, address, Timestamp::now().as_second(), &mut ()).map_err(Failure::Refused)?;
    if !pace.has_time_for(Work::Full) {
        return Err(Failure::Overloaded);
    }
    let turn = first_turn(pace, Work::Full, stream, &mut hello.raw).await.map_err(failed)?;
    let terminated = terminator.accept(stream, hello, choice, turn, pace).await.map_err(failed)?;
    let presented = presented(&terminated, terminator);
    let Terminated { finished, tickets, choice, client: _, good_until: _ } = terminated;
    stream.write_all(&tickets).await.map_err(|error| failed(HandshakeError::Io(error)))?;
    Ok((finished, Secured { served: choice.certificate, presented }))
}

fn failed(error: HandshakeError) -> Failure {
    Failure::Handshake(Box::new(error))
}

/// Reads until the ClientHello is complete.
async fn read(stream: &mut Progress) -> Result<Hello, Failure> {
    let mut reader = HelloReader::default();
    loop {
        match stream.read_buf(&mut reader.raw).await {
            Ok(0) if reader.raw.is_empty() => return Err(Failure::Unused),
            Ok(0) => return Err(failed(HandshakeError::Closed)),
            Ok(_) => {}
            Err(error) => return Err(failed(HandshakeError::Io(error))),
        }
        match reader.advance() {
            Ok(Some(hello)) => return Ok(hello),
            Ok(None) => {}
            // The name of a method.
            Err(HelloError::NotTls) if reader.raw.first().is_some_and(u8::is_ascii_uppercase) => {
                return Err(Failure::Plain);
            }
            Err(error) => return Err(Failure::Hello(error)),
        }
    }
}

/// The client's certificate. The handshake would have failed if it were not accepted.
fn presented(terminated: &Terminated, terminator: &Terminator) -> Option<Presented> {
    let (judge, der) = (terminator.client_auth()?, terminated.finished.negotiated.peer_certificates.first()?);
    let subject = terminated.client.as_ref()?.subject.clone();
    let serial = Facts::of(der).map_or_else(|_| String::new(), |facts| facts.serial);
    Some(Presented { subject, serial, judged_by: *judge.fingerprint() })
}

/// Sends what the client understands of the failure, and closes.
pub(super) async fn farewell(mut stream: Progress, failure: &Failure) {
    let words = match failure {
        Failure::Plain => PLAIN.to_vec(),
        Failure::Hello(error) => error.alert().map(|ours| alert::plaintext(ours).to_vec()).unwrap_or_default(),
        Failure::Refused(refusal) => alert::plaintext(refusal.alert()).to_vec(),
        // The handshake itself has written the alert, if there is one.
        Failure::Handshake(_) => Vec::new(),
        Failure::Unused | Failure::Late | Failure::Overloaded => return,
    };
    // What the client still sends is read for a while: unread, it would make the kernel send a reset, which can overtake
    // the alert. Nothing of it matters, nor whether the client gets the alert.
    let _ = timeout(LINGER, async {
        stream.write_all(&words).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(MOST_READ), &mut tokio::io::sink()).await
    })
    .await;
}

/// For those who use http instead of https.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 53\r\nConnection: close\r\n\r\n{\"error\":\"found plain HTTP, expected TLS (https://)\"}";
/// How long the last words may take.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes.
const MOST_READ: u64 = 64 << 10;
