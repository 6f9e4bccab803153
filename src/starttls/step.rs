//! What comes next while a client may ask for TLS, and why TLS does not begin. Must not know: which protocol it is.

use std::io;

use thiserror::Error;

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Wait for more bytes.
    Read,
    /// Send these bytes; where there are none, go on.
    Say(Vec<u8>),
    /// TLS begins after this answer, and with these bytes of it, if the client did not ask for TLS but began with it.
    Begin {
        say: Vec<u8>,
        early: Vec<u8>,
    },
    End(End),
}

/// The conversation ends without TLS.
#[derive(Debug)]
pub struct End {
    /// The last bytes for the client; empty where the protocol has none.
    pub say: Vec<u8>,
    pub why: Refusal,
}

/// Why TLS did not begin.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The client closed the connection before it was refused anything.
    #[error("the client closed without asking for TLS")]
    Closed,
    #[error("{0}")]
    Io(io::Error),
    /// The client went on in the clear, and was refused.
    #[error("{0}")]
    InTheClear(String),
    /// More bytes came with the request for TLS.
    #[error("bytes followed the request for TLS before it was answered")]
    Pipelined,
    #[error("{0}")]
    Invalid(String),
}

impl From<Refusal> for End {
    fn from(why: Refusal) -> Self {
        Self { say: Vec::new(), why }
    }
}
