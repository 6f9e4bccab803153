//! Address → allowed or not, by the most specific prefix that contains it. Must not know: whose addresses they are.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

/// Prefixes that are allowed and prefixes that are not.
#[derive(Debug, Clone)]
pub struct Prefixes {
    v4: PrefixMap<Ipv4Net, bool>,
    v6: PrefixMap<Ipv6Net, bool>,
    /// Whether an address is allowed that no prefix contains.
    otherwise: bool,
}

impl Prefixes {
    /// With an empty `allow`, every address is allowed that `deny` does not contain. Otherwise only those in `allow`
    /// are. A prefix in both lists is denied.
    pub fn new<'p>(allow: impl IntoIterator<Item = &'p IpNet>, deny: impl IntoIterator<Item = &'p IpNet>) -> Self {
        let mut prefixes = Self { v4: PrefixMap::new(), v6: PrefixMap::new(), otherwise: true };
        for prefix in allow {
            prefixes.otherwise = false;
            prefixes.insert(prefix, true);
        }
        // After `allow`, so that a prefix in both lists is denied.
        for prefix in deny {
            prefixes.insert(prefix, false);
        }
        prefixes
    }

    /// Whether the most specific prefix that contains the address is an allowed one.
    pub fn allows(&self, address: IpAddr) -> bool {
        // A socket for both families reports IPv4 clients as ::ffff:a.b.c.d.
        let found = match address.to_canonical() {
            IpAddr::V4(address) => self.v4.get_lpm(&address.into()).map(|(_, allowed)| *allowed),
            IpAddr::V6(address) => self.v6.get_lpm(&address.into()).map(|(_, allowed)| *allowed),
        };
        found.unwrap_or(self.otherwise)
    }

    fn insert(&mut self, prefix: &IpNet, allowed: bool) {
        // `trunc`: a prefix such as 192.0.2.1/24 has bits after its length, and would not be found as 192.0.2.0/24.
        match prefix {
            IpNet::V4(prefix) => drop(self.v4.insert(prefix.trunc(), allowed)),
            IpNet::V6(prefix) => drop(self.v6.insert(prefix.trunc(), allowed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(allow: &[&str], deny: &[&str]) -> Prefixes {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        Prefixes::new(&nets(allow), &nets(deny))
    }

    #[test]
    fn the_most_specific_prefix_wins_in_either_direction() {
        let cases: &[(&[&str], &[&str], &str, bool)] = &[
            (&[], &[], "192.0.2.1", true),
            (&[], &["192.0.2.0/24"], "192.0.2.1", false),
            (&[], &["192.0.2.0/24"], "192.0.3.1", true),
            (&["10.0.0.0/8"], &[], "10.255.255.255", true),
            (&["10.0.0.0/8"], &[], "11.0.0.0", false),
            (&["10.0.0.0/8"], &[], "2001:db8::1", false),
            (&["10.0.0.0/8"], &["10.1.0.0/16"], "10.1.2.3", false),
            (&["10.0.0.0/8", "10.1.2.3/32"], &["10.1.0.0/16"], "10.1.2.3", true),
            (&["10.0.0.0/8", "10.1.2.3/32"], &["10.1.0.0/16"], "10.1.2.4", false),
            (&["10.1.2.0/24"], &["0.0.0.0/0"], "10.1.2.4", true),
            (&["0.0.0.0/0", "2001:db8::/32"], &["2001:db8:1::/48"], "2001:db8:1::1", false),
            (&["0.0.0.0/0", "2001:db8::/32"], &["2001:db8:1::/48"], "2001:db8:2::1", true),
            (&["10.0.0.0/8"], &[], "::ffff:10.0.0.1", true),
        ];
        for (allow, deny, address, expected) in cases {
            let found = prefixes(allow, deny).allows(address.parse().unwrap());
            assert_eq!(found, *expected, "{allow:?} {deny:?} {address}");
        }
    }
}
