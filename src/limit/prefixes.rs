//! Address → allowed or not, by the most specific prefix that contains it. Must not know: whose addresses they are.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixSet;

/// A set of prefixes. Lists of any size share one.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    v4: PrefixSet<Ipv4Net>,
    v6: PrefixSet<Ipv6Net>,
}

/// Lists of prefixes that are allowed and of prefixes that are not.
#[derive(Debug, Clone, Default)]
pub struct Prefixes {
    allow: Vec<Arc<Addresses>>,
    deny: Vec<Arc<Addresses>>,
}

impl Addresses {
    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the most specific prefix that contains the address.
    fn longest(&self, address: IpAddr) -> Option<u8> {
        match address {
            IpAddr::V4(address) => self.v4.get_lpm(&address.into()).map(|prefix| prefix.prefix_len()),
            IpAddr::V6(address) => self.v6.get_lpm(&address.into()).map(|prefix| prefix.prefix_len()),
        }
    }
}

impl FromIterator<IpNet> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpNet>>(prefixes: I) -> Self {
        let mut all = Self::default();
        for prefix in prefixes {
            // `trunc`: a prefix such as 192.0.2.1/24 has bits after its length, and would not be found as 192.0.2.0/24.
            match prefix {
                IpNet::V4(prefix) => all.v4.insert(prefix.trunc()),
                IpNet::V6(prefix) => all.v6.insert(prefix.trunc()),
            };
        }
        all
    }
}

impl Prefixes {
    /// Without an entry in `allow`, every address is allowed that `deny` does not contain. Otherwise only those in `allow`
    /// are. A prefix in both lists is denied.
    pub fn new<'p>(allow: impl IntoIterator<Item = &'p IpNet>, deny: impl IntoIterator<Item = &'p IpNet>) -> Self {
        let list = |prefixes: Addresses| (!prefixes.is_empty()).then(|| Arc::new(prefixes));
        let (allow, deny) = (allow.into_iter().copied().collect(), deny.into_iter().copied().collect());
        Self::of(list(allow), list(deny))
    }

    /// The same for lists. A list in `allow` counts also where it is empty: then nobody is allowed.
    pub fn of(allow: impl IntoIterator<Item = Arc<Addresses>>, deny: impl IntoIterator<Item = Arc<Addresses>>) -> Self {
        Self { allow: allow.into_iter().collect(), deny: deny.into_iter().collect() }
    }

    /// Whether every address is allowed.
    pub fn allow_all(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether the most specific prefix that contains the address is an allowed one.
    pub fn allows(&self, address: IpAddr) -> bool {
        // A socket for both families reports IPv4 clients as ::ffff:a.b.c.d.
        let address = address.to_canonical();
        let longest = |lists: &[Arc<Addresses>]| lists.iter().filter_map(|list| list.longest(address)).max();
        match (longest(&self.allow), longest(&self.deny)) {
            (None, None) => self.allow.is_empty(),
            (allowed, denied) => allowed > denied,
        }
    }
}

/// A prefix as it has to be written. A bit after its length is an error: whoever writes one means another prefix. So is an
/// IPv4 address in the form of an IPv6 one, since such clients are compared by their IPv4 addresses.
pub fn exact(prefix: IpNet) -> Result<IpNet, String> {
    let exact = prefix.trunc();
    if exact != prefix {
        Err(format!("found {prefix}, expected {exact}, or a longer prefix"))
    } else if matches!(exact, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some()) {
        Err(format!("found {exact}, expected its IPv4 form, in which the addresses of such clients are compared"))
    } else {
        Ok(exact)
    }
}

/// Reads an address or a prefix.
pub fn parse(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// What a text has to be, for messages.
pub const EXPECTED: &str = "an IP address or a prefix, such as \"192.0.2.7\", \"10.0.0.0/8\" or \"2001:db8::/32\"";

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

    #[test]
    fn lists_count_together_and_an_empty_list_of_those_allowed_allows_nobody() {
        let list =
            |texts: &[&str]| Arc::new(texts.iter().map(|text| text.parse::<IpNet>().unwrap()).collect::<Addresses>());
        let both =
            Prefixes::of([list(&["10.0.0.0/8"]), list(&["10.1.2.0/24"])], [list(&["10.1.0.0/16", "10.1.2.0/24"])]);
        for (address, expected) in [("10.2.0.1", true), ("10.1.3.1", false), ("10.1.2.1", false), ("11.0.0.1", false)] {
            assert_eq!(both.allows(address.parse().unwrap()), expected, "{address}");
        }
        assert!(!Prefixes::of([list(&[])], []).allows("10.0.0.1".parse().unwrap()));
        assert!(Prefixes::of([], [list(&[])]).allows("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_hundred_thousand_prefixes_are_matched_like_a_few() {
        let prefix = |number: u32| IpNet::new(std::net::Ipv4Addr::from_bits(number << 8).into(), 24).unwrap();
        let list: Addresses = (0..100_000).map(|number| prefix(2 * number)).collect();
        assert_eq!(list.len(), 100_000);
        let denied = Prefixes::of([], [Arc::new(list)]);
        for number in (0..100_000).step_by(97) {
            assert!(!denied.allows(std::net::Ipv4Addr::from_bits((2 * number) << 8 | 7).into()));
            assert!(denied.allows(std::net::Ipv4Addr::from_bits((2 * number + 1) << 8 | 7).into()));
        }
    }
}
