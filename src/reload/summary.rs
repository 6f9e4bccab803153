//! What a reload changed → its line in the log. Must not know: how changes are found, where all of them are listed.

/// One difference, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    kind: Kind,
    pub text: String,
}

/// The kinds of change, each of which may occur thousands of times. In the order of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Setting,
    Certificate,
    Route,
    Listener,
    Backend,
    Server,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Setting, Self::Certificate, Self::Route, Self::Listener, Self::Backend, Self::Server];

    pub(super) fn change(self, text: impl Into<String>) -> Change {
        Change { kind: self, text: text.into() }
    }

    fn counted(self, count: usize) -> String {
        let (one, many) = match self {
            Self::Setting => ("setting", "settings"),
            Self::Certificate => ("certificate", "certificates"),
            Self::Route => ("route", "routes"),
            Self::Listener => ("listener", "listeners"),
            Self::Backend => ("backend", "backends"),
            Self::Server => ("server", "servers"),
        };
        format!("and {count} more {}", if count == 1 { one } else { many })
    }
}

impl Change {
    /// With its owner in front: `listener "main": `.
    pub(super) fn of(self, owner: &str) -> Self {
        Self { text: format!("{owner}: {}", self.text), ..self }
    }

    /// Its text, cut where it is very long: a value can be a list of thousands.
    fn shown(&self) -> String {
        match self.text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{} …", &self.text[..end]),
            None => self.text.clone(),
        }
    }
}

/// All changes in one line; of each kind the first ones, and how many more there are.
pub(super) fn line(changes: &[Change]) -> String {
    let of = |kind: Kind| changes.iter().filter(move |change| change.kind == kind);
    let parts = Kind::ALL.into_iter().flat_map(|kind| {
        let more = of(kind).count().saturating_sub(NAMED);
        let named = of(kind).take(NAMED).map(Change::shown);
        named.chain((more > 0).then(|| kind.counted(more)))
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// Changes of one kind that are shown; the rest is counted.
const NAMED: usize = 10;

/// Characters of one change.
const LONGEST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_changes_are_all_in_the_line() {
        let changes = [
            Kind::Certificate.change("certificate a.crt replaced").of("listener \"main\""),
            Kind::Setting.change("policy is new").of("listener \"main\""),
        ];
        let expected = "listener \"main\": policy is new; listener \"main\": certificate a.crt replaced";
        assert_eq!(line(&changes), expected);
        assert_eq!(line(&[]), "");
    }

    #[test]
    fn of_thousands_of_a_kind_the_first_are_named_and_the_rest_is_counted() {
        let mut changes: Vec<Change> =
            (0..10_000).map(|number| Kind::Certificate.change(format!("certificate {number}.crt replaced"))).collect();
        // A change that comes after thousands of others is not lost among them.
        changes.push(Kind::Setting.change("policy is new"));
        changes.extend((0..=NAMED).map(|number| Kind::Route.change(format!("route {number}: added"))));
        let line = line(&changes);
        assert!(line.starts_with("policy is new; certificate 0.crt replaced; "), "{line}");
        assert!(line.contains("certificate 9.crt replaced; and 9990 more certificates; route 0: added; "), "{line}");
        assert!(line.ends_with("route 9: added; and 1 more route"), "{line}");
    }

    #[test]
    fn a_long_change_is_cut_between_characters() {
        let change = |length| Kind::Setting.change("ü".repeat(length));
        assert_eq!(line(&[change(LONGEST)]), "ü".repeat(LONGEST));
        assert_eq!(line(&[change(LONGEST + 1)]), "ü".repeat(LONGEST) + " …");
    }
}
