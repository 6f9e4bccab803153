//! Who may ask, and who may change. Must not know: what is asked for.

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

/// Why a request was refused before anybody looked at what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Refused {
    /// It names another host.
    Host,
    /// It would change something, and shows no token.
    NoToken,
    WrongToken,
    /// Nothing can be changed here.
    Closed,
}

/// Why a request is not even looked at, and what is answered.
pub(in crate::admin) type Refusal = (Refused, Answer);

impl Refused {
    pub(in crate::admin) const ALL: [Self; 4] = [Self::Host, Self::NoToken, Self::WrongToken, Self::Closed];

    /// As the metrics and the log name it.
    pub(in crate::admin) fn label(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Closed => "closed",
        }
    }
}

/// Refuses a request that was meant for another host. A browser that an attacker leads here, by a name of the attacker's that
/// resolves to this address (DNS rebinding), sends that name. A browser always sends a host; a request without one is no
/// browser's.
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
    // A full URI counts like the header (RFC 9112 section 3.2.2), and neither excuses the other.
    let meant = [host.as_ref(), request.uri.authority()];
    let is_meant = |host| is_meant(host, address.ip(), names);
    let fine = (is_absent || host.is_some()) && meant.into_iter().flatten().all(is_meant);
    let reason =
        "the Host header does not name this server (expected its IP address, localhost, or a name in hosts of [admin])";
    (!fine).then(|| (Refused::Host, Answer::error(StatusCode::MISDIRECTED_REQUEST, reason)))
}

/// Refuses a change by who may not make it. On a Unix socket its permissions have decided that.
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
            return closed("changes are not allowed now: the token file cannot be used, and the log says why");
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

/// Reads the token aside: the file may be on a disk that does not answer, and others are served meanwhile.
async fn read(file: &Located<PathBuf>, readers: &Arc<Semaphore>) -> Result<Token, ConfigError> {
    let late = || file.error(format!("{}: could not be read in time", file.value.display()));
    let reading = async {
        // Where earlier readers still wait for it, this one waits for them, and takes no further thread.
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

/// Ports do not matter: they are mapped and tunnelled, and a rebound name is a name with any.
fn is_meant(host: &Authority, own: IpAddr, names: &[HostName]) -> bool {
    let Some(host) = HostName::parse(host.host()) else { return false };
    let is_own = |literal: IpAddr| literal == own || own.is_unspecified();
    host.0 == "localhost" || host.0.parse().is_ok_and(is_own) || names.contains(&host)
}

/// `Bearer TOKEN` (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// For the token to be read.
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
    fn only_who_means_this_host_is_heard() {
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
    fn a_request_without_a_host_is_heard_and_one_with_two_is_not() {
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
