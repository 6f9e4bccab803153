//! Where a socket of the admin server listens. Must not know: HTTP.

use std::io::Result;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::net::address::{Address, canonical};
use crate::net::listen::Listening;

/// Where a socket of the admin server listens.
#[derive(Debug)]
pub(in crate::admin) enum Door {
    /// The address as bound, with the real port where port 0 is configured.
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Door {
    /// The real address of a socket.
    pub(in crate::admin) fn of(socket: &Listening) -> Result<Self> {
        Ok(match socket.address()? {
            Address::Tcp(address) => Self::Tcp(canonical(address)),
            Address::Unix(path) => Self::Unix(path),
        })
    }

    /// Whether a file's permissions decide who may connect. An abstract socket (unix(7)), shown as `@name`, has none.
    pub(in crate::admin) fn has_permissions(&self) -> bool {
        matches!(self, Self::Unix(path) if !path.as_os_str().as_encoded_bytes().starts_with(b"@"))
    }

    /// Whether it is not only on the loopback interface.
    pub(in crate::admin) fn is_open_to_others(&self) -> bool {
        matches!(self, Self::Tcp(address) if !address.ip().is_loopback())
    }
}

impl std::fmt::Display for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
