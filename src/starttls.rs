//! What goes over a connection in the clear before TLS begins: LDAP's StartTLS and PostgreSQL's SSLRequest, as a server
//! answers them and as a client asks. Must not know: TLS, backends, listeners.
//!
//! Nothing that was sent in the clear outlives this room: a request for TLS counts only if no byte follows it before the
//! answer, and what came with it is thrown away with the connection (the class of CVE-2011-0411 and CVE-2021-23214).
//!
//! Another protocol is a file of its own beside these, and an arm in each `match` below.

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
    /// SSLRequest; a client may also begin with TLS at once.
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

    /// Whether a server's answer to [`request`](Self::request) grants TLS: `false` until the answer is complete. An error is
    /// the reason why TLS does not begin; bytes behind the answer are one.
    pub fn is_granted(self, answer: &[u8]) -> Result<bool, String> {
        match self {
            Self::Ldap => ldap::is_granted(answer),
            Self::Postgres => postgres::is_granted(answer),
        }
    }
}

/// One client's conversation, seen by the server. No I/O: the owner of the socket appends to [`Opening::raw`] and asks for
/// the next step.
#[derive(Debug)]
pub enum Opening {
    Ldap(ldap::Opening),
    Postgres(postgres::Opening),
}

impl Opening {
    pub fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Ldap => Self::Ldap(ldap::Opening::default()),
            Protocol::Postgres => Self::Postgres(postgres::Opening::default()),
        }
    }

    /// What was read and not yet answered.
    pub fn raw(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Ldap(opening) => &mut opening.raw,
            Self::Postgres(opening) => &mut opening.raw,
        }
    }

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

/// Answers until TLS begins; `early` has come already. Returns the bytes of TLS that were read. The caller sets the
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
                // A client that waits for the answer, as it must, has sent nothing yet.
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

/// Whether a byte is there to be read; it is read.
async fn has_more(client: &mut Stream) -> Result<bool, Refusal> {
    let mut byte = [0];
    tokio::select! {
        biased;
        read = client.read(&mut byte) => match read.map_err(Refusal::Io)? {
            0 => Err(Refusal::Closed),
            _ => Ok(true),
        },
        () = std::future::ready(()) => Ok(false),
    }
}
