//! Where a listening socket comes from: an address to bind, or the name under which the service manager passes sockets.
//! Must not know: which sockets were passed, what listens.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::net::address::Address;

/// What a key such as `listen` names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// This process binds the address.
    Bound(Address),
    /// The service manager has bound the sockets of this name (`FileDescriptorName=` in systemd.socket(5)), and passes all
    /// of them when it starts this process.
    Activated(Arc<str>),
}

impl Endpoint {
    /// Reads an address (see [`Address::parse`]) or `systemd:NAME`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(PREFIX) {
            Some(name) => is_name(name).then(|| Self::Activated(name.into())),
            None => Address::parse(text).map(Self::Bound),
        }
    }

    /// The address to bind. `None` for sockets that are passed: where they listen is not known before.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Bound(address) => Some(address),
            Self::Activated(_) => None,
        }
    }

    /// The name of the sockets that are passed.
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Bound(_) => None,
            Self::Activated(name) => Some(name),
        }
    }

    /// Whether the kernel chooses the port, so that the same text can name several sockets.
    pub fn is_any_port(&self) -> bool {
        self.address().and_then(Address::port) == Some(0)
    }
}

impl From<Address> for Endpoint {
    fn from(address: Address) -> Self {
        Self::Bound(address)
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Bound(address.into())
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bound(address) => address.fmt(f),
            Self::Activated(name) => write!(f, "{PREFIX}{name}"),
        }
    }
}

/// The names that systemd accepts: 1 to 255 printable ASCII characters without a colon (systemd.socket(5)).
fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b':')
}

const PREFIX: &str = "systemd:";
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_shown_as_it_is_written() {
        for text in ["192.0.2.1:636", "[2001:db8::1]:636", "unix:/run/x.sock", "systemd:ldaps", "systemd:a b.socket"] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        let long = format!("systemd:{}", "n".repeat(256));
        for text in ["", "systemd:", "systemd", "systemd:a:b", "systemd:a\n", "systemd:ä", &long] {
            assert_eq!(Endpoint::parse(text), None, "{text}");
        }
        assert!(Endpoint::parse(&long[..long.len() - 1]).is_some());
    }

    #[test]
    fn only_an_address_has_a_port_that_may_be_any() {
        let any = |text| Endpoint::parse(text).unwrap().is_any_port();
        assert_eq!([any("[::]:0"), any("[::]:1"), any("unix:0"), any("systemd:0")], [true, false, false, false]);
    }
}
