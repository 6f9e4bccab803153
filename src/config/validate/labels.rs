//! The labels of a listener, a route or a backend: their names and their number. Must not know: what they are given to.

use crate::config::decode::Entry;
use crate::config::located::{ConfigError, Located};
use crate::config::values::labels::LabelValue;
use crate::labels::Labels;

/// The labels, without those whose names are wrong, which adds an error for each.
pub(super) fn validated(written: Option<Located<Vec<Entry<LabelValue>>>>, errors: &mut Vec<ConfigError>) -> Labels {
    let Some(written) = written else { return Labels::default() };
    let count = written.value.len();
    if count > MOST {
        errors.push(written.error(format!("found {count} labels, expected at most {MOST}")));
    }
    let mut labels = Vec::with_capacity(count);
    for Entry { name, value } in written.value {
        match refusal(&name.value) {
            Some(reason) => errors.push(name.error(reason)),
            None => labels.extend(value.map(|value| (name.value, value.value.0))),
        }
    }
    labels.into_iter().collect()
}

/// Why a name cannot be that of a label.
fn refusal(name: &str) -> Option<String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|first| known(first) && !first.is_ascii_digit());
    if !begins || !name.bytes().all(known) || name.len() > LONGEST {
        return Some(format!(
            "found the name {name:?}, expected at most {LONGEST} letters a to z and A to Z, digits and underscores, with no digit in front"
        ));
    }
    if name.starts_with("__") {
        return Some(format!(
            "found the name {name:?}, expected at most one underscore in front (Prometheus uses names with two itself)"
        ));
    }
    RESERVED
        .contains(&name)
        .then(|| format!("found the name {name:?}, expected another one (tlsgate's metrics have a label of this name)"))
}

/// The labels that the metrics have by themselves (`tlsgate_listener_info` and the others).
const RESERVED: [&str; 3] = ["listener", "route", "backend"];
/// Labels of one listener, route or backend. With names and values of full length, they are 6 KiB of a line in the log.
const MOST: usize = 16;
/// Bytes of a name.
const LONGEST: usize = 128;
