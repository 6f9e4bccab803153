//! A check over LDAP (RFC 4511): a simple bind, or the root entry; and StartTLS before it. Must not know: whether it is
//! over TLS.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::backend::health::error::CheckError;
use crate::backend::health::kind::Ldap;
use crate::ldap::client::{self, Answer, AnswerError};
use crate::ldap::message::{BIND_RESPONSE, SEARCH_DONE, SEARCH_ENTRY};

/// Binds, or reads the root entry (RFC 4512 section 5.1), and unbinds.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, ldap: &Ldap) -> Result<(), CheckError> {
    let mut received = Vec::new();
    match &ldap.bind {
        Some((dn, password)) => {
            send(&mut stream, &client::bind(dn, &password.0)).await?;
            receive(&mut stream, &mut received, |answer| {
                answer.must_be(BIND_RESPONSE, "is not an answer to a bind")?;
                answer.succeeded("bind")
            })
            .await?;
        }
        None => {
            send(&mut stream, &client::root_entry()).await?;
            let search_done = |answer: Answer<'_>| answer.succeeded("search for the root entry");
            receive(&mut stream, &mut received, |answer| {
                // A search that fails ends without an entry, and this has the reason.
                if answer.operation == SEARCH_DONE {
                    search_done(answer)?;
                }
                answer.must_be(SEARCH_ENTRY, "is not the root entry")
            })
            .await?;
            receive(&mut stream, &mut received, |answer| {
                answer.must_be(SEARCH_DONE, "is not the end of a search")?;
                search_done(answer)
            })
            .await?;
        }
    }
    // The check has passed, even if this does not arrive. Without it, some servers log a lost connection.
    let _ = send(&mut stream, &client::unbind()).await;
    Ok(())
}

/// Requests TLS (RFC 4511 section 4.14). On success, the handshake comes next.
pub(super) async fn start_tls<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<(), CheckError> {
    send(stream, &client::start_tls()).await?;
    let mut received = Vec::new();
    while !client::start_tls_granted(&received)? {
        read(stream, &mut received).await?;
    }
    Ok(())
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> Result<(), CheckError> {
    let sent = async {
        stream.write_all(message).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| CheckError::Answer(error.to_string()))
}

/// Reads the next answer and judges it. `received` keeps the bytes after it.
async fn receive<S: AsyncRead + Unpin>(
    stream: &mut S,
    received: &mut Vec<u8>,
    judge: impl FnOnce(Answer<'_>) -> Result<(), AnswerError>,
) -> Result<(), CheckError> {
    loop {
        if let Some(answer) = Answer::read(received)? {
            let size = answer.size;
            judge(answer)?;
            received.drain(..size);
            return Ok(());
        }
        read(stream, received).await?;
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, received: &mut Vec<u8>) -> Result<(), CheckError> {
    match stream.read_buf(received).await {
        Ok(0) => Err(CheckError::Answer("closed without an answer".into())),
        Ok(_) => Ok(()),
        Err(error) => Err(CheckError::Answer(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
