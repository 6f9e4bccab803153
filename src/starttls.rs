//! The exchange in the clear before TLS begins: LDAP's StartTLS and PostgreSQL's SSLRequest, on the server's side and
//! on the client's. Must not know: TLS, backends, listeners.
//!
//! Nothing that was sent in the clear is used after this exchange: a request for TLS is granted only if no byte follows
//! it before the answer. If one does, the connection ends, and the bytes are discarded (as in CVE-2011-0411 and
//! CVE-2021-23214, an attacker could otherwise add commands in the clear that are later processed as if they were
//! encrypted).
//!
//! A new protocol needs a file beside these, and an arm in each `match` below.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::net::stream::Stream;
use crate::starttls::step::{End, Refusal, Step};
use crate::words::words;

pub mod ldap;
pub mod postgres;
pub mod step;

/// The protocol in which a client asks for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The extended request of RFC 4511 section 4.14.
    Ldap,
    /// SSLRequest; a client may also begin with TLS directly.
    Postgres,
}

words! { Protocol { Ldap => "ldap", Postgres => "postgres" } }

impl Protocol {
    /// The request by which a client asks for TLS, for the help of a command.
    pub const fn request_name(self) -> &'static str {
        match self {
            Self::Ldap => "The extended request of RFC 4511 section 4.14",
            Self::Postgres => "The SSLRequest of PostgreSQL's protocol",
        }
    }

    /// What a client sends to ask for TLS.
    pub fn request(self) -> Vec<u8> {
        match self {
            Self::Ldap => ldap::request(),
            Self::Postgres => postgres::request(),
        }
    }

    /// Whether a server's answer to [`request`](Self::request) grants TLS: `false` until the answer is complete. An
    /// error is the reason why TLS does not begin. It is also an error if bytes follow the answer.
    pub fn is_granted(self, answer: &[u8]) -> Result<bool, String> {
        match self {
            Self::Ldap => ldap::is_granted(answer),
            Self::Postgres => postgres::is_granted(answer),
        }
    }
}

/// The exchange with one client, on the server's side. No I/O: the owner of the socket appends to [`Opening::raw`] and
/// calls [`Opening::step`].
#[derive(Debug)]
pub enum Opening {
    Ldap(ldap::Opening),
    Postgres(postgres::Opening),
}

impl Opening {
    /// An exchange that has not begun.
    pub fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Ldap => Self::Ldap(ldap::Opening::default()),
            Protocol::Postgres => Self::Postgres(postgres::Opening::default()),
        }
    }

    /// What was read and is not yet answered.
    pub fn raw(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Ldap(opening) => &mut opening.raw,
            Self::Postgres(opening) => &mut opening.raw,
        }
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        match self {
            Self::Ldap(opening) => opening.step(),
            Self::Postgres(opening) => opening.step(),
        }
    }

    /// The answer to a request for TLS that is followed by bytes.
    fn pipelined(&self) -> Step {
        match self {
            Self::Ldap(opening) => opening.pipelined(),
            Self::Postgres(_) => postgres::pipelined(),
        }
    }

    /// The client has closed.
    fn closed(&self) -> Refusal {
        match self {
            Self::Ldap(opening) => opening.closed(),
            Self::Postgres(_) => Refusal::Closed,
        }
    }
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
