//! Names as they are compared: lower-case A-labels without a trailing dot (RFC 6125, RFC 5890).
//! Must not know: certificates, listeners.

use thiserror::Error;

/// A DNS name or a one-label wildcard in the form in which names are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// `ldap.example.com`
    Exact(Box<str>),
    /// `*.example.com`, held as `example.com`
    Wildcard(Box<str>),
}

/// Why a text is not a name by which a certificate can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("{0:?} is not a DNS name")]
    NotDns(String),
    #[error("{0:?}: a wildcard can only replace the whole first label, as in \"*.example.com\"")]
    Wildcard(String),
}

impl Name {
    /// Reads a name: non-ASCII labels become A-labels, upper case becomes lower case, one trailing dot is dropped.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let undotted = text.strip_suffix('.').unwrap_or(text);
        let (wildcard, rest) = match undotted.strip_prefix("*.") {
            Some(parent) => (true, parent),
            None => (false, undotted),
        };
        if rest.contains('*') {
            return Err(NameError::Wildcard(text.to_owned()));
        }
        let ascii = if rest.is_ascii() {
            rest.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(rest).map_err(|_| NameError::NotDns(text.to_owned()))?
        };
        if !is_dns(&ascii) {
            return Err(NameError::NotDns(text.to_owned()));
        }
        Ok(if wildcard { Self::Wildcard(ascii.into()) } else { Self::Exact(ascii.into()) })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// Lengths of RFC 1035 section 2.3.4; letters, digits, hyphen and, as in practice, underscore.
fn is_dns(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Name::parse(text).map_or_else(|error| error.to_string(), |name| name.to_string())
    }

    #[test]
    fn case_trailing_dot_and_script_do_not_count() {
        assert_eq!(shown("LDAP.Example.COM."), "ldap.example.com");
        assert_eq!(shown("bücher.example"), "xn--bcher-kva.example");
        assert_eq!(shown("BÜCHER.example"), "xn--bcher-kva.example");
        assert_eq!(shown("*.Bücher.example"), "*.xn--bcher-kva.example");
    }

    #[test]
    fn a_wildcard_is_the_whole_first_label() {
        assert_eq!(Name::parse("*.example.com"), Ok(Name::Wildcard("example.com".into())));
        for text in ["f*.example.com", "*.*.example.com", "a.*.example.com", "*"] {
            assert!(matches!(Name::parse(text), Err(NameError::Wildcard(_))), "{text}");
        }
    }

    #[test]
    fn what_is_no_dns_name_is_refused() {
        let long = "a".repeat(64) + ".example";
        let longer = ["abcdefgh"; 29].join(".");
        for text in
            ["", ".", "a..b", "a b.example", "a/b", "-a.example", "a-.example", "a\0b", "*.", "a..", &long, &longer]
        {
            assert!(Name::parse(text).is_err(), "{text:?}");
        }
    }
}
