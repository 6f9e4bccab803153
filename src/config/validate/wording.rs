//! Words that several errors share. Must not know: which key is wrong.

use crate::config::located::{ConfigError, Located};

/// A list that must be there.
pub(super) fn present<T>(
    list: Option<Vec<Located<T>>>,
    key: &str,
    expected: &str,
    here: &Located<()>,
    errors: &mut Vec<ConfigError>,
) -> Option<Vec<Located<T>>> {
    if list.is_none() {
        errors.push(here.error(format!("\"{key}\" is missing (expected {expected})")));
    }
    list
}

/// Names for a message. The first ones only, where there are many: thousands of keys that are wrong in the same way must
/// not list thousands of names each.
pub(super) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_at_checked(MOST_LISTED) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}

/// More than the built-in policies, which are listed in full.
const MOST_LISTED: usize = 40;
