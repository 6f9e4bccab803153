//! Why a connection could not be made, from the system's error or from TLS. Must not know: to which server.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

use crate::tls::handshake::connect::ConnectError;

/// Why, in one word, for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    Refused,
    Timeout,
    Unreachable,
    /// This machine has no port, descriptor or memory left: no fault of the server.
    Local,
    Other,
    /// Its certificate is from no CA that is trusted, or not accepted for another reason.
    TlsUntrusted,
    /// Its certificate bears another name.
    TlsName,
    /// Its certificate is expired, or not valid yet.
    TlsExpired,
    /// No key in its chain is a pinned one.
    TlsPin,
    /// It refused the handshake with an alert.
    TlsAlert,
    /// It closed in the middle of the handshake.
    TlsClosed,
    /// It does not speak the client's application protocol.
    TlsAlpn,
    /// The handshake failed for any other reason.
    TlsFailed,
}

impl FailureKind {
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Local => "local",
            Self::Other => "other",
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

/// Why TLS was not agreed on.
pub(super) fn tls_reason(error: &ConnectError) -> (FailureKind, String) {
    let kind = match error {
        ConnectError::Untrusted | ConnectError::Forged | ConnectError::Certificate(_) => FailureKind::TlsUntrusted,
        ConnectError::Name(_) | ConnectError::Nameless => FailureKind::TlsName,
        ConnectError::Expired => FailureKind::TlsExpired,
        ConnectError::Pin => FailureKind::TlsPin,
        ConnectError::Alert(_) => FailureKind::TlsAlert,
        ConnectError::Closed => FailureKind::TlsClosed,
        ConnectError::Alpn => FailureKind::TlsAlpn,
        ConnectError::Failed(_) => FailureKind::TlsFailed,
    };
    (kind, error.to_string())
}

/// Why connecting failed.
pub(super) fn reason(error: &io::Error) -> (FailureKind, String) {
    match error.kind() {
        ErrorKind::ConnectionRefused => (FailureKind::Refused, "connection refused".into()),
        ErrorKind::HostUnreachable => (FailureKind::Unreachable, "host unreachable".into()),
        ErrorKind::NetworkUnreachable => (FailureKind::Unreachable, "network unreachable".into()),
        ErrorKind::TimedOut => (FailureKind::Timeout, error.to_string()),
        ErrorKind::AddrNotAvailable | ErrorKind::OutOfMemory => (FailureKind::Local, error.to_string()),
        _ => match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS) => (FailureKind::Local, error.to_string()),
            _ => (FailureKind::Other, error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_on_this_machine_is_told_apart() {
        let kind = |errno: Errno| reason(&errno.into()).0;
        for errno in [Errno::ADDRNOTAVAIL, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(kind(errno), FailureKind::Local, "{errno:?}");
        }
        assert_eq!(kind(Errno::CONNREFUSED), FailureKind::Refused);
        assert_eq!(kind(Errno::HOSTUNREACH), FailureKind::Unreachable);
        assert_eq!(kind(Errno::NETUNREACH), FailureKind::Unreachable);
        assert_eq!(kind(Errno::TIMEDOUT), FailureKind::Timeout);
        assert_eq!(kind(Errno::CONNRESET), FailureKind::Other);
    }
}
