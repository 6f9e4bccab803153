//! From which address servers are connected to, as it is configured. Must not know: how a connection is made.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The address from which servers are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// The client's own.
    Client,
    /// One of this machine's.
    Address(IpAddr),
}

impl Outgoing {
    /// The one that all connections have, those of health checks too.
    pub fn fixed(self) -> Option<IpAddr> {
        match self {
            Self::Client => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl fmt::Display for Outgoing {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str(CLIENT),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for Outgoing {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == CLIENT {
            return Ok(Self::Client);
        }
        let address = text.parse::<IpAddr>().map_err(drop)?.to_canonical();
        let is_usable = !address.is_unspecified() && !address.is_multicast();
        is_usable.then_some(Self::Address(address)).ok_or(())
    }
}

const CLIENT: &str = "client";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_clients_or_an_address_that_a_machine_can_have() {
        let read = |text: &str| text.parse::<Outgoing>().ok().map(|outgoing| outgoing.to_string());
        for text in ["client", "192.0.2.7", "2001:db8::7", "127.0.0.1"] {
            assert_eq!(read(text).as_deref(), Some(text));
        }
        assert_eq!(read("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"));
        for text in ["", "Client", "0.0.0.0", "::", "224.0.0.1", "192.0.2.7:80", "host.test"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
