//! Why a connection could not be made: an error of the system or of TLS → its kind and reason. Must not know: to which
//! server.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

use crate::net::source::SourceError;
use crate::tls::handshake::connect::ConnectError;

/// The kind of failure, for labels and decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    Refused,
    Timeout,
    Unreachable,
    /// This machine has no port, descriptor or memory left, it was stopped, or has no key for its own certificate. It is not the
    /// server's fault.
    Local,
    /// No connection can come from the address that it should come from. Nor is that.
    Source,
    Other,
    /// The server did not greet, or did not welcome the client.
    Greeting,
    /// The server did not grant TLS when it was asked for it.
    Starttls,
    /// The server's certificate is not from a trusted CA, or is not accepted for another reason.
    TlsUntrusted,
    /// The server's certificate has another name.
    TlsName,
    /// The server's certificate has expired, or is not valid yet.
    TlsExpired,
    /// The server's chain contains no pinned key.
    TlsPin,
    /// The server refused the handshake with an alert.
    TlsAlert,
    /// The server closed the connection during the handshake.
    TlsClosed,
    /// The server does not support the client's application protocol.
    TlsAlpn,
    /// The handshake failed for any other reason.
    TlsFailed,
}

/// Whose fault a failure is, as far as it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server's: it is passed over for a time, and another one is tried.
    Server,
    /// It can depend on the client, or on this machine: another server is tried, and this one is not passed over. A client
    /// could otherwise take it from all others.
    Unclear,
    /// The server knows who the client is, and has refused it: no other one is tried.
    Client,
}

/// What of a connection to a server depends on the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exposure {
    /// The server knows the client's address by now.
    pub(super) is_known: bool,
    /// The connection comes from the client's address.
    pub(super) comes_from_it: bool,
    /// What is offered over TLS is what the client has.
    pub(super) offers_what_it_has: bool,
}

impl FailureKind {
    /// Whose fault it is.
    pub(super) fn fault(self, exposure: Exposure) -> Fault {
        let Exposure { is_known, comes_from_it, offers_what_it_has } = exposure;
        let can_be_the_clients = match self {
            Self::Local | Self::Source | Self::TlsAlpn => true,
            // The server's firewall may reject this client alone, or the answer has no way back to this machine.
            Self::Refused | Self::Unreachable | Self::Other => comes_from_it,
            Self::TlsAlert => offers_what_it_has,
            // Without a word: the server may be broken, or have rules for addresses.
            Self::Timeout | Self::TlsClosed => is_known || comes_from_it,
            _ => false,
        };
        if can_be_the_clients { Fault::Unclear } else { Fault::Server }
    }

    /// Its name in the metrics and the log.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Local => "local",
            Self::Source => "source",
            Self::Other => "other",
            Self::Greeting => "greeting",
            Self::Starttls => "starttls",
            Self::TlsUntrusted => "tls_untrusted",
            Self::TlsName => "tls_name",
            Self::TlsExpired => "tls_expired",
            Self::TlsPin => "tls_pin",
            Self::TlsAlert => "tls_alert",
            Self::TlsClosed => "tls_closed",
            Self::TlsAlpn => "tls_alpn",
            Self::TlsFailed => "tls_failed",
        }
    }
}

/// Kind and reason of a failed handshake.
pub(super) fn tls_reason(error: &ConnectError) -> (FailureKind, String) {
    let kind = match error {
        ConnectError::Untrusted | ConnectError::Forged | ConnectError::Certificate(_) => FailureKind::TlsUntrusted,
        ConnectError::Name(_) | ConnectError::Nameless => FailureKind::TlsName,
        ConnectError::Expired => FailureKind::TlsExpired,
        ConnectError::Pin => FailureKind::TlsPin,
        ConnectError::Alert(_) => FailureKind::TlsAlert,
        ConnectError::Closed => FailureKind::TlsClosed,
        ConnectError::Alpn => FailureKind::TlsAlpn,
        ConnectError::Token(_) => FailureKind::Local,
        ConnectError::Failed(_) => FailureKind::TlsFailed,
    };
    (kind, error.to_string())
}

/// Kind and reason of a failure to connect.
pub(super) fn reason(error: &io::Error) -> (FailureKind, String) {
    if let Some(error) = SourceError::within(error) {
        return (FailureKind::Source, error.to_string());
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => (FailureKind::Refused, "connection refused".into()),
        ErrorKind::HostUnreachable => (FailureKind::Unreachable, "host unreachable".into()),
        ErrorKind::NetworkUnreachable => (FailureKind::Unreachable, "network unreachable".into()),
        ErrorKind::TimedOut => (FailureKind::Timeout, error.to_string()),
        ErrorKind::AddrNotAvailable | ErrorKind::OutOfMemory => (FailureKind::Local, error.to_string()),
        // The standard library has no kinds for these.
        _ => match Errno::from_io_error(error) {
            // EAGAIN: no port or route is left for TCP (connect(2)). A Unix socket waits instead.
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::AGAIN) => (FailureKind::Local, error.to_string()),
            _ => (FailureKind::Other, error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_can_cause_is_not_the_servers_fault() {
        use FailureKind::{Local, Other, Refused, Source, Timeout, TlsAlert, TlsAlpn, TlsClosed, TlsName, Unreachable};
        for bits in 0..8 {
            let [is_known, comes_from_it, offers_what_it_has] = [1, 2, 4].map(|bit| bits & bit > 0);
            let fault = |kind: FailureKind| kind.fault(Exposure { is_known, comes_from_it, offers_what_it_has });
            let unclear = |is_unclear| if is_unclear { Fault::Unclear } else { Fault::Server };
            assert_eq!(fault(TlsName), Fault::Server);
            assert_eq!([Local, Source, TlsAlpn].map(fault), [Fault::Unclear; 3]);
            assert_eq!([Refused, Unreachable, Other].map(fault), [unclear(comes_from_it); 3]);
            assert_eq!([Timeout, TlsClosed].map(fault), [unclear(is_known || comes_from_it); 2]);
            assert_eq!(fault(TlsAlert), unclear(offers_what_it_has));
        }
    }

    #[test]
    fn a_shortage_on_this_machine_is_a_local_failure() {
        let kind = |errno: Errno| reason(&errno.into()).0;
        for errno in [Errno::ADDRNOTAVAIL, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN] {
            assert_eq!(kind(errno), FailureKind::Local, "{errno:?}");
        }
        assert_eq!(kind(Errno::CONNREFUSED), FailureKind::Refused);
        assert_eq!(kind(Errno::HOSTUNREACH), FailureKind::Unreachable);
        assert_eq!(kind(Errno::NETUNREACH), FailureKind::Unreachable);
        assert_eq!(kind(Errno::TIMEDOUT), FailureKind::Timeout);
        assert_eq!(kind(Errno::CONNRESET), FailureKind::Other);
    }
}
