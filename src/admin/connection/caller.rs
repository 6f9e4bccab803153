//! The other end of a connection: which connections count as one peer, and how the log names it. Must not know: what is
//! requested.

use rustix::net::sockopt::socket_peercred;

use crate::limit::client::Client;
use crate::net::address::Address;
use crate::net::stream::Stream;

/// Connections with the same value count as one peer: a client's address or network, or the user at the other end of a Unix
/// socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::admin) enum Peer {
    Client(Client),
    User(u32),
}

/// The peer of a connection, and its name in the log.
#[derive(Debug)]
pub(in crate::admin) struct Caller {
    pub(in crate::admin) peer: Peer,
    shown: String,
}

impl Caller {
    /// The peer of a connection from `address`. Over a Unix socket it is a process of a user.
    pub(in crate::admin) fn new(stream: &Stream, address: &Address) -> Self {
        match (address, socket_peercred(stream)) {
            (Address::Tcp(address), _) => Self { peer: Peer::Client(address.ip().into()), shown: address.to_string() },
            (Address::Unix(_), Ok(user)) => {
                let (uid, pid) = (user.uid.as_raw(), user.pid.as_raw_nonzero());
                Self { peer: Peer::User(uid), shown: format!("uid {uid}, pid {pid}") }
            }
            // Where the kernel does not know the peer, it counts as the user with the least rights.
            (Address::Unix(_), Err(_)) => Self { peer: Peer::User(NOBODY), shown: "unknown".into() },
        }
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The user that the kernel shows for one that it cannot name.
const NOBODY: u32 = 65534;
