//! The PROXY protocol: who a connection is from, as a proxy reports it to the one behind it (HAProxy's proxy-protocol.txt,
//! versions 1 and 2). Bytes in, facts out, and the reverse; no I/O. Must not know: whom to believe.
//!
//! The crates there are (proxy-header, ppp) leave out Unix addresses and the checksum, or take what the grammar does not
//! allow, such as `PROXY UNKNOWNX`.

pub mod header;
mod layout;
mod v1;
mod v2;
pub mod write;

use header::{Header, HeaderError};

/// Reads a header of either version at the beginning of `bytes`. `None` asks for more; an error is
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

/// Whether the bytes are the beginning of `expected`, or begin with it.
fn starts_alike(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(byte, expected)| byte == expected)
}

#[cfg(test)]
mod tests;
