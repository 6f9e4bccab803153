//! Version 1: one line of text (section 2.1).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::header::{Header, HeaderError};
use crate::net::address::Address;

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let seen = &bytes[..bytes.len().min(MAX_BYTES)];
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        // A carriage return may still have its line feed to come.
        let text = seen.strip_suffix(b"\r").unwrap_or(seen);
        return match text.iter().all(is_printable) {
            false => Err(HeaderError::Invalid("text has bytes that are not printable ASCII")),
            true if seen.len() == MAX_BYTES => Err(HeaderError::TooLarge(MAX_BYTES)),
            true => Ok(None),
        };
    };
    let line = &bytes[..end];
    let text = match std::str::from_utf8(line) {
        Ok(text) if line.iter().all(is_printable) => text,
        _ => return Err(HeaderError::Invalid("text has bytes that are not printable ASCII")),
    };
    let addresses = match text.split(' ').collect::<Vec<_>>()[..] {
        // Section 2.1: the receiver must ignore anything after "UNKNOWN".
        [_, "UNKNOWN", ..] => None,
        [_, "TCP4", source, destination, from, to] => {
            Some(addresses::<std::net::Ipv4Addr>([source, destination], [from, to])?)
        }
        [_, "TCP6", source, destination, from, to] => {
            Some(addresses::<std::net::Ipv6Addr>([source, destination], [from, to])?)
        }
        _ => {
            return Err(HeaderError::Invalid(
                "text is not \"UNKNOWN\", nor \"TCP4\" or \"TCP6\" with two addresses and two ports",
            ));
        }
    };
    Ok(Some(Header { addresses, length: end + 2 }))
}

fn addresses<T: FromStr + Into<IpAddr>>(hosts: [&str; 2], ports: [&str; 2]) -> Result<(Address, Address), HeaderError> {
    let address = |host: &str, port: &str| {
        let host: T = host.parse().map_err(|_| HeaderError::Invalid("address does not belong to the family"))?;
        let port = decimal(port).ok_or(HeaderError::Invalid("port is not a number up to 65535"))?;
        Ok(Address::Tcp(SocketAddr::new(host.into(), port)))
    };
    Ok((address(hosts[0], ports[0])?, address(hosts[1], ports[1])?))
}

/// Only digits, and no leading zero, as section 2.1 requires; `parse` alone would accept "+1" and "01".
fn decimal(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn is_printable(byte: &u8) -> bool {
    (b' '..=b'~').contains(byte)
}

/// The longest possible line, with its CRLF (section 2.1).
const MAX_BYTES: usize = 107;
