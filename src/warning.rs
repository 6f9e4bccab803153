//! Warnings: each with its place and subject, and many of a kind as one line of the log.
//! Must not know: which warnings there are, where they are shown.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// One warning. Texts that many of them share are static or shared, since there may be one for each of 10,000 certificates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Warning {
    place: Option<Arc<str>>,
    /// Precedes the subject: `skipped: `.
    lead: &'static str,
    about: Option<Arc<str>>,
    what: Cow<'static, str>,
    detail: Option<Box<str>>,
}

impl Warning {
    /// A warning without a subject.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { place: None, lead: "", about: None, what: what.into(), detail: None }
    }

    /// A warning about a file, a server name or the like. `what` is the same in all warnings of its kind.
    pub fn about(subject: impl Into<Arc<str>>, what: impl Into<Cow<'static, str>>) -> Self {
        Self { about: Some(subject.into()), ..Self::new(what) }
    }

    /// What only this warning of its kind has; it follows the text without a space.
    #[must_use]
    pub fn with(self, detail: impl Into<Box<str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The consequence, in front of the subject: `skipped: `.
    #[must_use]
    pub fn led_by(self, lead: &'static str) -> Self {
        Self { lead, ..self }
    }

    /// Where in the configuration it applies: `listener "ldaps"`. A place that is already set stays.
    #[must_use]
    pub fn at(self, place: &Arc<str>) -> Self {
        Self { place: self.place.or_else(|| Some(Arc::clone(place))), ..self }
    }

    /// The same without its place, for who shows that in another form.
    #[must_use]
    pub fn placeless(self) -> Self {
        Self { place: None, ..self }
    }

    fn subject(&self, with_place: bool) -> String {
        let place = self.place.as_deref().filter(|_| with_place);
        let parts = [place, self.about.as_deref()].into_iter().flatten().collect::<Vec<_>>();
        [parts.join(": "), self.detail.as_deref().unwrap_or_default().to_owned()].concat()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(self.lead)?;
        if let Some(about) = &self.about {
            write!(f, "{about}: ")?;
        }
        write!(f, "{}{}", self.what, self.detail.as_deref().unwrap_or_default())
    }
}

/// The lines of a log: one for each warning, and one for all of a kind where there are more than a few. Kinds come in the
/// order of their first warnings.
pub fn lines<'w>(warnings: impl IntoIterator<Item = &'w Warning>) -> Vec<String> {
    let mut kinds: Vec<Vec<&Warning>> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for warning in warnings {
        let kind = *known.entry((warning.lead, &warning.what)).or_insert_with(|| {
            kinds.push(Vec::new());
            kinds.len() - 1
        });
        kinds[kind].push(warning);
    }
    kinds.iter().flat_map(|kind| if kind.len() > FEW { vec![line(kind)] } else { each(kind) }).collect()
}

fn each(kind: &[&Warning]) -> Vec<String> {
    kind.iter().map(ToString::to_string).collect()
}

/// `listener "main": the private key can be read by everyone: 10000 in all, the first are …`
fn line(kind: &[&Warning]) -> String {
    let Some(first) = kind.first() else { return String::new() };
    // A place that all share comes first, once; otherwise each subject has its own.
    let one_place = kind.iter().all(|other| other.place == first.place);
    let place = first.place.as_ref().filter(|_| one_place).map(|place| format!("{place}: ")).unwrap_or_default();
    let named: Vec<String> = kind.iter().take(NAMED).map(|warning| warning.subject(!one_place)).collect();
    format!(
        "{place}{lead}{what}: {count} in all, the first are {named} (\"tlsgate check\" and the admin API list all)",
        lead = first.lead,
        what = first.what,
        count = kind.len(),
        named = named.join(", "),
    )
}

/// Up to so many warnings of a kind have a line each.
const FEW: usize = 5;

/// So many subjects of a larger kind are named.
const NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn open(place: &str, file: usize) -> Warning {
        Warning::about(format!("/c/{file}.key"), "can be read by everyone").at(&place.into())
    }

    #[test]
    fn a_few_of_a_kind_have_a_line_each_and_many_have_one() {
        let mut all: Vec<Warning> = (0..FEW).map(|file| open("listener \"a\"", file)).collect();
        all.insert(1, Warning::new("the policy is old"));
        let shown = lines(&all);
        assert_eq!(shown.len(), FEW + 1);
        assert_eq!(shown[0], "listener \"a\": /c/0.key: can be read by everyone");
        assert_eq!(shown[FEW], "the policy is old");
        all.extend((FEW..10_000).map(|file| open("listener \"a\"", file)));
        let shown = lines(&all);
        assert_eq!(shown.len(), 2);
        assert_eq!(
            shown[0],
            "listener \"a\": can be read by everyone: 10000 in all, the first are /c/0.key, /c/1.key, /c/2.key (\"tlsgate check\" and the admin API list all)"
        );
    }

    #[test]
    fn those_of_many_places_are_one_kind_too_and_each_is_named_with_its_place() {
        let all: Vec<Warning> = (0..8_000).map(|route| open(&format!("route {route}"), route)).collect();
        let shown = lines(&all);
        assert_eq!(shown.len(), 1);
        assert!(shown[0].starts_with("can be read by everyone: 8000 in all, the first are route 0: /c/0.key, "));
    }

    #[test]
    fn what_came_of_it_stands_first_and_details_last() {
        let warning = Warning::about("x.crt", "expires soon").with(", at noon").led_by("kept: ").at(&"here".into());
        assert_eq!(warning.to_string(), "here: kept: x.crt: expires soon, at noon");
        assert_eq!(warning.clone().at(&"there".into()), warning);
        let many = vec![warning; 6];
        assert!(lines(&many)[0].starts_with("here: kept: expires soon: 6 in all, the first are x.crt, at noon, "));
    }
}
