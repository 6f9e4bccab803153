//! What a header holds, and what can be wrong with one. Must not know: how either version writes it.

use thiserror::Error;

use crate::net::address::Address;

/// A header that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Client and where it connected to. `None` where the header speaks of the proxy itself (LOCAL) or does not say
    /// (UNKNOWN, UNSPEC): then the peer is what it is.
    pub addresses: Option<(Address, Address)>,
    /// Bytes that it takes.
    pub length: usize,
}

/// Why the bytes are no header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    #[error("no PROXY header: the first bytes are something else")]
    NotProxy,
    #[error("a PROXY header larger than {0} bytes")]
    TooLarge(usize),
    #[error("a PROXY header whose {0}")]
    Invalid(&'static str),
}
