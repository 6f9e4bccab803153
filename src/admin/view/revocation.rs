//! The lists of revoked certificates that are fetched → JSON. Must not know: HTTP, how they are fetched.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::lists::status::{Failure, OfList, Status};

/// Everything that is known.
pub(in crate::admin) fn lists(status: &Status) -> Value {
    json!({ "lists": status.lists.iter().map(list).collect::<Vec<_>>(), "trouble": status.trouble })
}

fn list(of: &OfList) -> Value {
    let content = of.list.as_ref();
    json!({
        "url": of.url.to_string(),
        "found": of.found.word(),
        "state": of.state.word(),
        "issuer": content.map(|list| &list.issuer),
        "this_update": content.and_then(|list| time(list.this_update)),
        "next_update": content.and_then(|list| time(list.next_update)),
        "revoked_certificates": content.map(|list| list.entries),
        "fetched": of.fetched.and_then(time),
        "next_fetch": of.next.and_then(time),
        "failures": of.failures,
        "last_failure": of.last_failure.as_ref().map(failure),
        "fetches": of.counts.all().into_iter().map(|(result, count)| (result.to_owned(), count.into())).collect::<serde_json::Map<_, _>>(),
    })
}

fn failure(failure: &Failure) -> Value {
    json!({ "time": time(failure.at), "message": failure.message })
}

/// `None` for a year that a calendar does not have.
fn time(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lists::status::{Counts, Found, OfContent, State};
    use crate::lists::url::Url;

    #[test]
    fn a_list_is_shown_with_what_is_known_and_null_for_what_is_not() {
        let mut of = OfList {
            url: Arc::new(Url::parse("http://a.test/1.crl").unwrap()),
            found: Found::Url,
            state: State::Pending,
            list: None,
            fetched: None,
            next: None,
            failures: 0,
            last_failure: None,
            counts: Counts::default(),
        };
        let shown = list(&of);
        assert_eq!((&shown["url"], &shown["state"]), (&json!("http://a.test/1.crl"), &json!("pending")));
        let unknown =
            ["issuer", "this_update", "next_update", "revoked_certificates", "fetched", "next_fetch", "last_failure"];
        assert!(unknown.iter().all(|key| shown[*key].is_null()), "{shown}");
        of.list = Some(OfContent { issuer: "CN=a".into(), this_update: 0, next_update: i64::MAX, entries: 3 });
        of.last_failure = Some(Failure { at: 86_400, message: "m".into() });
        let shown = list(&of);
        assert_eq!(shown["this_update"], "1970-01-01T00:00:00Z");
        assert!(shown["next_update"].is_null(), "a time that no calendar has");
        assert_eq!(shown["last_failure"], json!({ "time": "1970-01-02T00:00:00Z", "message": "m" }));
        assert_eq!(shown["fetches"], json!({ "fetched": 0, "unchanged": 0, "failed": 0 }));
    }
}
