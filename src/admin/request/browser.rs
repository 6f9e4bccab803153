//! What only browsers send: where a form comes from, and cookies. Must not know: what is requested, who may do what.

use hyper::HeaderMap;
use hyper::header::{COOKIE, HOST, ORIGIN};
use zeroize::Zeroizing;

/// Whether a form was sent by a page of this server. A browser adds these headers to each form, and a page cannot change
/// them; whoever is no browser can use the API.
pub(in crate::admin) fn is_of_own_page(headers: &HeaderMap) -> bool {
    let only = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    // Only a page that the browser trusts has this one (Fetch Metadata), but then it is decisive.
    let site = only("sec-fetch-site").map(|site| site == "same-origin");
    let own = only(HOST.as_str()).zip(only(ORIGIN.as_str())).map(|(host, origin)| {
        let origin = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    });
    match (site, own) {
        // A server in front may give this one another name than the browser knows.
        (Some(is_own), _) => is_own,
        (None, own) => own.unwrap_or(false) && !headers.contains_key("sec-fetch-site"),
    }
}

/// The value of a cookie.
pub(in crate::admin) fn cookie(headers: &HeaderMap, name: &str) -> Option<Zeroizing<String>> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| Zeroizing::new(value.to_owned()))
}

/// The name of the cookie of this server. Browsers do not tell ports apart, so the name has the port that the browser knows:
/// several of these servers on one machine, or behind one tunnel, must not end each other's sessions. `is_secure`: over TLS,
/// where a browser lets no other server set a cookie of this name (RFC 6265bis, section 4.1.3.2).
pub(in crate::admin) fn cookie_name(headers: &HeaderMap, is_secure: bool) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let port = if port.bytes().all(|byte| byte.is_ascii_digit()) { port } else { "" };
    format!("{}tlsgate{port}", if is_secure { "__Host-" } else { "" })
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_forms_of_own_pages_are_accepted() {
        let host = ("host", "127.0.0.1:9900");
        for own in [
            &[host, ("origin", "http://127.0.0.1:9900")][..],
            &[("host", "Admin.test"), ("origin", "https://admin.test")],
            &[host, ("origin", "https://front.test"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(is_of_own_page(&headers(own)), "{own:?}");
        }
        for other in [
            &[][..],
            &[host],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://127.0.0.1:9901")],
            &[host, ("origin", "http://127.0.0.1:9900.evil.test")],
            &[host, ("origin", "ftp://127.0.0.1:9900")],
            &[host, ("origin", "http://127.0.0.1:9900"), ("origin", "http://evil.test")],
            &[host, ("origin", "http://127.0.0.1:9900"), ("sec-fetch-site", "same-site")],
            &[host, ("origin", "http://127.0.0.1:9900"), ("sec-fetch-site", "cross-site")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!is_of_own_page(&headers(other)), "{other:?}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let sent = headers(&[("cookie", "a=1; tlsgate9900=x=y"), ("cookie", "tlsgate=z")]);
        let found = |name: &str| cookie(&sent, name).map(|value| value.to_string());
        assert_eq!(
            (found("tlsgate9900"), found("tlsgate"), found("tls")),
            (Some("x=y".into()), Some("z".into()), None)
        );
        let name = |host: &'static str, is_secure| cookie_name(&headers(&[("host", host)]), is_secure);
        assert_eq!(
            (name("localhost:9900", false), name("admin.test", true)),
            ("tlsgate9900".into(), "__Host-tlsgate".into())
        );
        assert_eq!((name("[::1]", false), name("[::1]:80", false)), ("tlsgate".into(), "tlsgate80".into()));
    }
}
