//! Facts → a header of either version. Must not know: where the facts come from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::layout::{self, CRC32C, kind};
use crate::net::address::Address;
use crate::words::words;

/// Which header is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    #[default]
    Off,
    V1,
    V2,
}

words! { Version { Off => "off", V1 => "v1", V2 => "v2" } }

/// What a header reports about a connection. Version 1 has room for the addresses only.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub source: &'a Address,
    pub destination: &'a Address,
    pub server_name: Option<&'a str>,
    pub alpn: Option<&'a [u8]>,
    pub unique_id: &'a str,
    /// The TLS session, if TLS was terminated.
    pub session: Option<Session<'a>>,
}

/// What a header reports about the TLS session, with OpenSSL's names, as HAProxy does.
#[derive(Debug, Clone)]
pub struct Session<'a> {
    /// `TLSv1.3`
    pub version: &'a str,
    /// `ECDHE-RSA-AES128-GCM-SHA256`
    pub cipher: &'a str,
    /// How the served certificate is signed: `RSA-SHA256`.
    pub signature: Option<&'a str>,
    /// The served certificate's key: `RSA2048`, `EC256`.
    pub key: &'a str,
    /// The client's certificate, if it presented one.
    pub client: Option<Certificate<'a>>,
}

/// A client's certificate. It was verified: otherwise there would be no connection.
#[derive(Debug, Clone)]
pub struct Certificate<'a> {
    pub common_name: Option<&'a str>,
    /// True if it was presented on this connection, false if on the one that this one resumes.
    pub on_this_connection: bool,
}

impl Facts<'_> {
    /// The header; empty for [`Version::Off`].
    pub fn header(&self, version: Version) -> Vec<u8> {
        match version {
            Version::Off => Vec::new(),
            Version::V1 => self.line(),
            Version::V2 => self.binary(),
        }
    }

    fn line(&self) -> Vec<u8> {
        match Pair::of(self.source, self.destination) {
            Pair::V4(source, destination) => line("TCP4", source, destination),
            Pair::V6(source, destination) => line("TCP6", source, destination),
            // Version 1 has no form for Unix addresses.
            Pair::Unix(..) => b"PROXY UNKNOWN\r\n".to_vec(),
        }
    }

    fn binary(&self) -> Vec<u8> {
        let mut block = Vec::new();
        let family = match Pair::of(self.source, self.destination) {
            Pair::V4(source, destination) | Pair::V6(source, destination) => {
                for ip in [source.ip(), destination.ip()] {
                    match ip {
                        IpAddr::V4(ip) => block.extend_from_slice(&ip.octets()),
                        IpAddr::V6(ip) => block.extend_from_slice(&ip.octets()),
                    }
                }
                block.extend_from_slice(&source.port().to_be_bytes());
                block.extend_from_slice(&destination.port().to_be_bytes());
                if source.is_ipv4() { layout::TCP4 } else { layout::TCP6 }
            }
            Pair::Unix(source, destination) => {
                for path in [source, destination] {
                    let mut field = [0; 108];
                    let bytes = path.as_os_str().as_bytes();
                    let length = bytes.len().min(field.len());
                    field[..length].copy_from_slice(&bytes[..length]);
                    block.extend_from_slice(&field);
                }
                layout::UNIX
            }
        };
        let mut tlvs = Vec::new();
        if let Some(alpn) = self.alpn {
            put(&mut tlvs, kind::ALPN, alpn);
        }
        if let Some(name) = self.server_name {
            put(&mut tlvs, kind::AUTHORITY, name.as_bytes());
        }
        put(&mut tlvs, kind::UNIQUE_ID, self.unique_id.as_bytes());
        if let Some(session) = &self.session {
            put(&mut tlvs, kind::SSL, &session.value());
        }
        finished(layout::PROXY, family, &block, tlvs)
    }
}

/// What a proxy sends on its own connections, such as health checks, which do not come from a client.
pub fn local(version: Version) -> Vec<u8> {
    match version {
        Version::Off => Vec::new(),
        Version::V1 => b"PROXY UNKNOWN\r\n".to_vec(),
        Version::V2 => finished(layout::LOCAL, layout::UNSPEC, &[], Vec::new()),
    }
}

impl Session<'_> {
    fn value(&self) -> Vec<u8> {
        let (flags, verified) = match &self.client {
            None => (CLIENT_SSL, false),
            Some(client) if client.on_this_connection => {
                (CLIENT_SSL | CERTIFICATE_CONNECTION | CERTIFICATE_SESSION, true)
            }
            Some(_) => (CLIENT_SSL | CERTIFICATE_SESSION, true),
        };
        // Zero means that a certificate was presented and verified (section 2.2.6).
        let mut value = [&[flags][..], &u32::from(!verified).to_be_bytes()].concat();
        put(&mut value, kind::SSL_VERSION, self.version.as_bytes());
        if let Some(name) = self.client.as_ref().and_then(|client| client.common_name) {
            put(&mut value, kind::SSL_CN, name.as_bytes());
        }
        put(&mut value, kind::SSL_CIPHER, self.cipher.as_bytes());
        if let Some(signature) = self.signature {
            put(&mut value, kind::SSL_SIG_ALG, signature.as_bytes());
        }
        put(&mut value, kind::SSL_KEY_ALG, self.key.as_bytes());
        value
    }
}

/// Both addresses in one family.
enum Pair<'a> {
    V4(SocketAddr, SocketAddr),
    V6(SocketAddr, SocketAddr),
    Unix(&'a Path, &'a Path),
}

impl<'a> Pair<'a> {
    fn of(source: &'a Address, destination: &'a Address) -> Self {
        match (source, destination) {
            (Address::Tcp(source), Address::Tcp(destination)) => {
                let canonical = |address: &SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
                let (source, destination) = (canonical(source), canonical(destination));
                match source.is_ipv4() && destination.is_ipv4() {
                    true => Self::V4(source, destination),
                    false => Self::V6(mapped(source), mapped(destination)),
                }
            }
            (Address::Unix(source), Address::Unix(destination)) => Self::Unix(source, destination),
            // The two differ if the client or the proxy in front came over a Unix socket and the other one did not.
            (Address::Tcp(source), Address::Unix(_)) => Self::alone(*source),
            (Address::Unix(source), Address::Tcp(_)) => Self::Unix(source, Path::new("")),
        }
    }

    /// The client's address matters more; the destination, which has no address of that family, is all zeros.
    fn alone(source: SocketAddr) -> Self {
        match SocketAddr::new(source.ip().to_canonical(), source.port()) {
            source @ SocketAddr::V4(_) => Self::V4(source, ([0, 0, 0, 0], 0).into()),
            source @ SocketAddr::V6(_) => Self::V6(source, (Ipv6Addr::UNSPECIFIED, 0).into()),
        }
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn line(family: &str, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (from, to) = (source.port(), destination.port());
    format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip()).into_bytes()
}

/// Adds one TLV. A value that is too long is left out, as if it were not known.
fn put(tlvs: &mut Vec<u8>, kind: u8, value: &[u8]) {
    if value.len() <= LONGEST_VALUE {
        // It always fits, after the comparison above.
        let length = u16::try_from(value.len()).unwrap_or_default();
        tlvs.push(kind);
        tlvs.extend_from_slice(&length.to_be_bytes());
        tlvs.extend_from_slice(value);
    }
}

/// The complete header. The checksum comes before all other TLVs, so that a damaged length of another TLV cannot hide
/// it.
fn finished(command: u8, family: u8, block: &[u8], tlvs: Vec<u8>) -> Vec<u8> {
    let mut checked = Vec::new();
    put(&mut checked, kind::CRC32C, &[0; 4]);
    // Seven values of at most LONGEST_VALUE bytes are far below the limit of a u16.
    let length = u16::try_from(block.len() + checked.len() + tlvs.len()).unwrap_or(u16::MAX);
    let mut header = [layout::SIGNATURE, &[command, family], &length.to_be_bytes(), block, &checked].concat();
    let end = header.len();
    header.extend_from_slice(&tlvs);
    let checksum = CRC32C.checksum(&header).to_be_bytes();
    header[end - checksum.len()..end].copy_from_slice(&checksum);
    header
}

// Flags of the TLV about TLS (section 2.2.6): PP2_CLIENT_SSL, PP2_CLIENT_CERT_CONN and PP2_CLIENT_CERT_SESS.
const CLIENT_SSL: u8 = 0x01;
const CERTIFICATE_CONNECTION: u8 = 0x02;
const CERTIFICATE_SESSION: u8 = 0x04;

/// A server name or a protocol name has at most 255 bytes; the TLV about TLS contains a few names.
const LONGEST_VALUE: usize = 1024;
