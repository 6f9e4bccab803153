//! Who a certificate is for: names as texts ↔ names as a certificate has them. Must not know: files, keys, requests.

use std::fmt;
use std::net::IpAddr;

use rcgen::{DnType, SanType};

use crate::authority::error::AuthorityError;
use crate::tls::certificate::name::Name;
use crate::tls::certificate::x509;

/// What a certificate is for (RFC 5280 section 4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Server,
    Client,
}

/// A name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    Dns(Name),
    Ip(IpAddr),
    Email(String),
    Uri(String),
    /// The common name of the subject.
    Common(String),
}

impl Identity {
    /// Reads `dns:NAME`, `ip:ADDRESS`, `email:ADDRESS`, `uri:URI` or `cn:NAME`. Without a prefix, an IP address is one; else
    /// a server's name is a DNS name, and a client's an email address, a URI or a common name.
    pub fn parse(text: &str, purpose: Purpose) -> Result<Self, AuthorityError> {
        match text.split_once(':') {
            Some(("dns", name)) => dns(name),
            Some(("ip", address)) => address.parse().map(Self::Ip).map_err(|_| wrong(text, "an IP address")),
            Some(("email", address)) => email(address),
            Some(("uri", uri)) => self::uri(uri),
            Some(("cn", name)) => common(name),
            _ => match (text.parse(), purpose) {
                (Ok(address), _) => Ok(Self::Ip(address)),
                (Err(_), Purpose::Server) => dns(text),
                (Err(_), Purpose::Client) if text.contains("://") => self::uri(text),
                (Err(_), Purpose::Client) if text.contains('@') => email(text),
                (Err(_), Purpose::Client) => common(text),
            },
        }
    }

    /// Whether a certificate may have `asked` where this name is allowed: the same name, or one that this wildcard covers.
    pub fn allows(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Dns(Name::Wildcard(parent)), Self::Dns(Name::Exact(name))) => {
                name.split_once('.').is_some_and(|(_, rest)| *rest == **parent)
            }
            _ => self == asked,
        }
    }

    /// The name as the SAN extension has it; `None` for a common name.
    pub(super) fn alternative(&self) -> Result<Option<SanType>, rcgen::Error> {
        Ok(Some(match self {
            Self::Dns(name) => SanType::DnsName(name.to_string().try_into()?),
            Self::Ip(address) => SanType::IpAddress(*address),
            Self::Email(address) => SanType::Rfc822Name(address.as_str().try_into()?),
            Self::Uri(uri) => SanType::URI(uri.as_str().try_into()?),
            Self::Common(_) => return Ok(None),
        }))
    }

    /// The name as a part of a file's name.
    pub fn stem(&self) -> String {
        let text = match self {
            Self::Dns(name) => name.to_string(),
            Self::Ip(address) => address.to_string(),
            Self::Email(text) | Self::Uri(text) | Self::Common(text) => text.clone(),
        };
        let fit = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
        let stem: String = text.chars().map(|c| if fit(c) { c } else { '_' }).take(LONGEST_STEM).collect();
        // A file whose name begins with a dot is hidden.
        if stem.starts_with('.') { format!("_{stem}") } else { stem }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => name.fmt(f),
            Self::Ip(address) => address.fmt(f),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::Common(name) => write!(f, "cn:{name}"),
        }
    }
}

/// The names of one certificate: each once, and enough for its purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    names: Vec<Identity>,
    pub purpose: Purpose,
}

impl Subject {
    /// An error if there are too few names, or names that clients would ignore.
    pub fn new(names: impl IntoIterator<Item = Identity>, purpose: Purpose) -> Result<Self, AuthorityError> {
        let mut each = Vec::new();
        for name in names {
            if !each.contains(&name) {
                each.push(name);
            }
        }
        let serves = |name: &Identity| matches!(name, Identity::Dns(_) | Identity::Ip(_));
        if purpose == Purpose::Server && !each.iter().any(serves) {
            return Err(AuthorityError::Name("expected a DNS name or an IP address for a server's certificate".into()));
        }
        if each.is_empty() {
            return Err(AuthorityError::Name("expected at least one name".into()));
        }
        if each.iter().filter(|name| matches!(name, Identity::Common(_))).count() > 1 {
            return Err(AuthorityError::Name("found several common names, expected at most one".into()));
        }
        Ok(Self { names: each, purpose })
    }

    pub fn names(&self) -> &[Identity] {
        &self.names
    }

    /// The distinguished name: a common name, or nothing if no name fits into one. Never an IP address: clients take a common
    /// name for a DNS name, and name constraints would refuse it.
    pub(super) fn distinguished(&self) -> rcgen::DistinguishedName {
        let given = self.names.iter().find_map(|name| match name {
            Identity::Common(name) => Some(name.clone()),
            _ => None,
        });
        let first = self.names.iter().find_map(|name| match name {
            Identity::Email(text) | Identity::Uri(text) => Some(text.clone()),
            Identity::Dns(name) => Some(name.to_string()),
            Identity::Ip(_) | Identity::Common(_) => None,
        });
        let mut distinguished = rcgen::DistinguishedName::new();
        if let Some(common) = given.or(first).filter(|name| name.chars().count() <= LONGEST_COMMON) {
            distinguished.push(DnType::CommonName, common);
        }
        distinguished
    }
}

fn dns(text: &str) -> Result<Identity, AuthorityError> {
    match Name::parse(text) {
        // An address with a dot behind it would be shown as one, and read as one.
        Ok(Name::Exact(name)) if name.parse::<IpAddr>().is_ok() => Err(wrong(text, "a DNS name")),
        Ok(name) => Ok(Identity::Dns(name)),
        Err(error) => Err(AuthorityError::Name(error.to_string())),
    }
}

fn email(text: &str) -> Result<Identity, AuthorityError> {
    let whole = text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && Name::parse(host).is_ok());
    match whole && is_graphic(text) {
        true => Ok(Identity::Email(text.to_owned())),
        false => Err(wrong(text, "an email address")),
    }
}

fn uri(text: &str) -> Result<Identity, AuthorityError> {
    let whole = text
        .split_once(':')
        .is_some_and(|(scheme, rest)| !rest.is_empty() && scheme.starts_with(|c: char| c.is_ascii_alphabetic()));
    match whole && is_graphic(text) {
        true => Ok(Identity::Uri(text.to_owned())),
        false => Err(wrong(text, "a URI with a scheme")),
    }
}

fn common(text: &str) -> Result<Identity, AuthorityError> {
    // It is shown to people, and may come from anyone's request.
    let visible = x509::printable(text) == text;
    let fits = !text.trim().is_empty() && text.chars().count() <= LONGEST_COMMON && visible;
    match fits {
        true => Ok(Identity::Common(text.to_owned())),
        false => Err(wrong(text, "a common name of 1 to 64 visible characters")),
    }
}

fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn wrong(text: &str, expected: &str) -> AuthorityError {
    AuthorityError::Name(format!("found {text:?}, expected {expected}"))
}

/// ub-common-name (RFC 5280 appendix A.1), in characters.
const LONGEST_COMMON: usize = 64;

/// Characters of a name in a file's name.
const LONGEST_STEM: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, purpose: Purpose) -> String {
        match Identity::parse(text, purpose) {
            Ok(Identity::Dns(name)) => format!("dns {name}"),
            Ok(Identity::Ip(address)) => format!("ip {address}"),
            Ok(Identity::Email(text)) => format!("email {text}"),
            Ok(Identity::Uri(text)) => format!("uri {text}"),
            Ok(Identity::Common(text)) => format!("cn {text}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_name_is_what_it_looks_like_for_its_purpose() {
        for (text, server, client) in [
            ("Web.Internal.", "dns web.internal", "cn Web.Internal."),
            ("*.internal", "dns *.internal", "cn *.internal"),
            ("10.1.2.3", "ip 10.1.2.3", "ip 10.1.2.3"),
            ("fd00::1", "ip fd00::1", "ip fd00::1"),
            ("dns:web", "dns web", "dns web"),
            ("cn:a b", "cn a b", "cn a b"),
            ("email:a@b.test", "email a@b.test", "email a@b.test"),
            ("uri:spiffe://x/y", "uri spiffe://x/y", "uri spiffe://x/y"),
        ] {
            assert_eq!(parsed(text, Purpose::Server), server);
            assert_eq!(parsed(text, Purpose::Client), client);
        }
        assert_eq!(parsed("a@b.test", Purpose::Client), "email a@b.test");
        assert_eq!(parsed("spiffe://x/y", Purpose::Client), "uri spiffe://x/y");
        for text in ["ip:1.2.3", "email:b.test", "email:@b.test", "uri:x", "cn:", "dns:a b", "cn:a\nb", "cn:a\u{202e}b"]
        {
            assert!(Identity::parse(text, Purpose::Client).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_no_dns_name() {
        for text in ["10.1.2.3.", "dns:10.1.2.3", "dns:10.1.2.3."] {
            assert!(Identity::parse(text, Purpose::Server).is_err(), "{text}");
        }
        assert!(Identity::parse("3.2.1.10.in-addr.arpa", Purpose::Server).is_ok());
    }

    #[test]
    fn a_wildcard_allows_one_label() {
        let server = |text: &str| Identity::parse(text, Purpose::Server).unwrap();
        for (allowed, asked, may) in [
            ("a.test", "a.test", true),
            ("a.test", "b.test", false),
            ("*.a.test", "b.a.test", true),
            ("*.a.test", "*.a.test", true),
            ("*.a.test", "a.test", false),
            ("*.a.test", "c.b.a.test", false),
            ("b.a.test", "*.a.test", false),
            ("10.0.0.1", "10.0.0.1", true),
        ] {
            assert_eq!(server(allowed).allows(&server(asked)), may, "{allowed} {asked}");
        }
    }

    #[test]
    fn a_subject_has_names_that_count() {
        let of = |names: &[&str], purpose| {
            let names: Vec<_> = names.iter().map(|name| Identity::parse(name, purpose).unwrap()).collect();
            Subject::new(names, purpose)
        };
        assert_eq!(of(&["a.test", "a.test", "10.0.0.1"], Purpose::Server).unwrap().names().len(), 2);
        assert!(of(&["cn:a.test"], Purpose::Server).is_err());
        assert!(of(&[], Purpose::Client).is_err());
        assert!(of(&["alice", "bob"], Purpose::Client).is_err());
        let long = format!("{}.test", ["abcdefgh"; 10].join("."));
        let common = |names: &[&str], purpose| {
            let subject = of(names, purpose).unwrap();
            subject.distinguished().get(&DnType::CommonName).cloned()
        };
        assert_eq!(common(&["a.test", "b.test"], Purpose::Server), Some("a.test".into()));
        assert_eq!(common(&["a.test", "cn:The Service"], Purpose::Server), Some("The Service".into()));
        assert_eq!(common(&[&long], Purpose::Server), None);
        assert_eq!(common(&["10.0.0.1"], Purpose::Server), None);
        assert_eq!(common(&["a@b.test"], Purpose::Client), Some("a@b.test".into()));
    }

    #[test]
    fn a_file_name_has_no_odd_characters() {
        for (text, stem) in
            [("*.a.test", "_.a.test"), ("fd00::1", "fd00__1"), ("uri:x://../..", "x___.._.."), ("cn:../x", "_.._x")]
        {
            assert_eq!(Identity::parse(text, Purpose::Server).unwrap().stem(), stem);
        }
    }
}
