//! The address of a running tlsgate's admin server, as it is written on the command line or in the configuration. Must not
//! know: what is asked for, files.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use hyper::http::uri::Authority;
use rustls::pki_types::ServerName;

use crate::net::address::Address;

/// Where the admin server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: bool },
}

impl Place {
    /// Reads `unix:/path`, `http://HOST:PORT` or `https://HOST:PORT`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let expected = || {
            "expected unix:/path, or http:// or https:// with a host and a port, such as https://127.0.0.1:9900"
                .to_owned()
        };
        let (tls, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://").unwrap_or(text)),
        };
        let authority: Authority = rest.trim_end_matches('/').parse().map_err(|_| expected())?;
        let (host, port) = (bare(authority.host()), authority.port_u16().filter(|port| *port != 0));
        match (port, ServerName::try_from(host)) {
            (Some(port), Ok(_)) if !authority.as_str().contains('@') => {
                Ok(Self::Tcp { host: host.to_owned(), port, tls })
            }
            _ => Err(expected()),
        }
    }

    /// The address that a configuration has.
    pub(super) fn of(address: &Address, tls: bool) -> Self {
        match address {
            Address::Unix(path) => Self::Unix(path.clone()),
            Address::Tcp(address) => Self::Tcp { host: address.ip().to_string(), port: address.port(), tls },
        }
    }

    /// The Host header of a request.
    pub(super) fn host(&self) -> String {
        match self {
            // A request must have a host (RFC 9112 section 3.2), even if a Unix socket has none.
            Self::Unix(_) => "localhost".into(),
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }

    /// Its IP address, where it is written as one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp { host, .. } => host.parse().ok(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { tls, .. } => write!(f, "{}://{}", if *tls { "https" } else { "http" }, self.host()),
        }
    }
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["unix:/run/a.sock", "http://127.0.0.1:9900", "https://[::1]:9900", "https://admin.test:1"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Place::parse("127.0.0.1:1").unwrap().to_string(), "http://127.0.0.1:1");
        assert_eq!(Place::parse("https://admin.test:1/").unwrap().to_string(), "https://admin.test:1");
        for text in [
            "",
            "unix:",
            "https://",
            "https://a",
            "https://a:0",
            "https://a:70000",
            "https://u@a:1",
            "https://a b:1",
            "https://::1:1",
        ] {
            assert!(Place::parse(text).unwrap_err().starts_with("expected unix:/path, or http://"), "{text}");
        }
    }
}
