//! What a check requires of a server. Must not know: how it is checked, how often.

use zeroize::Zeroizing;

/// What a check requires.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server accepts a connection.
    Tcp,
    /// A TLS handshake succeeds.
    Tls,
    Http(Http),
    Ldap(Ldap),
}

/// A request over HTTP/1.1, and its expected answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Http {
    pub method: String,
    pub path: String,
    /// The Host header; by default the server's address.
    pub host: Option<String>,
    /// Ranges of status codes, both ends included.
    pub status: Vec<(u16, u16)>,
    /// A text that must be in the first 64 KiB of the body.
    pub body: Option<String>,
}

/// A request over LDAP.
#[derive(Debug, PartialEq, Eq)]
pub struct Ldap {
    /// DN and password for a simple bind. `None` reads the root entry instead.
    pub bind: Option<(String, Password)>,
}

/// A password. It is never shown.
#[derive(PartialEq, Eq)]
pub struct Password(pub Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}
