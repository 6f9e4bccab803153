//! How etcd is reached: members, keys' prefix, TLS, a user. Must not know: what it is asked for.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;

use super::trouble::Trouble;

/// How etcd is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `http://` or `https://`, host and port; tried one after the other.
    pub endpoints: Vec<String>,
    /// Before every key; without a slash at its end.
    pub prefix: String,
    /// The CAs that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// Certificate and key of this client.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Name and the file of the password.
    pub user: Option<(String, PathBuf)>,
    /// For one request.
    pub timeout: Duration,
}

/// The address of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As it is in the settings.
    pub(super) text: String,
    pub(super) is_secure: bool,
    /// A name, or an IP address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, Trouble> {
        let wrong = || Trouble::Refused(format!("etcd: found {text:?}, {EXPECTED}"));
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let has_more = uri.path_and_query().is_some_and(|path| path.as_str() != "/");
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let has_port = authority.as_str().rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if !has_port => PORT,
            _ => return Err(wrong()),
        };
        if host.is_empty() || has_more {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), is_secure, host: host.to_owned(), port })
    }

    /// As the header `Host` has it.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }
}

impl Settings {
    pub(super) fn parsed(&self) -> Result<Vec<Endpoint>, Trouble> {
        let endpoints: Vec<_> = self.endpoints.iter().map(|text| Endpoint::parse(text)).collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            Err(Trouble::Refused(format!("etcd: found no URL, {EXPECTED}")))
        } else {
            Ok(endpoints)
        }
    }
}

/// etcd's own for clients.
const PORT: u16 = 2379;

const EXPECTED: &str = "expected URLs such as \"https://10.0.0.1:2379\", without user and path";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_a_port() {
        let parts = |text: &str| Endpoint::parse(text).map(|of| (of.is_secure, of.authority())).unwrap();
        assert_eq!(parts("https://10.0.0.1:2379"), (true, "10.0.0.1:2379".into()));
        assert_eq!(parts("http://etcd.test/"), (false, "etcd.test:2379".into()));
        assert_eq!(parts("http://[::1]:99"), (false, "[::1]:99".into()));
        for wrong in
            ["", "10.0.0.1:2379", "ftp://a:1", "http://", "http://a:0", "http://a:", "http://u:p@a", "http://a/b"]
        {
            assert!(Endpoint::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
