//! The protocols in which TLS is asked for, by name. Must not know: what their messages look like.

use crate::words::words;

/// The protocol in which TLS is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The extended request of RFC 4511 section 4.14.
    Ldap,
    /// SSLRequest; a client may also begin with TLS directly.
    Postgres,
    /// STARTTLS of RFC 3207.
    Smtp,
    /// STARTTLS of RFC 9051 section 6.2.1.
    Imap,
    /// STLS of RFC 2595 section 4.
    Pop3,
}

words! { Protocol { Ldap => "ldap", Postgres => "postgres", Smtp => "smtp", Imap => "imap", Pop3 => "pop3" } }

/// The protocol in which tlsgate asks a server for TLS. IMAP and POP3 are none of these: what their servers offer before TLS
/// is in the greeting, which would be wrong for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendProtocol {
    Ldap,
    Postgres,
    Smtp,
}

words! { BackendProtocol { Ldap => "ldap", Postgres => "postgres", Smtp => "smtp" } }

impl From<BackendProtocol> for Protocol {
    fn from(protocol: BackendProtocol) -> Self {
        match protocol {
            BackendProtocol::Ldap => Self::Ldap,
            BackendProtocol::Postgres => Self::Postgres,
            BackendProtocol::Smtp => Self::Smtp,
        }
    }
}

impl Protocol {
    /// The request by which a client asks for TLS, for the help of a command.
    pub const fn request_name(self) -> &'static str {
        match self {
            Self::Ldap => "The extended request of RFC 4511 section 4.14",
            Self::Postgres => "The SSLRequest of PostgreSQL's protocol",
            Self::Smtp => "STARTTLS of RFC 3207",
            Self::Imap => "STARTTLS of RFC 9051 section 6.2.1",
            Self::Pop3 => "STLS of RFC 2595 section 4",
        }
    }

    /// Whether the server speaks first. Its greeting comes in the clear, and is not repeated after TLS has begun.
    pub const fn has_greeting(self) -> bool {
        match self {
            Self::Ldap | Self::Postgres => false,
            Self::Smtp | Self::Imap | Self::Pop3 => true,
        }
    }
}
