//! What a check asks of a server. Must not know: how it is asked, how often.

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// That the server accepts a connection.
    Tcp,
    /// That a TLS handshake succeeds.
    Tls,
    Http(Http),
    Ldap(Ldap),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Http {
    pub method: String,
    pub path: String,
    /// By default the server's address.
    pub host: Option<String>,
    /// Ranges of status codes, both ends included.
    pub status: Vec<(u16, u16)>,
    /// A text that must be in the first 64 KiB of the body.
    pub body: Option<String>,
}

/// A simple bind, or the root entry where there is no DN.
#[derive(Debug, PartialEq, Eq)]
pub struct Ldap {
    pub bind: Option<(String, Password)>,
}

/// It is never shown.
#[derive(PartialEq, Eq)]
pub struct Password(pub Vec<u8>);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}
