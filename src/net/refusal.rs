//! Why an address cannot be listened on → what was expected, and what the operator can do. Must not know: what listens.

use std::fs;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use rustix::io::Errno;

use crate::net::address::Address;

/// The same error, with advice.
pub(super) fn explained(error: Error, address: &Address) -> Error {
    let Some(advice) = advice(&error, address, first_free_port()) else { return error };
    Error::new(error.kind(), format!("{}; {advice}", plain(&error)))
}

/// `free` is the first port that every user may listen on.
fn advice(error: &Error, address: &Address, free: u16) -> Option<String> {
    let address = match address {
        Address::Tcp(address) => address,
        Address::Unix(_) => {
            let missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied);
            return missing.then(|| "expected an existing folder in which this user may create files".into());
        }
    };
    Some(match Errno::from_io_error(error)? {
        Errno::ACCESS | Errno::PERM if address.port() < free => format!(
            "ports below {free} (sysctl net.ipv4.ip_unprivileged_port_start) need the capability CAP_NET_BIND_SERVICE: \
             AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or \"setcap cap_net_bind_service=+ep\" on the \
             program; or set that sysctl to {} or less, or listen on another port",
            address.port()
        ),
        // The kernel itself has no reason to refuse such a port.
        Errno::ACCESS | Errno::PERM => {
            format!(
                "every user may listen on ports from {free} up, so a security module (SELinux, AppArmor) forbids it"
            )
        }
        Errno::ADDRINUSE => {
            format!(
                "another socket listens there already, expected a free port (\"ss -ltnp sport = :{}\" shows whose it is)",
                address.port()
            )
        }
        Errno::ADDRNOTAVAIL => format!(
            "no interface of this machine has that address, expected one of its own, or {} for all (for one that is added later, \
             set sysctl net.{}.ip_nonlocal_bind to 1)",
            everywhere(address),
            if address.is_ipv4() { "ipv4" } else { "ipv6" }
        ),
        Errno::AFNOSUPPORT if address.is_ipv6() => "this machine has no IPv6, expected an IPv4 address".into(),
        _ => return None,
    })
}

/// The system's message, without the error number.
fn plain(error: &Error) -> String {
    // The standard library appends " (os error 98)", which would separate the message from the advice.
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn everywhere(address: &SocketAddr) -> &'static str {
    if address.is_ipv4() { "0.0.0.0" } else { "[::]" }
}

fn first_free_port() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    text.trim().parse().unwrap_or(USUAL)
}

/// Used if the kernel does not report it.
const USUAL: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_what_was_expected() {
        let rows = [
            (Errno::ACCESS, "0.0.0.0:636", "CAP_NET_BIND_SERVICE"),
            (Errno::ACCESS, "[::]:636", "sysctl to 636 or less"),
            (Errno::ACCESS, "0.0.0.0:6360", "SELinux"),
            (Errno::ADDRINUSE, "0.0.0.0:636", "sport = :636"),
            (Errno::ADDRNOTAVAIL, "192.0.2.1:636", "0.0.0.0 for all"),
            (Errno::ADDRNOTAVAIL, "[2001:db8::1]:636", "net.ipv6.ip_nonlocal_bind"),
            (Errno::AFNOSUPPORT, "[::1]:636", "no IPv6"),
            (Errno::ACCESS, "unix:/run/x.sock", "may create files"),
            (Errno::NOENT, "unix:/run/x.sock", "an existing folder"),
        ];
        for (errno, address, expected) in rows {
            let address = Address::parse(address).unwrap();
            let advice = advice(&errno.into(), &address, 1024).unwrap();
            assert!(advice.contains(expected) && !advice.contains('\n'), "{advice}");
        }
        let other = explained(Errno::NOBUFS.into(), &Address::parse("0.0.0.0:1").unwrap());
        assert_eq!(Errno::from_io_error(&other), Some(Errno::NOBUFS), "what is not known is left as it is");
    }
}
