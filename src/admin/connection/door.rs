//! Where the admin server listens → a socket that accepts. Must not know: HTTP.

use std::io::Result;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::values::Mode;
use crate::monitor::{self, Monitor};
use crate::net::address::Address;
use crate::net::listen::{Handed, Listening};

/// Where the admin server listens.
#[derive(Debug)]
pub(in crate::admin) enum Door {
    /// The address as bound, with the real port where port 0 is configured.
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Binds a socket, or uses one that another process has bound. Returns it with its real address.
pub(in crate::admin) fn bind(
    address: &Address,
    mode: Mode,
    inherited: Option<Handed>,
    monitor: Option<&Monitor>,
) -> Result<(Listening, Door)> {
    let socket = match inherited {
        Some(socket) => monitor::inherited(monitor, socket, address, mode.0)?,
        None => monitor::bind(monitor, address, mode.0)?,
    };
    let door = match socket.address()? {
        Address::Tcp(address) => Door::Tcp(address),
        Address::Unix(path) => Door::Unix(path),
    };
    Ok((socket, door))
}

impl Door {
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
