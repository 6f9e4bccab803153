//! Who may make requests, and who may make changes. Must not know: what is requested.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HOST};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::admin::connection::door::Door;
use crate::admin::request::answer::Answer;
use crate::admin::request::token;
use crate::admin::request::token::Token;
use crate::config::located::{ConfigError, Located};
use crate::config::validate::admin::Admin;
use crate::config::values::HostName;

/// Why a request was refused, whatever it requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Refused {
    /// It names another host.
    Host,
    /// It would change something, and has no token.
    NoToken,
    WrongToken,
    /// Changes are not allowed.
    Closed,
}

/// The reason of a refusal, and the answer.
pub(in crate::admin) type Refusal = (Refused, Answer);

impl Refused {
    pub(in crate::admin) const ALL: [Self; 4] = [Self::Host, Self::NoToken, Self::WrongToken, Self::Closed];

    /// Its name in the metrics and the log.
    pub(in crate::admin) fn label(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Closed => "closed",
        }
    }
}

/// Refuses a request that is meant for another host.
// Against DNS rebinding: a web page of an attacker, whose name resolves to this address, makes a browser send that name.
// Browsers always send a host, so a request without one is not from a browser.
pub(in crate::admin) fn host_refusal(door: &Door, request: &Parts, names: &[HostName]) -> Option<Refusal> {
    let Door::Tcp(address) = door else { return None };
    let mut hosts = request.headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        let several = Answer::error(StatusCode::BAD_REQUEST, "found several Host headers, expected one");
        return Some((Refused::Host, several));
    }
    let is_absent = host.is_none();
    let host = host.and_then(|host| host.to_str().ok()).and_then(|host| host.parse().ok());
    // The host may also be in a full URI (RFC 9112 section 3.2.2). Where both are present, both must be right.
    let meant = [host.as_ref(), request.uri.authority()];
    let is_meant = |host| is_meant(host, address.ip(), names);
    let fine = (is_absent || host.is_some()) && meant.into_iter().flatten().all(is_meant);
    let reason =
        "the Host header does not name this server (expected its IP address, localhost, or a name in hosts of [admin])";
    (!fine).then(|| (Refused::Host, Answer::error(StatusCode::MISDIRECTED_REQUEST, reason)))
}

/// Refuses a change without the right token. On a Unix socket, the permissions of its file decide instead.
pub(in crate::admin) async fn change_refusal(
    door: &Door,
    headers: &HeaderMap,
    config: &Admin,
    readers: &Arc<Semaphore>,
) -> Option<Refusal> {
    if matches!(door, Door::Unix(_)) {
        return None;
    }
    let closed = |reason| Some((Refused::Closed, Answer::error(StatusCode::FORBIDDEN, reason)));
    let Some(file) = &config.token_file else {
        return closed(
            "changes are not allowed here: name a file with a token as token_file in [admin], or use a Unix socket",
        );
    };
    let token = match read(file, readers).await {
        Ok(token) => token,
        Err(error) => {
            tracing::error!("a change through the admin API is refused: {error}");
            return closed("changes are not allowed now: the token file cannot be used (the log has the reason)");
        }
    };
    let presented = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    let (why, reason) = match presented {
        Some(presented) if token.is(presented) => return None,
        Some(_) => (Refused::WrongToken, "the token is wrong"),
        None => (Refused::NoToken, "a change needs the token (expected \"Authorization: Bearer TOKEN\")"),
    };
    Some((why, Answer::unauthorized(reason)))
}

/// Reads the token on another thread: the file may be on a disk that does not answer, and other requests must not wait.
async fn read(file: &Located<PathBuf>, readers: &Arc<Semaphore>) -> Result<Token, ConfigError> {
    let late = || file.error(format!("{}: could not be read in time", file.value.display()));
    let reading = async {
        // Where all permitted threads still wait for the file, this request waits too, instead of adding a thread.
        let Ok(turn) = Arc::clone(readers).acquire_owned().await else { return Err(late()) };
        let wanted = file.clone();
        let read = spawn_blocking(move || {
            let _turn = turn;
            token::read(&wanted)
        });
        read.await.unwrap_or_else(|_| Err(late()))
    };
    timeout(PATIENCE, reading).await.unwrap_or_else(|_| Err(late()))
}

/// Whether a host names this server. Ports are ignored.
fn is_meant(host: &Authority, own: IpAddr, names: &[HostName]) -> bool {
    // Ports are often mapped or tunnelled, and an attacker's name is wrong with any port.
    let Some(host) = HostName::parse(host.host()) else { return false };
    let is_own = |literal: IpAddr| literal == own || own.is_unspecified();
    host.0 == "localhost" || host.0.parse().is_ok_and(is_own) || names.contains(&host)
}

/// `Bearer TOKEN` (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// How long reading the token may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(own: &str, host: &str, uri: &str) -> bool {
        let request = hyper::Request::builder().uri(uri).header(HOST, host).body(()).unwrap();
        let names = ["tlsgate", "203.0.113.5"].map(|name| HostName::parse(name).unwrap());
        host_refusal(&Door::Tcp(own.parse().unwrap()), &request.into_parts().0, &names).is_some()
    }

    #[test]
    fn only_requests_for_this_host_are_accepted() {
        let own = "127.0.0.1:9900";
        for host in
            ["127.0.0.1:9900", "127.0.0.1", "localhost", "LOCALHOST:1", "TLSgate:80", "tlsgate.", "203.0.113.5:1"]
        {
            assert!(!refused(own, host, "/livez"), "{host}");
        }
        for host in [
            "evil.test:9900",
            "127.0.0.1.evil.test",
            "tlsgate.evil.test",
            "evil.tlsgate",
            "*",
            "10.0.0.1",
            "",
            "a b",
            "[::1]",
        ] {
            assert!(refused(own, host, "/livez"), "{host}");
        }
        assert!(refused(own, "localhost", "http://evil.test/livez"));
        assert!(!refused("[::1]:9900", "[::1]:9900", "/livez"));
        assert!(!refused("0.0.0.0:9900", "10.1.2.3:9900", "/livez"));
        assert!(refused("0.0.0.0:9900", "evil.test:9900", "/livez"));
    }

    #[test]
    fn a_request_without_a_host_is_accepted_and_one_with_two_is_not() {
        let door = Door::Tcp("127.0.0.1:9900".parse().unwrap());
        let none = |uri: &str| hyper::Request::builder().uri(uri).body(()).unwrap().into_parts().0;
        assert!(host_refusal(&door, &none("/livez"), &[]).is_none());
        assert!(host_refusal(&door, &none("http://evil.test/livez"), &[]).is_some());
        let two = hyper::Request::builder().header(HOST, "localhost").header(HOST, "localhost").body(()).unwrap();
        assert!(host_refusal(&door, &two.into_parts().0, &[]).is_some());
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
