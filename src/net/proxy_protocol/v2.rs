//! Version 2: binary, with TLVs (section 2.2).

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;

use super::header::{Header, HeaderError};
use super::layout::{CRC32C, LOCAL, PROXY, TCP4, TCP6, UNIX, UNSPEC, kind};
use crate::net::address::Address;

pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let local = match bytes.get(12) {
        None => return Ok(None),
        Some(&LOCAL) => true,
        Some(&PROXY) => false,
        Some(_) => return Err(HeaderError::Invalid("version and command are unknown")),
    };
    let Some(&[family, high, low]) = bytes.get(13..16) else { return Ok(None) };
    let length = 16 + usize::from(u16::from_be_bytes([high, low]));
    // Before the rest is waited for: a false header must not keep the connection waiting for 64 KiB.
    if length > MAX_BYTES {
        return Err(HeaderError::TooLarge(MAX_BYTES));
    }
    if local {
        // Section 2.2: with LOCAL, everything but the length is ignored: family, addresses and TLVs.
        return Ok((bytes.len() >= length).then_some(Header { addresses: None, length }));
    }
    let block = match family {
        UNSPEC => 0,
        TCP4 => 12,
        TCP6 => 36,
        UNIX => 216,
        _ => {
            return Err(HeaderError::Invalid(
                "family and transport are not TCP over IPv4, TCP over IPv6 or a Unix stream socket",
            ));
        }
    };
    if length < 16 + block {
        return Err(HeaderError::Invalid("addresses are cut short"));
    }
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    let (block, tlvs) = header[16..].split_at(block);
    let addresses = match family {
        TCP4 => ip_addresses::<4>(block),
        TCP6 => ip_addresses::<16>(block),
        UNIX => {
            let (source, destination) = block.split_at(108);
            Some((path(source), path(destination)))
        }
        _ => None,
    };
    check(header, tlvs)?;
    Ok(Some(Header { addresses, length }))
}

fn ip_addresses<const N: usize>(block: &[u8]) -> Option<(Address, Address)>
where
    IpAddr: FromBytes<N>,
{
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk()?;
    let (to, _) = rest.split_first_chunk()?;
    let address = |ip: &[u8; N], port: &[u8; 2]| {
        Address::Tcp(SocketAddr::new(IpAddr::from_bytes(*ip), u16::from_be_bytes(*port)))
    };
    Some((address(source, from), address(destination, to)))
}

trait FromBytes<const N: usize> {
    fn from_bytes(bytes: [u8; N]) -> Self;
}

impl FromBytes<4> for IpAddr {
    fn from_bytes(bytes: [u8; 4]) -> Self {
        Self::V4(Ipv4Addr::from(bytes))
    }
}

impl FromBytes<16> for IpAddr {
    fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::V6(Ipv6Addr::from(bytes))
    }
}

/// A path in a field of fixed length: up to the first NUL.
fn path(field: &[u8]) -> Address {
    let bytes = field.split(|byte| *byte == 0).next().unwrap_or_default();
    Address::Unix(OsStr::from_bytes(bytes).into())
}

/// Checks that the TLVs fill their room exactly, also within the one about TLS, and that the checksum, if there is one,
/// is right.
fn check(header: &[u8], mut tlvs: &[u8]) -> Result<(), HeaderError> {
    let mut checked = false;
    while let Some((kind, value, rest)) = next(tlvs)? {
        match kind {
            kind::CRC32C => {
                if checked {
                    return Err(HeaderError::Invalid("checksum appears twice"));
                }
                checked = true;
                let Ok(sum) = value.try_into() else {
                    return Err(HeaderError::Invalid("checksum is not four bytes long"));
                };
                // Section 2.2.3: the sum is over the whole header, with zeros in place of the sum itself.
                let at = header.len() - rest.len() - 4;
                let mut digest = CRC32C.digest();
                digest.update(&header[..at]);
                digest.update(&[0; 4]);
                digest.update(&header[at + 4..]);
                if digest.finalize() != u32::from_be_bytes(sum) {
                    return Err(HeaderError::Invalid("checksum is wrong"));
                }
            }
            kind::SSL => {
                // One byte of flags and four of the verification result come before the inner TLVs (section 2.2.6).
                let Some(mut inner) = value.get(5..) else { return Err(HeaderError::Invalid("TLV is cut short")) };
                while let Some((_, _, rest)) = next(inner)? {
                    inner = rest;
                }
            }
            kind::UNIQUE_ID if value.len() > 128 => return Err(HeaderError::Invalid("unique id is over 128 bytes")),
            _ => {}
        }
        tlvs = rest;
    }
    Ok(())
}

type Tlv<'a> = (u8, &'a [u8], &'a [u8]);

/// The first TLV: its kind, its value and the bytes after it.
fn next(tlvs: &[u8]) -> Result<Option<Tlv<'_>>, HeaderError> {
    let (kind, high, low, rest) = match tlvs {
        [] => return Ok(None),
        [kind, high, low, rest @ ..] => (*kind, *high, *low, rest),
        _ => return Err(HeaderError::Invalid("TLV is cut short")),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    match rest.split_at_checked(length) {
        Some((value, rest)) => Ok(Some((kind, value, rest))),
        None => Err(HeaderError::Invalid("TLV goes past the end")),
    }
}

/// Enough for all TLVs that are in use, a client certificate included. A header that announces more is refused
/// immediately.
const MAX_BYTES: usize = 8192;
