//! How a connection ended: who ended it × in which phase. One enum for the log, the metrics and the tests.
//! Must not know: how any of it is detected.

use serde::Serialize;

/// The end of a connection. The label (`snake_case` of the variant) is part of the contract with whoever reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    // Accepting
    /// tlsgate refused: the listener has `max_connections` already.
    ConnectionLimit,
    /// tlsgate refused: connections come faster than the listener's `connection_rate`.
    ConnectionRate,
    /// tlsgate refused: all listeners together have as many connections as the limit of open files allows.
    DescriptorLimit,
    /// tlsgate refused: the client's address is not one that `allow` and `deny` let in.
    ClientDenied,
    /// tlsgate refused: too many handshakes of this client have failed lately (`handshake_failures`).
    ClientBlocked,
    /// tlsgate refused: the client has `max_connections_per_client` already.
    ClientConnectionLimit,
    /// tlsgate refused: the client connects more often than `connection_rate_per_client`.
    ClientConnectionRate,

    // Reading the PROXY header
    /// tlsgate refused: the peer is none of `trusted_proxies`.
    ProxyUntrusted,
    /// What a trusted proxy sent is no valid PROXY header.
    ProxyHeaderInvalid,
    /// A trusted proxy closed before it had sent a whole PROXY header.
    ProxyHeaderClosed,
    /// A trusted proxy took longer than `handshake_timeout` to send its PROXY header.
    ProxyHeaderTimeout,

    // StartTLS
    /// The client closed without asking for TLS.
    StarttlsClosed,
    /// The client took longer than `handshake_timeout` to ask for TLS.
    StarttlsTimeout,
    /// The client wanted to go on in the clear: what it asked for was refused, and it did not ask for TLS.
    StarttlsRefused,
    /// More bytes came with the request for TLS, as somebody would add who wants them taken for encrypted ones.
    StarttlsPipelined,
    /// What came is not the protocol in which TLS is asked for here.
    StarttlsInvalid,

    // Reading the ClientHello
    /// The client closed before it had sent a whole ClientHello.
    HelloClosed,
    /// The client took longer than `handshake_timeout` to send its ClientHello.
    HelloTimeout,
    /// The client had not sent its ClientHello when a newcomer found the listener full, or too few files that may be
    /// open, and had waited longest of all such.
    HelloPreempted,
    /// What came is not TLS: plain HTTP, SSH, LDAP, noise.
    NotTls,
    /// It is TLS, but no valid ClientHello, or too large.
    HelloInvalid,

    // Finding the route
    /// No route takes the server name, and the listener itself terminates nothing.
    NoRoute,
    /// A route with `mode = "reject"` took it.
    RouteRejected,

    // Agreeing on terms
    /// The client offers no TLS version that the policy allows.
    NoCommonVersion,
    /// The client fell back to an older version although a better one would have worked (RFC 7507).
    InappropriateFallback,
    /// The client offers no cipher suite that the policy allows.
    NoCommonSuite,
    /// The client offers no key exchange group that the policy allows.
    NoCommonGroup,
    /// The client offers no application protocol that the route knows; or it is a certificate authority's challenge
    /// (`acme-tls/1`), which no route asks for.
    NoCommonProtocol,
    /// The client gave no server name, and `require_sni` is on.
    NoServerName,
    /// No certificate bears the server name, and `unknown_name` is `reject`.
    UnknownName,
    /// There are certificates for the name, but none whose key can sign in the client's schemes.
    NoCommonScheme,

    // The handshake
    /// The client closed during the handshake.
    HandshakeClosed,
    /// The handshake took longer than `handshake_timeout`.
    HandshakeTimeout,
    /// The client refused what it was offered, with an alert (`incoming_tls_alert`).
    HandshakeAlert,
    /// The client broke the protocol.
    HandshakeFailed,

    // The client's certificate
    /// The client showed none, and one is required.
    ClientCertificateMissing,
    /// It has expired, or is not valid yet.
    ClientCertificateExpired,
    /// It, or one above it, is revoked.
    ClientCertificateRevoked,
    /// It leads to none of the CAs.
    ClientCertificateUnknownCa,
    /// There is no list, or none that is up to date, that would tell whether it is revoked.
    ClientCertificateRevocationUnknown,
    /// It bears none of the allowed names, or its key is not pinned.
    ClientCertificateDenied,
    /// It is malformed, made for something else, or its signature is wrong.
    ClientCertificateInvalid,

    // Connecting to the backend
    /// No server of the backend could be reached.
    BackendUnreachable,
    /// Every server of the backend that could be used has its `max_connections`.
    BackendFull,

    // Relaying
    /// Both sides ended their data in order.
    Completed,
    /// The backend ended its data in order, but did not take all that the client had sent.
    BackendClosedEarly,
    /// The client closed without close_notify: what it sent may be cut short.
    ClientTruncated,
    /// The client reset the connection.
    ClientReset,
    /// The client ended with a fatal alert.
    ClientAlert,
    /// The client sent a record that is forged or malformed.
    ClientBadRecord,
    /// The backend reset the connection.
    BackendReset,
    /// The backend, over TLS, closed without close_notify: what it sent may be cut short.
    BackendTruncated,
    /// The backend, over TLS, ended with a fatal alert.
    BackendAlert,
    /// The backend, over TLS, sent a record that is forged or malformed.
    BackendBadRecord,
    /// The keys have sealed as much as they may; TLS 1.2 cannot change them.
    KeysExhausted,
    /// The server went down, and `on_down` is `close`.
    BackendDown,
    /// No byte moved for `idle_timeout`.
    IdleTimeout,
    /// One side had ended its data, and no byte moved for `half_close_timeout`.
    HalfClosedTimeout,

    // tlsgate itself
    /// tlsgate stopped before the connection had ended.
    Shutdown,
    /// A fault in tlsgate ended this connection.
    InternalError,
}

impl Outcome {
    /// Whether the client failed to come to a TLS session, so that it counts for `handshake_failures`. To connect and to close
    /// without a word is what port checks do, and not a failure; nor is to have given way.
    pub fn is_failed_handshake(self) -> bool {
        self.is_before_handshake() && !matches!(self, Self::HelloClosed | Self::StarttlsClosed | Self::HelloPreempted)
    }

    /// Whether it ended before there was a TLS session, and not by a refusal as of [`Outcome::is_refusal`].
    pub fn is_before_handshake(self) -> bool {
        self.phase() == Phase::BeforeHandshake
    }

    /// Whether tlsgate refused the connection itself, for what it knows of client and proxy, or for its limits.
    pub fn is_refusal(self) -> bool {
        self.phase() == Phase::Admission
    }

    fn phase(self) -> Phase {
        match self {
            Self::ConnectionLimit | Self::ConnectionRate | Self::ClientDenied | Self::ClientBlocked => Phase::Admission,
            Self::ClientConnectionLimit | Self::ClientConnectionRate | Self::DescriptorLimit => Phase::Admission,
            Self::ProxyUntrusted | Self::ProxyHeaderInvalid => Phase::Admission,
            Self::ProxyHeaderClosed | Self::ProxyHeaderTimeout => Phase::Other,
            Self::StarttlsClosed | Self::StarttlsTimeout | Self::StarttlsRefused => Phase::BeforeHandshake,
            Self::StarttlsPipelined | Self::StarttlsInvalid => Phase::BeforeHandshake,
            Self::HelloClosed | Self::HelloTimeout | Self::HelloPreempted => Phase::BeforeHandshake,
            Self::NotTls | Self::HelloInvalid => Phase::BeforeHandshake,
            Self::ClientCertificateMissing | Self::ClientCertificateExpired => Phase::BeforeHandshake,
            Self::ClientCertificateRevoked | Self::ClientCertificateUnknownCa => Phase::BeforeHandshake,
            Self::ClientCertificateRevocationUnknown => Phase::BeforeHandshake,
            Self::ClientCertificateDenied | Self::ClientCertificateInvalid => Phase::BeforeHandshake,
            Self::NoRoute | Self::RouteRejected | Self::NoCommonProtocol => Phase::BeforeHandshake,
            Self::NoCommonVersion | Self::InappropriateFallback | Self::NoCommonSuite => Phase::BeforeHandshake,
            Self::NoCommonGroup | Self::NoServerName | Self::UnknownName => Phase::BeforeHandshake,
            Self::NoCommonScheme => Phase::BeforeHandshake,
            Self::HandshakeClosed | Self::HandshakeTimeout => Phase::BeforeHandshake,
            Self::HandshakeAlert | Self::HandshakeFailed => Phase::BeforeHandshake,
            Self::BackendUnreachable | Self::BackendFull | Self::BackendDown => Phase::Other,
            Self::Completed | Self::BackendClosedEarly => Phase::Other,
            Self::ClientTruncated | Self::ClientReset | Self::ClientAlert | Self::ClientBadRecord => Phase::Other,
            Self::BackendReset | Self::BackendTruncated | Self::BackendAlert | Self::BackendBadRecord => Phase::Other,
            Self::KeysExhausted | Self::IdleTimeout | Self::HalfClosedTimeout => Phase::Other,
            Self::Shutdown | Self::InternalError => Phase::Other,
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
