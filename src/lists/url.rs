//! The address of a list: a URL of the web. Must not know: what is there.

use std::fmt;

use hyper::Uri;

use crate::tls::crypto;

/// A URL with the scheme `http` or `https`, without user or fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Url {
    text: String,
    /// Whether the scheme is `https`.
    pub secure: bool,
    /// A name, or an IP address without brackets.
    pub host: String,
    pub port: u16,
    /// With the query. It begins with a slash.
    pub path: String,
}

impl Url {
    /// The error is what was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("found {:?}, {why}", shortened(text));
        if text.len() > LONGEST {
            return Err(wrong("expected a shorter URL"));
        }
        // hyper would leave a fragment out, which is not part of what is asked for.
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let uri: Uri = text.parse().map_err(|_| wrong(EXPECTED))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong(EXPECTED)),
        };
        let authority = uri.authority().ok_or_else(|| wrong(EXPECTED))?;
        if authority.as_str().contains('@') {
            return Err(wrong("expected a URL without a user"));
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let has_port = authority.as_str().rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let port = match authority.port_u16() {
            Some(0) => return Err(wrong("expected a port of 1 to 65535")),
            Some(port) => port,
            None if has_port => return Err(wrong("expected a port of 1 to 65535")),
            None if secure => 443,
            None => 80,
        };
        if host.is_empty() {
            return Err(wrong(EXPECTED));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { text: text.to_owned(), secure, host: host.to_ascii_lowercase(), port, path })
    }

    /// Where a redirect leads (RFC 9110 section 10.2.2).
    pub fn redirected(&self, location: &str) -> Result<Self, String> {
        if has_scheme(location) {
            return Self::parse(location);
        }
        let scheme = if self.secure { "https" } else { "http" };
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let path = self.path.split('?').next().unwrap_or("/");
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = if location.starts_with('/') { location.to_owned() } else { format!("{folder}/{location}") };
        Self::parse(&format!("{scheme}://{}{path}", self.authority()))
    }

    /// Host and port, as `Host` has them (RFC 9110 section 7.2).
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Host and port, always both.
    pub fn host_and_port(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }

    /// A name for files: the host is for the person who looks into the folder.
    pub fn stem(&self) -> String {
        let hash = crypto::sha256(self.text.as_bytes());
        let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' };
        let host: String = self.host.chars().map(plain).take(64).collect();
        // A name that begins with a dot would be hidden.
        format!("{}-{short}", host.trim_start_matches('.'))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether it begins with a scheme (RFC 3986 section 3.1). A path or a query may hold a whole URL.
fn has_scheme(location: &str) -> bool {
    location.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

const EXPECTED: &str = "expected a URL such as \"http://crl.example.com/ca.crl\"";

const LONGEST: usize = 2048;

const SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn urls_are_taken_apart() {
        let parts = |text: &str| {
            let url = url(text);
            (url.secure, url.host.clone(), url.port, url.path.clone(), url.authority())
        };
        let of = |secure, host: &str, port, path: &str, authority: &str| {
            (secure, host.to_owned(), port, path.to_owned(), authority.to_owned())
        };
        assert_eq!(parts("http://Crl.Test/a.crl?x=1#y"), of(false, "crl.test", 80, "/a.crl?x=1", "crl.test"));
        assert_eq!(parts("HTTPS://crl.test:8443"), of(true, "crl.test", 8443, "/", "crl.test:8443"));
        assert_eq!(parts("http://[::1]:80/a"), of(false, "::1", 80, "/a", "[::1]"));
        for wrong in [
            "",
            "crl.test",
            "ldap://crl.test/a",
            "file:///etc/passwd",
            "http://",
            "http:///a",
            "http://u:p@crl.test/",
            "http://crl.test:0/",
            "http://crl.test:/",
            "http://crl.test:99999/",
            "http://crl.test/a b",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(Url::parse(&format!("http://a/{}", "a".repeat(LONGEST))).unwrap_err().len() < 200);
    }

    #[test]
    fn redirects_lead_to_urls_of_the_web() {
        let from = url("http://a.test:81/b/c.crl?d=/e");
        for (location, to) in [
            ("https://x.test/y", "https://x.test/y"),
            ("//x.test/y", "http://x.test/y"),
            ("/y", "http://a.test:81/y"),
            ("y", "http://a.test:81/b/y"),
            ("?z", "http://a.test:81/b/?z"),
            ("/y?u=http://x.test/", "http://a.test:81/y?u=http://x.test/"),
            ("y/http://x.test/", "http://a.test:81/b/y/http://x.test/"),
            ("//x.test/y?u=http://z.test/", "http://x.test/y?u=http://z.test/"),
        ] {
            assert_eq!(from.redirected(location).unwrap().to_string(), to, "{location}");
        }
        for wrong in ["file:///etc/passwd", "ldap://x.test/", "http://", "http:y", "mailto:a@x.test"] {
            assert!(from.redirected(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_has_a_file_of_its_own() {
        let (one, other) = (url("http://a.test/1").stem(), url("http://a.test/2").stem());
        assert!(one.starts_with("a.test-") && one != other, "{one} {other}");
        assert!(url("http://../a").stem().starts_with('-'), "{}", url("http://../a").stem());
        assert!(url("http://[::1]/").stem().starts_with("__1-"));
    }

    #[test]
    fn no_prefix_of_a_url_is_more_than_an_error() {
        let whole = "https://crl.example.com:8443/a/b.crl?c=d#e";
        for end in 0..whole.len() {
            let _ = Url::parse(&whole[..end]).map(|url| (url.stem(), url.redirected(&whole[end..])));
        }
    }
}
