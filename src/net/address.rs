//! The address of a socket: an IP address and port, or a path. Must not know: what listens there.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// An address of either kind. The path is empty for a peer whose Unix socket has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// Reads `192.0.2.1:636`, `[2001:db8::1]:636` or `unix:/run/x.sock`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            // A NUL would end the path for the kernel, and at the beginning make it an abstract name (unix(7)).
            Some(path) => (!path.is_empty() && !path.contains('\0')).then(|| Self::Unix(path.into())),
            None => text.parse().ok().map(Self::Tcp),
        }
    }

    /// The IP address, in its IPv4 form if it has one. `None` for a path.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    /// The port. `None` for a path.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }

    /// The length in bytes of a path that is longer than the kernel accepts.
    pub fn excess(&self) -> Option<usize> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path.as_os_str().len()).filter(|length| *length > LONGEST_PATH),
        }
    }

    /// The address without the port, for logs that show the port on its own.
    pub fn host(&self) -> String {
        self.ip().map_or_else(|| self.to_string(), |ip| ip.to_string())
    }
}

/// The same address, as IPv4 if it is one that a socket for both families shows as IPv6 (RFC 4291 section 2.5.5.2).
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // Kept whole: a link-local address has a scope.
        IpAddr::V6(_) => address,
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => {
                f.write_str("unix:")?;
                // A peer chooses its own path. Line breaks in it must not forge lines in a log.
                path.to_string_lossy().chars().try_for_each(|c| match c.is_control() {
                    true => write!(f, "{}", c.escape_default()),
                    false => f.write_char(c),
                })
            }
        }
    }
}

/// The longest path of a Unix socket in bytes: 108 with the NUL after it (unix(7)).
pub const LONGEST_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_shown_as_it_is_written() {
        for text in ["192.0.2.1:636", "[2001:db8::1]:636", "unix:/run/x.sock", "unix:x"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "unix:", "unix:a\0b", "192.0.2.1", "host:1", "/run/x.sock"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
        assert_eq!(Address::Unix("/a\nb".into()).to_string(), "unix:/a\\nb");
        assert_eq!(Address::parse("[::ffff:192.0.2.1]:1").unwrap().host(), "192.0.2.1");
    }
}
