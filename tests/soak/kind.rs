//! The kinds of clients, and the outcomes that tlsgate may report for each. Must not know: how they are made.

/// What a client does. The rows are those of docs/reliability.md, "From clients".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Follows every protocol, and expects to be served.
    Good,
    /// The same, with a ClientHello in segments of one byte.
    SlowHello,
    /// The same, with a ClientHello in records of one byte.
    SplitHello,
    /// A ClientHello that is too large, or announced as such.
    LargeHello,
    /// Bytes that are not TLS, or not a ClientHello.
    Noise,
    /// An invalid server name.
    OddName,
    /// A valid server name that no certificate has.
    WrongName,
    /// TLS_FALLBACK_SCSV with TLS 1.2.
    Fallback,
    /// A reset, at any stage.
    Reset,
    /// A FIN without close_notify.
    Truncated,
    /// A record with a flipped bit, or in the clear.
    BadRecord,
    /// A flood of records without content.
    Flood,
    /// A PROXY header where none is allowed.
    Preface,
    /// No valid PROXY header where one is required.
    NoPreface,
    /// One more than `max_connections`.
    Surplus,
    /// Sends nothing.
    Silent,
    /// Sends a byte of its ClientHello from time to time.
    Trickling,
    /// Stops after the ServerHello.
    Stopped,
    /// Asks for more than all buffers hold, and does not read it.
    NotReading,
    /// One of the last four that leaves before its time is over; or at that very moment.
    Left,
}

impl Kind {
    pub(crate) const ALL: [Self; 20] = [
        Self::Good,
        Self::SlowHello,
        Self::SplitHello,
        Self::LargeHello,
        Self::Noise,
        Self::OddName,
        Self::WrongName,
        Self::Fallback,
        Self::Reset,
        Self::Truncated,
        Self::BadRecord,
        Self::Flood,
        Self::Preface,
        Self::NoPreface,
        Self::Surplus,
        Self::Silent,
        Self::Trickling,
        Self::Stopped,
        Self::NotReading,
        Self::Left,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::SlowHello => "hello in one-byte segments",
            Self::SplitHello => "hello in one-byte records",
            Self::LargeHello => "too large a hello",
            Self::Noise => "not TLS",
            Self::OddName => "invalid server name",
            Self::WrongName => "unknown server name",
            Self::Fallback => "version roll-back",
            Self::Reset => "reset",
            Self::Truncated => "FIN without close_notify",
            Self::BadRecord => "bad record",
            Self::Flood => "flood of empty records",
            Self::Preface => "PROXY header where none is allowed",
            Self::NoPreface => "bad PROXY header",
            Self::Surplus => "one too many",
            Self::Silent => "silent",
            Self::Trickling => "a byte from time to time",
            Self::Stopped => "stopped after the ServerHello",
            Self::NotReading => "not reading",
            Self::Left => "held, and left",
        }
    }

    /// Whether every operation of this kind has to succeed.
    pub(crate) const fn is_served(self) -> bool {
        matches!(self, Self::Good | Self::SlowHello | Self::SplitHello)
    }

    /// The outcomes that are right, without any other fault.
    pub(crate) const fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Good | Self::SlowHello | Self::SplitHello => &["completed"],
            Self::LargeHello => &["hello_invalid"],
            Self::Noise => &["not_tls", "hello_invalid"],
            // It may count as no name at all; then the client gets a default certificate, and leaves.
            Self::OddName => &["hello_invalid", "handshake_closed"],
            Self::WrongName => &["handshake_alert"],
            Self::Fallback => &["inappropriate_fallback"],
            Self::Reset => &["hello_closed", "handshake_closed", "client_reset"],
            Self::Truncated => &["client_truncated"],
            Self::BadRecord | Self::Flood => &["client_bad_record"],
            Self::Preface => &["not_tls"],
            Self::NoPreface => &["proxy_header_invalid", "proxy_header_closed"],
            Self::Surplus => &["connection_limit"],
            Self::Silent | Self::Trickling => &["hello_timeout"],
            Self::Stopped => &["handshake_timeout"],
            Self::NotReading => &["client_reset", "idle_timeout"],
            Self::Left => &["hello_closed", "handshake_closed", "client_reset", "hello_timeout", "handshake_timeout"],
        }
    }

    /// Whether each connection has a record. A reset may come before the connection is accepted; refusals are logged at
    /// a bounded rate.
    pub(crate) const fn has_record(self) -> bool {
        !matches!(self, Self::Reset | Self::Left | Self::Surplus | Self::NoPreface)
    }
}
