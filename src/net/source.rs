//! The address that a connection is made from, where the kernel does not choose it. Must not know: what the connection is for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use rustix::io::Errno;
use socket2::SockRef;
use thiserror::Error;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One of this machine's addresses.
    Own(IpAddr),
    /// Another machine's: the answers must find the way back to this one.
    Foreign(IpAddr),
}

/// Why no connection can come from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SourceError {
    #[error("the server is reached over {}, and the source {from} is an {} address", family(*.to), family(*.from))]
    Family { from: IpAddr, to: IpAddr },
    #[error("this process has not the right to connect from {0} (expected the capability CAP_NET_RAW)")]
    Right(IpAddr),
    #[error("the source {0} is no address of this machine")]
    NotOwn(IpAddr),
    #[error("nothing can be sent from the source {from} to {to}: a loopback address is for this machine only")]
    Loopback { from: IpAddr, to: IpAddr },
    #[error("no connection can come from {0}, which is nobody's address")]
    Nobody(IpAddr),
    #[error("no connection can come from {from}: {}", io::Error::from_raw_os_error(*code))]
    Other { from: IpAddr, code: i32 },
}

impl Source {
    fn address(self) -> IpAddr {
        match self {
            Self::Own(address) | Self::Foreign(address) => address,
        }
    }

    /// Binds a socket that is about to connect to `server`. The kernel chooses the port when it connects: so one that is in use
    /// for another server can be used again.
    pub fn bind(self, socket: SockRef<'_>, server: IpAddr) -> io::Result<()> {
        let from = self.address().to_canonical();
        if from.is_ipv4() != server.is_ipv4() {
            return Err(failed(SourceError::Family { from, to: server }));
        }
        // A proxy in front may have named it. With the first, the kernel would choose the address.
        if from.is_unspecified() || from.is_multicast() || from == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(failed(SourceError::Nobody(from)));
        }
        if from.is_loopback() && !server.is_loopback() {
            return Err(failed(SourceError::Loopback { from, to: server }));
        }
        if let Self::Foreign(_) = self {
            let set =
                if from.is_ipv4() { socket.set_ip_transparent_v4(true) } else { socket.set_ip_transparent_v6(true) };
            set.map_err(|error| failed(SourceError::of(&error, from)))?;
        }
        // Without it, every connection would need a port of its own, whichever server it is for.
        let unbound = setsockopt(&*socket, IpBindAddressNoPort, &true).map_err(io::Error::from);
        let bound = unbound.and_then(|()| socket.bind(&SocketAddr::new(from, 0).into()));
        bound.map_err(|error| failed(SourceError::of(&error, from)))
    }
}

fn failed(error: SourceError) -> io::Error {
    io::Error::other(error)
}

impl SourceError {
    fn of(error: &io::Error, from: IpAddr) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::PERM | Errno::ACCESS) => Self::Right(from),
            Some(Errno::ADDRNOTAVAIL) => Self::NotOwn(from),
            _ => Self::Other { from, code: error.raw_os_error().unwrap_or_default() },
        }
    }

    /// The one that is the reason for an error of connecting.
    pub fn within(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    fn bound(source: Source, server: &str) -> Result<Socket, String> {
        let server: IpAddr = server.parse().unwrap();
        let domain = if server.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::STREAM, None).unwrap();
        let bound = source.bind(SockRef::from(&socket), server);
        bound.map(|()| socket).map_err(|error| {
            assert!(SourceError::within(&error).is_some(), "{error}");
            error.to_string()
        })
    }

    #[test]
    fn what_cannot_be_is_an_error_with_the_reason() {
        let own = |address: &str| Source::Own(address.parse().unwrap());
        assert_eq!(
            bound(own("127.0.0.1"), "::1").unwrap_err(),
            "the server is reached over IPv6, and the source 127.0.0.1 is an IPv4 address"
        );
        assert_eq!(
            bound(own("192.0.2.77"), "192.0.2.1").unwrap_err(),
            "the source 192.0.2.77 is no address of this machine"
        );
        assert_eq!(
            bound(own("127.0.0.1"), "192.0.2.1").unwrap_err(),
            "nothing can be sent from the source 127.0.0.1 to 192.0.2.1: a loopback address is for this machine only"
        );
        for nobody in ["0.0.0.0", "::ffff:0.0.0.0", "224.0.0.1", "255.255.255.255"] {
            let error = bound(Source::Foreign(nobody.parse().unwrap()), "192.0.2.1").unwrap_err();
            assert!(error.contains("nobody's address"), "{nobody}: {error}");
        }
        assert!(bound(own("fe80::1"), "2001:db8::1").unwrap_err().starts_with("no connection can come from fe80::1: "));
        let mapped = own("::ffff:127.0.0.5");
        let socket = bound(mapped, "127.0.0.1").unwrap();
        let here = socket.local_addr().unwrap().as_socket().unwrap();
        assert_eq!((here.ip(), here.port()), ("127.0.0.5".parse().unwrap(), 0), "its port is chosen later");
    }
}
