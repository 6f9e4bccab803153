//! Who may ask, and who may change. Must not know: what is asked for.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use hyper::header::{AUTHORIZATION, HOST};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, StatusCode};

use crate::admin::answer::Answer;
use crate::admin::token;
use crate::config::validate;

/// The way by which requests come in.
#[derive(Debug)]
pub(super) enum Door {
    /// The address, with the port that was taken where any was good.
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Door {
    /// Whether other machines can reach it.
    pub(super) fn is_open_to_others(&self) -> bool {
        matches!(self, Self::Tcp(address) if !address.ip().is_loopback())
    }

    /// Refuses a request that was meant for another host. A browser that was led here by a name which somebody else bent
    /// to this address (DNS rebinding) says that name.
    pub(super) fn refusal(&self, request: &Parts) -> Option<Answer> {
        let Self::Tcp(address) = self else { return None };
        let mut hosts = request.headers.get_all(HOST).iter();
        let (host, another) = (hosts.next(), hosts.next());
        if another.is_some() {
            return Some(Answer::error(StatusCode::BAD_REQUEST, "found several Host headers, expected one"));
        }
        let host = host.and_then(|host| host.to_str().ok()).and_then(|host| host.parse().ok());
        // A full URI counts like the header (RFC 9112 section 3.2.2), and neither excuses the other.
        let meant = [host.as_ref(), request.uri.authority()];
        let fine = host.is_some() && meant.into_iter().flatten().all(|host| is_meant(host, address.ip()));
        let said = "the Host header does not name this server (expected its IP address, or localhost)";
        (!fine).then(|| Answer::error(StatusCode::MISDIRECTED_REQUEST, said))
    }

    /// Refuses a change by who may not make it. On a Unix socket its permissions have decided that.
    pub(super) fn change_refusal(&self, headers: &HeaderMap, config: &validate::Admin) -> Option<Answer> {
        if matches!(self, Self::Unix(_)) {
            return None;
        }
        let Some(file) = &config.token_file else {
            let said =
                "changes are not allowed here: name a file with a token as token_file in [admin], or use a Unix socket";
            return Some(Answer::error(StatusCode::FORBIDDEN, said));
        };
        let token = match token::read(file) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!("a change through the admin API is refused: {error}");
                let said = "changes are not allowed now: the token file cannot be used, and the log says why";
                return Some(Answer::error(StatusCode::FORBIDDEN, said));
            }
        };
        let presented = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        match presented {
            Some(presented) if token.is(presented) => None,
            Some(_) => Some(Answer::unauthorized("the token is wrong")),
            None => Some(Answer::unauthorized("a change needs the token (expected \"Authorization: Bearer TOKEN\")")),
        }
    }
}

impl std::fmt::Display for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Ports do not matter: they are mapped and tunnelled, and a rebound name is a name with any.
fn is_meant(host: &Authority, own: IpAddr) -> bool {
    let host = host.host();
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || literal.is_ok_and(|literal| literal == own || own.is_unspecified())
}

/// `Bearer TOKEN` (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(own: &str, host: &str, uri: &str) -> bool {
        let request = hyper::Request::builder().uri(uri).header(HOST, host).body(()).unwrap();
        Door::Tcp(own.parse().unwrap()).refusal(&request.into_parts().0).is_some()
    }

    #[test]
    fn only_who_means_this_host_is_heard() {
        let own = "127.0.0.1:9900";
        for host in ["127.0.0.1:9900", "127.0.0.1", "localhost", "LOCALHOST:1"] {
            assert!(!refused(own, host, "/livez"), "{host}");
        }
        for host in ["evil.test:9900", "127.0.0.1.evil.test", "localhost.evil.test", "10.0.0.1", "", "a b", "[::1]"] {
            assert!(refused(own, host, "/livez"), "{host}");
        }
        assert!(refused(own, "localhost", "http://evil.test/livez"));
        assert!(!refused("[::1]:9900", "[::1]:9900", "/livez"));
        assert!(!refused("0.0.0.0:9900", "10.1.2.3:9900", "/livez"));
        assert!(refused("0.0.0.0:9900", "evil.test:9900", "/livez"));
    }

    #[test]
    fn a_request_without_a_host_or_with_two_is_refused() {
        let door = Door::Tcp("127.0.0.1:9900".parse().unwrap());
        let none = hyper::Request::builder().uri("/livez").body(()).unwrap();
        assert!(door.refusal(&none.into_parts().0).is_some());
        let two = hyper::Request::builder().header(HOST, "localhost").header(HOST, "localhost").body(()).unwrap();
        assert!(door.refusal(&two.into_parts().0).is_some());
    }

    #[test]
    fn the_token_is_what_follows_bearer() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for other in [&b""[..], b"Bearer", b"Basic abc", b"abc", "Bearér abc".as_bytes()] {
            assert_eq!(bearer(other), None);
        }
    }
}
