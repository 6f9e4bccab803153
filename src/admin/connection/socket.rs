//! Where the admin server listens → a socket that accepts. Must not know: HTTP.

use std::io::Result;

use crate::admin::request::guard::Door;
use crate::config::values::Mode;
use crate::net::address::Address;
use crate::net::listen::{Handed, Listening};

/// Binds, or goes on with a socket that another process has bound, and tells what the socket became.
pub(in crate::admin) fn bind(address: &Address, mode: Mode, inherited: Option<Handed>) -> Result<(Listening, Door)> {
    let socket = match inherited {
        Some(socket) => Listening::inherited(socket, address, mode.0)?,
        None => Listening::bind(address, mode.0)?,
    };
    let door = match socket.address()? {
        Address::Tcp(address) => Door::Tcp(address),
        Address::Unix(path) => Door::Unix(path),
    };
    Ok((socket, door))
}
