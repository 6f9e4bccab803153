//! The exchange in the clear before TLS begins, on the server's side: LDAP's StartTLS, PostgreSQL's SSLRequest, and
//! STARTTLS of SMTP, IMAP and POP3. Must not know: TLS, backends, listeners.
//!
//! Nothing that was sent in the clear is used after this exchange: a request for TLS is granted only if no byte follows
//! it before the answer. If one does, the connection ends, and the bytes are discarded (as in CVE-2011-0411 and
//! CVE-2021-23214, an attacker could otherwise add commands in the clear that are later processed as if they were
//! encrypted).
//!
//! A new protocol needs a file beside these, and an arm in each `match` below and in `asking`, the client's side.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::net::stream::Stream;
use crate::starttls::protocol::Protocol;
use crate::starttls::step::{End, Refusal, Step};

pub mod asking;
mod imap;
pub mod ldap;
mod line;
mod mail;
mod pop3;
pub mod postgres;
pub mod protocol;
mod reply;
mod smtp;
pub mod step;

/// The exchange with one client, on the server's side. No I/O: the owner of the socket appends to [`Opening::raw`] and
/// calls [`Opening::step`].
#[derive(Debug)]
pub enum Opening {
    Ldap(ldap::Opening),
    Postgres(postgres::Opening),
    /// SMTP, IMAP or POP3.
    Mail(mail::Opening),
}

impl Opening {
    /// An exchange that has not begun.
    pub fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Ldap => Self::Ldap(ldap::Opening::default()),
            Protocol::Postgres => Self::Postgres(postgres::Opening::default()),
            Protocol::Smtp => Self::Mail(mail::Opening::new(&smtp::DIALECT)),
            Protocol::Imap => Self::Mail(mail::Opening::new(&imap::DIALECT)),
            Protocol::Pop3 => Self::Mail(mail::Opening::new(&pop3::DIALECT)),
        }
    }

    /// What was read and is not yet answered.
    pub fn raw(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Ldap(opening) => &mut opening.raw,
            Self::Postgres(opening) => &mut opening.raw,
            Self::Mail(opening) => &mut opening.raw,
        }
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        match self {
            Self::Ldap(opening) => opening.step(),
            Self::Postgres(opening) => opening.step(),
            Self::Mail(opening) => opening.step(),
        }
    }

    /// The answer to a request for TLS that is followed by bytes.
    fn pipelined(&self) -> Step {
        match self {
            Self::Ldap(opening) => opening.pipelined(),
            Self::Postgres(_) => postgres::pipelined(),
            Self::Mail(opening) => opening.pipelined(),
        }
    }

    /// The client has closed.
    fn closed(&self) -> Refusal {
        match self {
            Self::Ldap(opening) => opening.closed(),
            Self::Postgres(_) => Refusal::Closed,
            Self::Mail(opening) => opening.closed(),
        }
    }
}

/// What a server of the protocol sends first, in tlsgate's words; empty where the client speaks first. It reveals nothing of a
/// server, and nothing that was received in the clear.
pub fn greeting(protocol: Protocol) -> Vec<u8> {
    let text = match protocol {
        Protocol::Ldap | Protocol::Postgres => return Vec::new(),
        Protocol::Smtp => smtp::DIALECT.greeting,
        Protocol::Imap => imap::DIALECT.greeting,
        Protocol::Pop3 => pop3::DIALECT.greeting,
    };
    [text.as_bytes(), b"\r\n"].concat()
}

/// Answers until TLS begins; `early` was read already. Returns the bytes of TLS that were read. The caller sets the
/// deadline.
pub async fn begin(protocol: Protocol, client: &mut Stream, early: Vec<u8>) -> Result<Vec<u8>, End> {
    let mut opening = Opening::new(protocol);
    *opening.raw() = early;
    let mut step = opening.step();
    loop {
        step = match step {
            Step::Read => match client.read_buf(opening.raw()).await.map_err(Refusal::Io)? {
                0 => return Err(opening.closed().into()),
                _ => opening.step(),
            },
            Step::Say(answer) => {
                client.write_all(&answer).await.map_err(Refusal::Io)?;
                opening.step()
            }
            Step::Begin { say, early } => {
                // A client must wait for this answer. Bytes that are here already were sent in the clear after the
                // request.
                if !say.is_empty() && has_more(client).await? {
                    opening.pipelined()
                } else {
                    client.write_all(&say).await.map_err(Refusal::Io)?;
                    return Ok(early);
                }
            }
            Step::End(end) => return Err(end),
        };
    }
}

/// Whether a byte can be read now. If so, it is read.
async fn has_more(client: &mut Stream) -> Result<bool, Refusal> {
    let mut byte = [0];
    tokio::select! {
        // The read is tried first. If it has to wait, the other branch is ready: so this never waits.
        biased;
        read = client.read(&mut byte) => match read.map_err(Refusal::Io)? {
            0 => Err(Refusal::Closed),
            _ => Ok(true),
        },
        () = std::future::ready(()) => Ok(false),
    }
}
