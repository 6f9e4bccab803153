//! Names whose certificates are ordered and not there yet. Must not know: who issues them, which certificates there are.

use std::collections::HashSet;

use crate::tls::certificate::name::Name;

/// The names of all certificates that are not there yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    exact: HashSet<Box<str>>,
    /// By the parent: `*.example.com` is `example.com`.
    wildcard: HashSet<Box<str>>,
    /// Whether there are any: one may be for addresses only.
    any: bool,
}

impl Pending {
    /// Adds a certificate.
    pub(super) fn add(&mut self, names: &[Name]) {
        self.any = true;
        for name in names {
            match name {
                Name::Exact(name) => self.exact.insert(name.clone()),
                Name::Wildcard(parent) => self.wildcard.insert(parent.clone()),
            };
        }
    }

    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// Whether one of them would have that name, which is in lower case.
    pub(super) fn has(&self, name: &str) -> bool {
        let parent = name.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent);
        self.exact.contains(name) || parent.is_some_and(|parent| self.wildcard.contains(parent))
    }

    /// Each name as it is written, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let exact = self.exact.iter().map(ToString::to_string);
        let mut names: Vec<String> = exact.chain(self.wildcard.iter().map(|parent| format!("*.{parent}"))).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_has_the_names_with_one_more_label() {
        let names = |texts: &[&str]| texts.iter().map(|text| Name::parse(text).unwrap()).collect::<Vec<_>>();
        let mut pending = Pending::default();
        assert!(!pending.any() && !pending.has("a.test"));
        pending.add(&names(&["a.test", "*.b.test"]));
        pending.add(&names(&["*.a.test", "a.test"]));
        for (name, expected) in [
            ("a.test", true),
            ("x.a.test", true),
            ("x.b.test", true),
            ("b.test", false),
            ("x.y.b.test", false),
            (".b.test", false),
            ("test", false),
            ("", false),
        ] {
            assert_eq!(pending.has(name), expected, "{name}");
        }
        assert_eq!(pending.names(), ["*.a.test", "*.b.test", "a.test"]);
    }

    #[test]
    fn a_certificate_for_addresses_alone_is_pending_too() {
        let mut pending = Pending::default();
        pending.add(&[]);
        assert!(pending.any() && !pending.has("") && pending.names().is_empty());
    }
}
