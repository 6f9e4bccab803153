//! Numbers and strings of bytes in a message. Must not know: which messages there are.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::net::address::Address;

/// Writes a message. All numbers are little-endian; a string has its length in front, in four bytes. What was written is
/// wiped from memory when it is dropped, since a program's output can be a secret.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(super) fn new(kind: u8) -> Self {
        // Large enough for what programs print in most cases: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        bytes.push(kind);
        Self(bytes)
    }

    pub(super) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn string(&mut self, bytes: &[u8]) {
        // A string that does not fit makes the message too long, which is an error when it is sent.
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &OsStr) {
        self.string(text.as_bytes());
    }

    pub(super) fn address(&mut self, address: &Address) {
        match address {
            Address::Tcp(SocketAddr::V4(address)) => {
                self.byte(4);
                self.0.extend_from_slice(&address.ip().octets());
                self.u32(address.port().into());
            }
            Address::Tcp(SocketAddr::V6(address)) => {
                self.byte(6);
                self.0.extend_from_slice(&address.ip().octets());
                self.u32(address.port().into());
                self.u32(address.flowinfo());
                self.u32(address.scope_id());
            }
            Address::Unix(path) => {
                self.byte(1);
                self.text(path.as_os_str());
            }
        }
    }

    pub(super) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads a message. `None` where it is too short, or where a value cannot be what it should be.
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }

    /// A text for a system call: without a NUL, which would end it there.
    pub(super) fn text(&mut self) -> Option<OsString> {
        let bytes = self.string()?;
        (!bytes.contains(&0)).then(|| OsString::from_vec(bytes.to_vec()))
    }

    /// A path that the kernel can take.
    pub(super) fn path(&mut self) -> Option<PathBuf> {
        let text = self.text()?;
        (1..LONGEST_PATH).contains(&text.len()).then(|| Path::new(&text).to_owned())
    }

    pub(super) fn address(&mut self) -> Option<Address> {
        Some(match self.byte()? {
            4 => {
                let (ip, port) = (Ipv4Addr::from(self.array::<4>()?), self.port()?);
                Address::Tcp(SocketAddrV4::new(ip, port).into())
            }
            6 => {
                let (ip, port) = (Ipv6Addr::from(self.array::<16>()?), self.port()?);
                Address::Tcp(SocketAddrV6::new(ip, port, self.u32()?, self.u32()?).into())
            }
            1 => Address::Unix(self.path()?),
            _ => return None,
        })
    }

    /// Whether all of it was read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn port(&mut self) -> Option<u16> {
        u16::try_from(self.u32()?).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }
}

/// In bytes. A message that is longer is not sent, and not received.
pub const LONGEST: usize = 32 * 1024;

/// PATH_MAX, with the NUL at the end (limits.h).
const LONGEST_PATH: usize = 4096;
