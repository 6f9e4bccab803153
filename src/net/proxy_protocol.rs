//! The PROXY protocol: who a connection is from, as a proxy tells the one behind it (HAProxy's proxy-protocol.txt, versions
//! 1 and 2). Bytes in, facts out, and the reverse; no I/O. Must not know: whom to believe.
//!
//! The crates there are (proxy-header, ppp) leave out Unix addresses and the checksum, or take what the grammar does not
//! allow, such as `PROXY UNKNOWNX`.

use thiserror::Error;

use crate::net::address::Address;

mod v1;
mod v2;
mod write;

pub use write::{Certificate, Facts, Session, local};

/// Which header is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    #[default]
    Off,
    V1,
    V2,
}

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

/// Reads a header of either version at the beginning of `bytes`. `None` asks for more; a fault is told at the first byte that
/// cannot belong to a header.
pub fn read(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    if starts_alike(bytes, v2::SIGNATURE) {
        v2::read(bytes)
    } else if starts_alike(bytes, v1::SIGNATURE) {
        v1::read(bytes)
    } else {
        Err(HeaderError::NotProxy)
    }
}

/// Whether the bytes are the beginning of `expected`, or it is theirs.
fn starts_alike(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(byte, expected)| byte == expected)
}

/// The kinds of TLV (section 2.2).
mod kind {
    pub(super) const ALPN: u8 = 0x01;
    pub(super) const AUTHORITY: u8 = 0x02;
    pub(super) const CRC32C: u8 = 0x03;
    pub(super) const UNIQUE_ID: u8 = 0x05;
    pub(super) const SSL: u8 = 0x20;
    pub(super) const SSL_VERSION: u8 = 0x21;
    pub(super) const SSL_CN: u8 = 0x22;
    pub(super) const SSL_CIPHER: u8 = 0x23;
    pub(super) const SSL_SIG_ALG: u8 = 0x24;
    pub(super) const SSL_KEY_ALG: u8 = 0x25;
}

const CRC32C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

#[cfg(test)]
mod tests;
