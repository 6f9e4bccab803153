//! Labels: names with values that an operator gives to a listener, a route or a backend, and that say whose or what it is.
//! Pure. Must not know: how they are written in a file, where they are shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Labels by name, sorted. A clone shares them; neither a clone nor an empty set of labels allocates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Option<Arc<BTreeMap<String, String>>>);

impl Labels {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|labels| labels.iter()).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// These labels, and those of `general` whose names are not among them.
    pub fn over(&self, general: &Self) -> Self {
        match (&self.0, &general.0) {
            (None, _) => general.clone(),
            (_, None) => self.clone(),
            (Some(own), Some(others)) => {
                let mut all = BTreeMap::clone(others);
                all.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
                Self(Some(Arc::new(all)))
            }
        }
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        let labels: BTreeMap<String, String> = labels.into_iter().collect();
        Self((!labels.is_empty()).then(|| Arc::new(labels)))
    }
}

/// An object with a text for each name.
impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// `{env="prod",team="directory"}`, as PromQL writes them. What is not printable in a value is escaped.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_more_specific_value_of_a_name_counts() {
        let general = labels(&[("team", "platform"), ("env", "prod")]);
        let own = labels(&[("team", "directory"), ("tier", "1")]);
        assert_eq!(own.over(&general), labels(&[("env", "prod"), ("team", "directory"), ("tier", "1")]));
        assert_eq!(general.over(&own), labels(&[("env", "prod"), ("team", "platform"), ("tier", "1")]));
    }

    #[test]
    fn nothing_is_copied_where_one_side_has_no_labels() {
        let (some, none) = (labels(&[("team", "directory")]), Labels::default());
        for over in [some.over(&none), none.over(&some), some.clone()] {
            assert!(Arc::ptr_eq(over.0.as_ref().unwrap(), some.0.as_ref().unwrap()));
        }
        assert!(none.over(&none).is_empty() && labels(&[]).is_empty());
    }

    #[test]
    fn they_are_shown_in_the_order_of_their_names() {
        let two = labels(&[("team", "a \"b\"\\c"), ("env", "prod")]);
        assert_eq!(two.to_string(), r#"{env="prod",team="a \"b\"\\c"}"#);
        assert_eq!(serde_json::to_string(&two).unwrap(), r#"{"env":"prod","team":"a \"b\"\\c"}"#);
        assert_eq!(serde_json::to_string(&Labels::default()).unwrap(), "{}");
    }
}
