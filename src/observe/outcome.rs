//! How a connection ended: who ended it × in which phase. One enum for the log, the metrics and the tests.
//! Must not know: how an end is detected.

use serde::Serialize;

/// The end of a connection. The label (the variant in `snake_case`) is part of the documented format of the log and the
/// metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    // Accepting
    /// tlsgate refused: the listener has `max_connections` already.
    ConnectionLimit,
    /// tlsgate refused: connections arrive faster than the listener's `connection_rate`.
    ConnectionRate,
    /// tlsgate refused: all listeners together have as many connections as the limit of open files allows.
    DescriptorLimit,
    /// tlsgate refused: as much memory is in use as `[limits] memory` allows.
    MemoryLimit,
    /// tlsgate refused: `allow` and `deny` do not permit the client's address.
    ClientDenied,
    /// tlsgate refused: too many handshakes of this client have failed lately (`handshake_failures`).
    ClientBlocked,
    /// tlsgate refused: the client has `max_connections_per_client` already.
    ClientConnectionLimit,
    /// tlsgate refused: the client connects more often than `connection_rate_per_client`.
    ClientConnectionRate,

    // Reading the PROXY header
    /// tlsgate refused: the peer is not one of `trusted_proxies`.
    ProxyUntrusted,
    /// A trusted proxy sent something that is not a valid PROXY header.
    ProxyHeaderInvalid,
    /// A trusted proxy closed before it had sent a complete PROXY header.
    ProxyHeaderClosed,
    /// A trusted proxy took longer than `handshake_timeout` to send its PROXY header.
    ProxyHeaderTimeout,

    // StartTLS
    /// The client closed without asking for TLS.
    StarttlsClosed,
    /// The client took longer than `handshake_timeout` to ask for TLS.
    StarttlsTimeout,
    /// The client tried to continue in the clear: its requests were refused, and it did not ask for TLS.
    StarttlsRefused,
    /// The client's request for TLS was followed by more bytes in the clear. An attacker adds such bytes so that they
    /// are processed as if they had been encrypted.
    StarttlsPipelined,
    /// The client's bytes do not belong to the protocol in which it has to ask for TLS.
    StarttlsInvalid,

    // Reading the ClientHello
    /// The client closed before it had sent a complete ClientHello.
    HelloClosed,
    /// The client took longer than `handshake_timeout` to send its ClientHello.
    HelloTimeout,
    /// The client had not sent its ClientHello when the listener was full, or the limit of open files was reached, and
    /// a new client connected. Of all such clients it had waited longest.
    HelloPreempted,
    /// The client's bytes are not TLS, but for example plain HTTP, SSH or LDAP.
    NotTls,
    /// The client's bytes are TLS, but not a valid ClientHello, or one that is too large.
    HelloInvalid,

    /// The JA4 of the client's ClientHello is in `deny_ja4`.
    Ja4Denied,

    // A certificate authority's challenge
    /// A certificate authority has checked a name (`acme-tls/1`), and got the certificate of the pending challenge. Nothing
    /// else happens on such a connection.
    AcmeChallenge,

    // Finding the route
    /// No route takes the server name, and the listener itself does not terminate TLS.
    NoRoute,
    /// A route with `mode = "reject"` took it.
    RouteRejected,
    /// tlsgate refused: the route has `max_connections` of its own already.
    RouteConnectionLimit,
    /// tlsgate refused: connections arrive faster than the route's `connection_rate`.
    RouteConnectionRate,
    /// tlsgate refused: the route's `allow` and `deny`, or its lists in files, do not permit the client's address.
    RouteClientDenied,
    /// tlsgate refused: too many handshakes of this client with the route have failed lately (`handshake_failures`).
    RouteClientBlocked,
    /// tlsgate refused: the client has the route's `max_connections_per_client` already.
    RouteClientConnectionLimit,
    /// tlsgate refused: the client connects more often than the route's `connection_rate_per_client`.
    RouteClientConnectionRate,
    /// The JA4 of the client's ClientHello is in the route's `deny_ja4`.
    RouteJa4Denied,

    // Agreeing on terms
    /// The client offers no TLS version that the policy allows.
    NoCommonVersion,
    /// The client fell back to an older version although a newer one would have worked (RFC 7507).
    InappropriateFallback,
    /// The client offers no cipher suite that the policy allows.
    NoCommonSuite,
    /// The client offers no key exchange group that the policy allows.
    NoCommonGroup,
    /// The client offers no application protocol that the route has; or it is a certificate authority's challenge
    /// (`acme-tls/1`), none is pending for the name, and no route takes those.
    NoCommonProtocol,
    /// The client sent no server name, and `require_sni` is on.
    NoServerName,
    /// No certificate has the server name, and `unknown_name` is `reject`.
    UnknownName,
    /// The certificate that has the server name is ordered from an authority and not there yet.
    CertificatePending,
    /// There are certificates for the name, but none with a key for one of the client's signature schemes.
    NoCommonScheme,

    // The handshake
    /// tlsgate refused: so many handshakes wait on this worker that this one would not begin within half of what is left of
    /// `handshake_timeout`, or half of what clients have waited lately before they gave up; or it waited until the end.
    Overloaded,
    /// The private key is in a token, which did not sign: it was away or too slow, or too many signatures waited for it.
    KeyUnavailable,
    /// The client closed during the handshake.
    HandshakeClosed,
    /// The handshake took longer than `handshake_timeout`.
    HandshakeTimeout,
    /// The client refused the handshake with an alert (`incoming_tls_alert`).
    HandshakeAlert,
    /// The client violated the protocol.
    HandshakeFailed,

    // The client's certificate: in the handshake, or when it is judged again while the connection is open
    /// The client sent none, and one is required.
    ClientCertificateMissing,
    /// It has expired, or is not valid yet.
    ClientCertificateExpired,
    /// It, or a CA's certificate above it, is revoked.
    ClientCertificateRevoked,
    /// None of the configured CAs has issued it, directly or through others.
    ClientCertificateUnknownCa,
    /// There is no current revocation list for it, so that it is not known whether it is revoked.
    ClientCertificateRevocationUnknown,
    /// It has none of the allowed names, or its key is not pinned.
    ClientCertificateDenied,
    /// It is malformed, issued for another purpose, or its signature is wrong.
    ClientCertificateInvalid,

    // Connecting to the backend
    /// No server of the backend could be reached.
    BackendUnreachable,
    /// Every server of the backend that could be used has `max_connections` already.
    BackendFull,

    // Relaying
    /// Both sides ended their data in an orderly way.
    Completed,
    /// The backend ended its data in an orderly way, but did not take everything that the client had sent.
    BackendClosedEarly,
    /// The client closed without close_notify: its data may be truncated.
    ClientTruncated,
    /// The client reset the connection.
    ClientReset,
    /// The client ended with a fatal alert.
    ClientAlert,
    /// The client sent a record that is forged or malformed.
    ClientBadRecord,
    /// The backend reset the connection.
    BackendReset,
    /// The backend, which uses TLS, closed without close_notify: its data may be truncated.
    BackendTruncated,
    /// The backend, which uses TLS, ended with a fatal alert.
    BackendAlert,
    /// The backend, which uses TLS, sent a record that is forged or malformed.
    BackendBadRecord,
    /// The keys have encrypted as much as they may; TLS 1.2 cannot change them.
    KeysExhausted,
    /// The server went down, and `on_down` is `close`.
    BackendDown,
    /// Memory was short, and a peer that had stalled held some: it had read nothing for a while of what waited for it, or
    /// had not sent its ClientHello.
    MemoryStalled,
    /// No byte moved for `idle_timeout`.
    IdleTimeout,
    /// One side had ended its data, and no byte moved for `half_close_timeout`.
    HalfClosedTimeout,

    // tlsgate itself
    /// An operator has closed the connection through the admin API.
    ClosedByOperator,
    /// The connection was open for `max_connection_age`.
    MaxAge,
    /// tlsgate stopped before the connection had ended.
    Shutdown,
    /// An error in tlsgate itself ended this connection.
    InternalError,
}

impl Outcome {
    /// Those with which connections end because the process has as much as it may have, or nearly: to be counted together.
    pub const SHED: [Self; 4] = [Self::MemoryLimit, Self::MemoryStalled, Self::DescriptorLimit, Self::HelloPreempted];

    /// Those with which a handshake fails for a reason that can lie in what is served: routes, certificates with their keys,
    /// policies, CAs of clients. Not those that lie in the client alone, which sends no TLS or nothing at all, nor refusals by
    /// limits and lists.
    pub const OF_WHAT_IS_SERVED: [Self; 23] = [
        Self::NoRoute,
        Self::RouteRejected,
        Self::NoCommonVersion,
        Self::InappropriateFallback,
        Self::NoCommonSuite,
        Self::NoCommonGroup,
        Self::NoCommonProtocol,
        Self::NoServerName,
        Self::UnknownName,
        Self::CertificatePending,
        Self::NoCommonScheme,
        Self::KeyUnavailable,
        Self::HandshakeClosed,
        Self::HandshakeTimeout,
        Self::HandshakeAlert,
        Self::HandshakeFailed,
        Self::ClientCertificateMissing,
        Self::ClientCertificateExpired,
        Self::ClientCertificateRevoked,
        Self::ClientCertificateUnknownCa,
        Self::ClientCertificateRevocationUnknown,
        Self::ClientCertificateDenied,
        Self::ClientCertificateInvalid,
    ];

    /// Whether the client's handshake failed, if the connection ended before there was a TLS session, which counts for `handshake_failures`. A client that connects and closes
    /// without sending anything has not failed, since port checks do that; nor has one that had to give way, or one for
    /// which the certificate is not there yet, or its key cannot be used now.
    pub fn is_failed_handshake(self) -> bool {
        let is_blameless = matches!(
            self,
            Self::HelloClosed
                | Self::StarttlsClosed
                | Self::HelloPreempted
                | Self::CertificatePending
                | Self::KeyUnavailable
        );
        self.is_before_handshake() && !is_blameless
    }

    /// Whether the client's certificate was the reason: in the handshake, or when it was judged again later.
    pub fn is_about_certificate(self) -> bool {
        matches!(
            self,
            Self::ClientCertificateMissing
                | Self::ClientCertificateExpired
                | Self::ClientCertificateRevoked
                | Self::ClientCertificateUnknownCa
                | Self::ClientCertificateRevocationUnknown
                | Self::ClientCertificateDenied
                | Self::ClientCertificateInvalid
        )
    }

    /// Whether it ended before there was a TLS session, other than by a refusal ([`Outcome::is_refusal`]).
    pub fn is_before_handshake(self) -> bool {
        self.phase() == Phase::BeforeHandshake
    }

    /// Whether tlsgate refused the connection before it answered: because of a limit of the listener or the route, the
    /// client's address, the proxy, or the handshakes that wait.
    pub fn is_refusal(self) -> bool {
        self.phase() == Phase::Admission
    }

    fn phase(self) -> Phase {
        match self {
            Self::ConnectionLimit | Self::ConnectionRate | Self::ClientDenied | Self::ClientBlocked => Phase::Admission,
            Self::ClientConnectionLimit | Self::ClientConnectionRate | Self::DescriptorLimit => Phase::Admission,
            Self::ProxyUntrusted | Self::ProxyHeaderInvalid | Self::Overloaded => Phase::Admission,
            Self::MemoryLimit => Phase::Admission,
            Self::RouteConnectionLimit | Self::RouteConnectionRate | Self::RouteClientDenied => Phase::Admission,
            Self::RouteClientBlocked | Self::RouteClientConnectionLimit => Phase::Admission,
            Self::RouteClientConnectionRate => Phase::Admission,
            Self::ProxyHeaderClosed | Self::ProxyHeaderTimeout => Phase::Other,
            Self::StarttlsClosed | Self::StarttlsTimeout | Self::StarttlsRefused => Phase::BeforeHandshake,
            Self::StarttlsPipelined | Self::StarttlsInvalid => Phase::BeforeHandshake,
            Self::HelloClosed | Self::HelloTimeout | Self::HelloPreempted => Phase::BeforeHandshake,
            Self::NotTls | Self::HelloInvalid | Self::Ja4Denied | Self::RouteJa4Denied => Phase::BeforeHandshake,
            Self::ClientCertificateMissing | Self::ClientCertificateExpired => Phase::BeforeHandshake,
            Self::ClientCertificateRevoked | Self::ClientCertificateUnknownCa => Phase::BeforeHandshake,
            Self::ClientCertificateRevocationUnknown => Phase::BeforeHandshake,
            Self::ClientCertificateDenied | Self::ClientCertificateInvalid => Phase::BeforeHandshake,
            Self::NoRoute | Self::RouteRejected | Self::NoCommonProtocol => Phase::BeforeHandshake,
            Self::NoCommonVersion | Self::InappropriateFallback | Self::NoCommonSuite => Phase::BeforeHandshake,
            Self::NoCommonGroup | Self::NoServerName | Self::UnknownName => Phase::BeforeHandshake,
            Self::CertificatePending | Self::NoCommonScheme | Self::KeyUnavailable => Phase::BeforeHandshake,
            Self::HandshakeClosed | Self::HandshakeTimeout => Phase::BeforeHandshake,
            Self::HandshakeAlert | Self::HandshakeFailed => Phase::BeforeHandshake,
            Self::BackendUnreachable | Self::BackendFull | Self::BackendDown => Phase::Other,
            Self::Completed | Self::BackendClosedEarly => Phase::Other,
            Self::ClientTruncated | Self::ClientReset | Self::ClientAlert | Self::ClientBadRecord => Phase::Other,
            Self::BackendReset | Self::BackendTruncated | Self::BackendAlert | Self::BackendBadRecord => Phase::Other,
            Self::KeysExhausted | Self::IdleTimeout | Self::HalfClosedTimeout => Phase::Other,
            Self::AcmeChallenge | Self::MemoryStalled => Phase::Other,
            Self::ClosedByOperator | Self::MaxAge | Self::Shutdown | Self::InternalError => Phase::Other,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Phase {
    Admission,
    BeforeHandshake,
    Other,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}
