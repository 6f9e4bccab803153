//! The query of a page about open connections → its filters. Must not know: what becomes of the connections that fit.

use crate::admin::request::query;
use crate::live::filter::Filter;
use crate::observe::access::record::ConnectionId;

/// What a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filters {
    /// The conditions as they were given, for the next query.
    pub(super) given: Vec<(&'static str, String)>,
    pub(super) filter: Filter,
    /// The connection after which a page of the listing begins.
    pub(super) after: Option<ConnectionId>,
}

/// Reads what a browser sends for a form: every field, also those that are empty, which are no conditions. `is_paged`: whether
/// `after` is known. An error has everything that is wrong, which is what the API refuses too: a condition that is not
/// understood must not be left out, since then more connections would fit than were meant.
pub(super) fn read(query: Option<&str>, is_paged: bool) -> Result<Filters, Vec<String>> {
    // A form has "+" for a space, and %2B for a plus.
    let query = query.map(|query| query.replace('+', "%20"));
    let (mut read, mut faults) = (Filters::default(), Vec::new());
    for (key, value) in query::parameters(query.as_deref()).map_err(|fault| vec![fault])? {
        let value = value.trim();
        if is_paged && key == "after" {
            read.after = ConnectionId::parse(value);
            if read.after.is_none() {
                faults.push(format!("after: found {value:?}, expected the value of \"next\" from the page before"));
            }
            continue;
        }
        match Filter::KEYS.into_iter().find(|known| *known == key) {
            Some(_) if value.is_empty() => {}
            Some(key) => {
                faults.extend(read.filter.add(key, value).and_then(Result::err));
                read.given.push((key, value.to_owned()));
            }
            None => faults.push(format!("unknown parameter {key:?} (expected one of {})", Filter::KEYS.join(", "))),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_sends_is_read_and_empty_fields_are_no_conditions() {
        let form =
            "id=&listener=+a+b+&route=&client=10.0.0.0%2F8&client_certificate=CN%3Da%2Bb&after=00000001-00000002";
        let read = read(Some(form), true).unwrap();
        let given = [("listener", "a b"), ("client", "10.0.0.0/8"), ("client_certificate", "CN=a+b")];
        assert_eq!(read.given, given.map(|(key, value)| (key, value.to_owned())));
        assert_eq!(read.after, Some(ConnectionId { run: 1, number: 2 }));
        assert_eq!(super::read(None, false), Ok(Filters::default()));
    }

    #[test]
    fn no_condition_is_left_out() {
        for (query, expected) in [
            ("client=%ff", "client: found \"%ff\", expected"),
            ("client=::1&client=", "client: found \"::1\" and \"\", expected one value"),
            ("lisener=a", "unknown parameter \"lisener\""),
            ("listener=a&after=zz", "after: found \"zz\", expected the value of \"next\" from the page before"),
            ("listener=a&older_than=soon", "older_than: found \"soon\", expected"),
        ] {
            let faults = read(Some(query), true).unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with(expected), "{query}: {faults:?}");
        }
        assert_eq!(read(Some("client=x&id=x"), false).unwrap_err().len(), 2);
        let faults = read(Some("after=00000001-00000002"), false).unwrap_err();
        assert!(faults[0].starts_with("unknown parameter \"after\""), "{faults:?}");
    }
}
