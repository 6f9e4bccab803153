//! What an authority may issue for: domains and addresses ↔ name constraints (RFC 5280 section 4.2.1.10). Must not know:
//! files, keys, requests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};

use crate::authority::error::AuthorityError;
use crate::authority::subject::Identity;
use crate::tls::certificate::name::Name;

/// Domains and address ranges. Without any, everything is permitted. Email addresses and URIs always are, since software
/// disagrees about constraints for these, and so are common names that do not look like a DNS name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permitted {
    domains: Vec<Box<str>>,
    ranges: Vec<IpNet>,
}

impl Permitted {
    /// Reads domains such as `example.com`, which permit it and everything below, and ranges such as `10.0.0.0/8`.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, AuthorityError> {
        let mut permitted = Self::default();
        for text in texts {
            let text = text.as_ref();
            let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            match (range, Name::parse(text.strip_prefix('.').unwrap_or(text))) {
                (Ok(range), _) => permitted.ranges.push(range.trunc()),
                // Without its dots an address is written as one, and would be read as one.
                (Err(_), Ok(Name::Exact(domain))) if domain.parse::<IpAddr>().is_err() => {
                    permitted.domains.push(domain)
                }
                _ => {
                    let message = format!("found {text:?}, expected a domain or a range of addresses to permit");
                    return Err(AuthorityError::Name(message));
                }
            }
        }
        Ok(permitted)
    }

    /// As it is written.
    pub fn texts(&self) -> Vec<String> {
        let domains = self.domains.iter().map(ToString::to_string);
        domains.chain(self.ranges.iter().map(ToString::to_string)).collect()
    }

    /// An error if one of the names is not permitted.
    pub fn allow_all(&self, names: &[Identity]) -> Result<(), AuthorityError> {
        match names.iter().find(|name| !self.permits(name)) {
            Some(name) => {
                Err(AuthorityError::NotPermitted { name: name.to_string(), permitted: self.texts().join(", ") })
            }
            None => Ok(()),
        }
    }

    fn permits(&self, name: &Identity) -> bool {
        match name {
            _ if self.domains.is_empty() && self.ranges.is_empty() => true,
            Identity::Dns(Name::Exact(name) | Name::Wildcard(name)) => {
                let below =
                    |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                self.domains.iter().any(|domain| below(domain))
            }
            Identity::Ip(address) => self.ranges.iter().any(|range| range.contains(address)),
            // Clients apply the constraints to such a common name too.
            Identity::Common(name) if name.contains('.') => {
                Name::parse(name).map_or(true, |name| self.permits(&Identity::Dns(name)))
            }
            Identity::Email(_) | Identity::Uri(_) | Identity::Common(_) => true,
        }
    }

    /// The extension, if there is to be one. A kind of name that is not permitted at all is excluded: an extension that does
    /// not mention it would permit it.
    pub(super) fn constraints(&self) -> Option<NameConstraints> {
        if self.domains.is_empty() && self.ranges.is_empty() {
            return None;
        }
        let domains = self.domains.iter().map(|domain| GeneralSubtree::DnsName(domain.to_string()));
        let ranges = self.ranges.iter().map(|range| subtree(range.addr(), range.prefix_len()));
        let mut excluded_subtrees = Vec::new();
        if self.domains.is_empty() {
            // The empty name is above all names.
            excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
        }
        for all in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
            if !self.ranges.iter().any(|range| range.addr().is_ipv4() == all.is_ipv4()) {
                excluded_subtrees.push(subtree(all, 0));
            }
        }
        Some(NameConstraints { permitted_subtrees: domains.chain(ranges).collect(), excluded_subtrees })
    }
}

fn subtree(address: IpAddr, prefix: u8) -> GeneralSubtree {
    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::subject::Purpose;

    #[test]
    fn domains_permit_what_is_below_them() {
        let permitted = Permitted::parse(&["example.com", ".Other.test", "10.0.0.0/8", "fd00::/8"]).unwrap();
        assert_eq!(permitted.texts(), ["example.com", "other.test", "10.0.0.0/8", "fd00::/8"]);
        for (name, may) in [
            ("example.com", true),
            ("a.b.example.com", true),
            ("*.example.com", true),
            ("notexample.com", false),
            ("example.org", false),
            ("*.com", false),
            ("10.9.8.7", true),
            ("11.0.0.1", false),
            ("fd00::1", true),
            ("cn:anything", true),
            ("cn:Any thing.", true),
            ("cn:any.thing", false),
        ] {
            let name = [Identity::parse(name, Purpose::Server).unwrap()];
            assert_eq!(permitted.allow_all(&name).is_ok(), may, "{name:?}");
        }
        assert!(Permitted::default().allow_all(&[Identity::parse("any.test", Purpose::Server).unwrap()]).is_ok());
        for wrong in ["*.example.com", "a b", "10.0.0.0/99", "", ".10.0.0.1", "10.0.0.1."] {
            assert!(Permitted::parse(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_mentioned_is_excluded() {
        let excluded = |texts: &[&str]| {
            let constraints = Permitted::parse(texts).unwrap().constraints().unwrap();
            assert_eq!(constraints.permitted_subtrees.len(), texts.len());
            constraints.excluded_subtrees.len()
        };
        assert_eq!(excluded(&["a.test"]), 2, "IPv4 and IPv6");
        assert_eq!(excluded(&["10.0.0.0/8"]), 2, "names and IPv6");
        assert_eq!(excluded(&["a.test", "10.0.0.0/8", "fd00::/8"]), 0);
        assert_eq!(Permitted::default().constraints(), None);
    }
}
