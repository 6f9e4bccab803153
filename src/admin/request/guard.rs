//! Who may make requests, and who may make changes. Must not know: what is requested.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ACCEPT_LANGUAGE, AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::admin::connection::caller::{Caller, Presented, Secured};
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
    /// A web page has sent it: with a certificate, which the browser presents for every page, or through a Unix socket that is
    /// forwarded to a port.
    Page,
    /// The requirements for client certificates have changed since the client's was judged.
    Outdated,
}

/// The reason of a refusal, and the answer.
pub(in crate::admin) type Refusal = (Refused, Answer);

impl Refused {
    pub(in crate::admin) const ALL: [Self; 6] =
        [Self::Host, Self::NoToken, Self::WrongToken, Self::Closed, Self::Page, Self::Outdated];

    /// Its name in the metrics and the log.
    pub(in crate::admin) fn label(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Closed => "closed",
            Self::Page => "page",
            Self::Outdated => "outdated_certificate",
        }
    }
}

/// Refuses a request that is meant for another host.
// Against DNS rebinding: a web page of an attacker, whose name resolves to this address, makes a browser send that name.
// Browsers always send a host, so a request without one is not from a browser.
pub(in crate::admin) fn host_refusal(caller: &Caller, request: &Parts, names: &[HostName]) -> Option<Refusal> {
    let own = match &*caller.door {
        Door::Tcp(address) => Some(address.ip()),
        // A Unix socket has no address that a name could resolve to. But where it is forwarded to a port, as ssh -L does for
        // a browser, web pages reach it too; then everything that they ask for counts as asked by its owner.
        Door::Unix(_) if is_of_browser(&request.headers) => None,
        Door::Unix(_) => return None,
    };
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
    let is_meant = |host| is_meant(host, own, names, caller.secured.as_ref());
    let fine = (is_absent || host.is_some()) && meant.into_iter().flatten().all(is_meant);
    let reason = "the Host header does not name this server (expected its IP address, localhost, a name in hosts of [admin], or a name of its certificate)";
    (!fine).then(|| (Refused::Host, Answer::error(StatusCode::MISDIRECTED_REQUEST, reason)))
}

/// Refuses a change without the right token or a client certificate; `judge` is the fingerprint of the requirements for
/// these that are in force. Where a Unix socket has a file, its permissions decide instead, but not for a web page.
pub(in crate::admin) async fn change_refusal(
    caller: &Caller,
    headers: &HeaderMap,
    config: &Admin,
    judge: Option<[u8; 32]>,
    readers: &Arc<Semaphore>,
) -> Option<Refusal> {
    if caller.door.has_permissions() {
        // The socket may be forwarded to a port, as ssh -L does for a browser, and then every web page reaches it.
        let refusal = page_refusal(headers, "permissions of the socket are");
        if refusal.is_none() || !headers.contains_key(AUTHORIZATION) {
            return refusal;
        }
    }
    if let Some(presented) = caller.presented() {
        match certificate_refusal(presented, headers, judge) {
            None => return None,
            // The token is as good with a certificate as without one.
            Some(refusal) if !headers.contains_key(AUTHORIZATION) => return Some(refusal),
            Some(_) => {}
        }
    }
    let token = match token(config, readers).await {
        Ok(token) => token,
        Err(refusal) => return Some(refusal),
    };
    let presented = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    let (why, reason) = match presented {
        Some(presented) if token.is(presented) => return None,
        Some(_) => (Refused::WrongToken, "the token is wrong"),
        None => (Refused::NoToken, "a change needs the token (expected \"Authorization: Bearer TOKEN\")"),
    };
    Some((why, Answer::unauthorized(reason)))
}

/// The token as it is now, or the refusal of every change that needs it.
pub(in crate::admin) async fn token(config: &Admin, readers: &Arc<Semaphore>) -> Result<Token, Refusal> {
    let closed = |reason| (Refused::Closed, Answer::error(StatusCode::FORBIDDEN, reason));
    let file = config.token_file.as_ref().ok_or_else(|| {
        closed(
            "changes are not allowed here: name a file with a token as token_file in [admin], ask for client certificates in [admin.tls], or use a Unix socket",
        )
    })?;
    read(file, readers).await.map_err(|error| {
        tracing::error!("a change through the admin API is refused: {error}");
        closed("changes are not allowed now: the token file cannot be used (the log has the reason)")
    })
}

/// Refuses a change by a client's certificate.
fn certificate_refusal(presented: &Presented, headers: &HeaderMap, judge: Option<[u8; 32]>) -> Option<Refusal> {
    if judge != Some(presented.judged_by) {
        let reason = "the requirements for client certificates have changed since this connection began: connect again";
        return Some((Refused::Outdated, Answer::error(StatusCode::FORBIDDEN, reason)));
    }
    // A browser presents the certificate for every page that makes it send a request here.
    page_refusal(headers, "client certificate is")
}

/// Refuses a change that a web page has sent, where `enough` would do for others.
fn page_refusal(headers: &HeaderMap, enough: &str) -> Option<Refusal> {
    // A browser adds these headers, and a page cannot leave them out.
    let foreign = |site: &HeaderValue| !matches!(site.as_bytes(), b"none" | b"same-origin");
    let is_foreign = headers.contains_key(ORIGIN) || headers.get_all("sec-fetch-site").iter().any(foreign);
    let reason = format!(
        "a web page has sent this request, so the {enough} not enough (expected \"Authorization: Bearer TOKEN\")"
    );
    is_foreign.then(|| (Refused::Page, Answer::error(StatusCode::FORBIDDEN, &reason)))
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

/// Whether a browser may have sent a request. All of them send a language, also where a page asks; the others are of pages
/// that change something, and of pages that a browser trusts.
fn is_of_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ACCEPT_LANGUAGE) || headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// Whether a host names this server, which has that address, or that of the machine on which a socket is forwarded. Ports are
/// ignored.
fn is_meant(host: &Authority, own: Option<IpAddr>, names: &[HostName], secured: Option<&Secured>) -> bool {
    // Ports are often mapped or tunnelled, and an attacker's name is wrong with any port.
    let Some(host) = HostName::parse(host.host()) else { return false };
    let is_own = |literal: IpAddr| match own {
        Some(own) => literal == own || own.is_unspecified(),
        None => literal.is_loopback(),
    };
    let is_certified = || secured.is_some_and(|secured| secured.is_named(&host.0));
    host.0 == "localhost" || host.0.parse().is_ok_and(is_own) || names.contains(&host) || is_certified()
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
    use crate::net::address::Address;
    use crate::net::stream::Stream;

    fn caller(door: &str) -> Caller {
        let (left, _) = std::os::unix::net::UnixStream::pair().unwrap();
        left.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let door = Arc::new(Door::Tcp(door.parse().unwrap()));
        Caller::new(&Stream::unix(left).unwrap(), &Address::Unix(PathBuf::new()), door)
    }

    #[test]
    fn only_the_file_of_a_unix_socket_takes_the_place_of_the_token() {
        let unix = |path: &str| Door::Unix(PathBuf::from(path)).has_permissions();
        assert!(unix("/run/tlsgate/admin.sock") && unix("admin.sock") && !unix("@admin"));
        assert!(!Door::Tcp("127.0.0.1:1".parse().unwrap()).has_permissions());
    }

    fn refused(own: &str, host: &str, uri: &str) -> bool {
        let request = hyper::Request::builder().uri(uri).header(HOST, host).body(()).unwrap();
        let names = ["tlsgate", "203.0.113.5"].map(|name| HostName::parse(name).unwrap());
        host_refusal(&caller(own), &request.into_parts().0, &names).is_some()
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
    fn a_browser_at_a_unix_socket_has_to_name_this_machine() {
        let mut caller = caller("127.0.0.1:9900");
        caller.door = Arc::new(Door::Unix(PathBuf::from("admin.sock")));
        let names = [HostName::parse("tlsgate").unwrap()];
        let refused = |host: &str, more: &str| {
            let request = hyper::Request::builder().uri("/").header(HOST, host);
            let request = if more.is_empty() { request } else { request.header(more, "x") };
            host_refusal(&caller, &request.body(()).unwrap().into_parts().0, &names).is_some()
        };
        for header in ["accept-language", "origin", "sec-fetch-site"] {
            assert!(refused("evil.test:9900", header) && refused("10.0.0.1", header), "{header}");
            assert!(!refused("localhost:1", header) && !refused("127.0.0.1:1", header) && !refused("[::1]:1", header));
            assert!(!refused("tlsgate", header), "{header}");
        }
        assert!(!refused("anything", ""), "what is no browser names what it likes");
    }

    #[test]
    fn a_request_without_a_host_is_accepted_and_one_with_two_is_not() {
        let caller = caller("127.0.0.1:9900");
        let none = |uri: &str| hyper::Request::builder().uri(uri).body(()).unwrap().into_parts().0;
        assert!(host_refusal(&caller, &none("/livez"), &[]).is_none());
        assert!(host_refusal(&caller, &none("http://evil.test/livez"), &[]).is_some());
        let two = hyper::Request::builder().header(HOST, "localhost").header(HOST, "localhost").body(()).unwrap();
        assert!(host_refusal(&caller, &two.into_parts().0, &[]).is_some());
    }

    #[test]
    fn a_certificate_is_enough_unless_a_web_page_uses_it_or_it_was_judged_by_others() {
        let presented = Presented { subject: "CN=a".into(), serial: "1".into(), judged_by: [1; 32] };
        let refused = |headers: &[(&'static str, &'static str)], judge| {
            let headers = headers
                .iter()
                .map(|(name, value)| (hyper::header::HeaderName::from_static(name), HeaderValue::from_static(value)));
            certificate_refusal(&presented, &headers.collect(), judge).map(|(why, _)| why)
        };
        for headers in [&[][..], &[("sec-fetch-site", "none")], &[("sec-fetch-site", "same-origin")]] {
            assert_eq!(refused(headers, Some([1; 32])), None, "{headers:?}");
        }
        for headers in [
            &[("origin", "https://evil.test")][..],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(refused(headers, Some([1; 32])), Some(Refused::Page), "{headers:?}");
        }
        for judge in [None, Some([2; 32])] {
            assert_eq!(refused(&[], judge), Some(Refused::Outdated));
        }
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
