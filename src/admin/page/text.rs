//! Numbers, times and long texts as people read them. Must not know: what they are of.

use std::cmp::Ordering;
use std::fmt::Display;

use jiff::Timestamp;

use crate::admin::page::html::{Element, el};
use crate::tls::certificate::x509::rfc3339;

/// `10,000`
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// `1 certificate`, `10,000 certificates`
pub(super) fn count(count: usize, one: &str) -> String {
    let shown = number(count as u64);
    match one.strip_suffix("ty") {
        _ if count == 1 => format!("{shown} {one}"),
        Some(stem) => format!("{shown} {stem}ties"),
        None => format!("{shown} {one}s"),
    }
}

/// `1.5 GiB`
pub(super) fn bytes(bytes: u64) -> String {
    let mut unit = 0;
    let (mut whole, mut rest) = (bytes, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        (whole, rest) = (whole / 1024, whole % 1024);
        unit += 1;
    }
    let unit_name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 || whole >= 100 {
        format!("{whole} {unit_name}")
    } else {
        format!("{whole}.{} {unit_name}", rest * 10 / 1024)
    }
}

/// `12 days`, of seconds; the largest unit of which there are at least two.
pub(super) fn span(seconds: u64) -> String {
    let (length, name) = SPANS.into_iter().find(|(length, _)| seconds >= 2 * length).unwrap_or((1, "second"));
    count(usize::try_from(seconds / length).unwrap_or(usize::MAX), name)
}

/// `in 12 days`, `3 hours ago` or `now`. Both in seconds since 1970.
pub(super) fn distance(then: i64, now: i64) -> String {
    let between = span(then.abs_diff(now));
    match then.cmp(&now) {
        Ordering::Less => format!("{between} ago"),
        Ordering::Equal => "now".to_owned(),
        Ordering::Greater => format!("in {between}"),
    }
}

/// A day with the whole time behind it: `2027-01-31`; seconds since 1970.
pub(super) fn day(seconds: i64) -> Element {
    let whole = rfc3339(seconds);
    let day = whole.split('T').next().unwrap_or_default().to_owned();
    el("time").with("datetime", &whole).with("title", &whole).text(day)
}

/// A time of this process: `3 hours ago`, with the whole time behind it.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> Element {
    let whole = rfc3339(time.as_second());
    el("time").with("datetime", &whole).with("title", &whole).text(distance(time.as_second(), now.as_second()))
}

/// A text of which no more is shown than so many characters.
pub(super) fn short(text: impl Display, most: usize) -> String {
    let text = text.to_string();
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The end of a path matters more than its beginning: `…/certs/ldap.crt`.
pub(super) fn path(path: &str) -> String {
    match path.char_indices().rev().nth(LONGEST_PATH) {
        Some((start, _)) => format!("…{}", path.get(start..).unwrap_or_default()),
        None => path.to_owned(),
    }
}

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
/// The seconds of each unit.
const SPANS: [(u64, &str); 5] =
    [(365 * 86_400, "year"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
/// Characters.
const LONGEST_PATH: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_have_units() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 0, 10_000].map(|n| count(n, "server")), ["1 server", "0 servers", "10,000 servers"]);
        assert_eq!([1, 2].map(|n| count(n, "authority")), ["1 authority", "2 authorities"]);
        assert_eq!(
            [0, 1023, 1024, 1536 << 20, 200 << 30].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.5 GiB", "200 GiB"]
        );
        assert_eq!(bytes(u64::MAX), "16777215 TiB");
    }

    #[test]
    fn times_are_shown_by_their_distance() {
        assert_eq!(
            [0, 1, 119, 120, 7200, 13 * 86_400].map(span),
            ["0 seconds", "1 second", "119 seconds", "2 minutes", "2 hours", "13 days"]
        );
        assert_eq!((distance(86_400 * 3, 0), distance(0, 7200)), ("in 3 days".into(), "2 hours ago".into()));
        assert_eq!(distance(5, 5), "now");
        assert!(distance(i64::MAX, i64::MIN).starts_with("in 584,"));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!((short("äöü", 2), short("äö", 2)), ("äö…".into(), "äö".into()));
        let long = format!("/{}/x.crt", "ä".repeat(100));
        assert!(path(&long).starts_with("…ä") && path(&long).ends_with("/x.crt") && path(&long).chars().count() == 62);
        assert_eq!(path("/a.crt"), "/a.crt");
    }
}
