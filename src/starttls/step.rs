//! The next step while a client may ask for TLS, and the reasons why TLS does not begin. Must not know: which protocol
//! it is.

use std::io;

use thiserror::Error;

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Wait for more bytes.
    Read,
    /// Send these bytes, which may be none, and continue.
    Say(Vec<u8>),
    /// Send `say`, then TLS begins. `early` are its first bytes, if the client did not ask for TLS but began with it.
    Begin { say: Vec<u8>, early: Vec<u8> },
    /// The exchange ends without TLS.
    End(End),
}

/// The exchange ends without TLS.
#[derive(Debug)]
pub struct End {
    /// The last bytes for the client; empty if the protocol has none.
    pub say: Vec<u8>,
    /// The reason.
    pub why: Refusal,
}

/// Why TLS did not begin.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The client closed the connection, and none of its requests was refused before.
    #[error("the client closed without asking for TLS")]
    Closed,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(io::Error),
    /// The client continued in the clear, and was refused.
    #[error("{0}")]
    InTheClear(String),
    /// More bytes followed the request for TLS before it was answered.
    #[error("bytes followed the request for TLS before it was answered")]
    Pipelined,
    /// The bytes do not belong to the protocol.
    #[error("{0}")]
    Invalid(String),
}

impl From<Refusal> for End {
    fn from(why: Refusal) -> Self {
        Self { say: Vec::new(), why }
    }
}
