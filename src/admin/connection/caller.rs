//! The other end of a connection: which connections count as one peer, how the log names it, and what TLS has shown of it.
//! Must not know: what is requested.

use std::net::IpAddr;
use std::sync::Arc;

use rustix::net::sockopt::socket_peercred;

use crate::admin::connection::door::Door;
use crate::limit::client::Client;
use crate::net::address::Address;
use crate::net::stream::Stream;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::name::Name;

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
    /// Where it came in.
    pub(in crate::admin) door: Arc<Door>,
    shown: String,
    /// After a handshake.
    pub(in crate::admin) secured: Option<Secured>,
}

/// What a handshake has shown.
#[derive(Debug)]
pub(in crate::admin) struct Secured {
    /// The certificate that was served to the client.
    pub(in crate::admin) served: Arc<Certificate>,
    /// The one that the client has presented.
    pub(in crate::admin) presented: Option<Presented>,
}

/// A client's certificate, which was verified.
#[derive(Debug)]
pub(in crate::admin) struct Presented {
    pub(in crate::admin) subject: String,
    /// As `openssl x509 -serial` prints it.
    pub(in crate::admin) serial: String,
    /// The fingerprint of the requirements by which it was judged.
    pub(in crate::admin) judged_by: [u8; 32],
}

impl Caller {
    /// The peer of a connection from `address` at that door. Over a Unix socket it is a process of a user.
    pub(in crate::admin) fn new(stream: &Stream, address: &Address, door: Arc<Door>) -> Self {
        let (peer, shown) = match (address, socket_peercred(stream)) {
            (Address::Tcp(address), _) => (Peer::Client(address.ip().into()), address.to_string()),
            (Address::Unix(_), Ok(user)) => {
                let (uid, pid) = (user.uid.as_raw(), user.pid.as_raw_nonzero());
                (Peer::User(uid), format!("uid {uid}, pid {pid}"))
            }
            // Where the kernel does not know the peer, it counts as the user with the least rights.
            (Address::Unix(_), Err(_)) => (Peer::User(NOBODY), "unknown".into()),
        };
        Self { peer, door, shown, secured: None }
    }

    /// The certificate that it has presented.
    pub(in crate::admin) fn presented(&self) -> Option<&Presented> {
        self.secured.as_ref()?.presented.as_ref()
    }
}

impl Secured {
    /// Whether the certificate that was served has this name, in lower case, or this address. A wildcard does not count: the
    /// hosts below it may belong to others.
    pub(in crate::admin) fn is_named(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => self.served.addresses.contains(&address),
            Err(_) => self.served.names.iter().any(|name| matches!(name, Name::Exact(name) if **name == *host)),
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
