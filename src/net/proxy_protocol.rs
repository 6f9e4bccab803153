//! The PROXY protocol: a proxy reports to the server behind it where a connection comes from (HAProxy's
//! proxy-protocol.txt, versions 1 and 2). Bytes in, facts out, and the reverse; no I/O. Must not know: which proxies
//! are trusted.
//!
//! The existing crates (proxy-header, ppp) do not support Unix addresses and the checksum, or accept what the grammar
//! does not allow, such as `PROXY UNKNOWNX`.

pub mod header;
mod layout;
mod v1;
mod v2;
pub mod write;

use header::{Header, HeaderError};

/// Reads a header of either version at the beginning of `bytes`. `None` means that more bytes are needed; an error is
/// returned at the first byte that cannot belong to a header.
pub fn read(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    if starts_alike(bytes, layout::SIGNATURE) {
        v2::read(bytes)
    } else if starts_alike(bytes, v1::SIGNATURE) {
        v1::read(bytes)
    } else {
        Err(HeaderError::NotProxy)
    }
}

/// Whether `bytes` begins with `expected`, or is the beginning of it.
fn starts_alike(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(byte, expected)| byte == expected)
}

#[cfg(test)]
mod tests;
