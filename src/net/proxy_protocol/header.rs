//! What a header contains, and what can be wrong with one. Must not know: how either version is written.

use thiserror::Error;

use crate::net::address::Address;

/// A header that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The client's address, and the address that it connected to. `None` if the connection is the proxy's own (LOCAL)
    /// or the header does not contain them (UNKNOWN, UNSPEC): then the peer's own address is used.
    pub addresses: Option<(Address, Address)>,
    /// The length of the header in bytes.
    pub length: usize,
}

/// Why the bytes are not a valid header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    #[error("no PROXY header: the first bytes are something else")]
    NotProxy,
    #[error("a PROXY header larger than {0} bytes")]
    TooLarge(usize),
    #[error("a PROXY header whose {0}")]
    Invalid(&'static str),
}
