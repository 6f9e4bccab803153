//! Open connections → JSON, in pages. Must not know: HTTP methods, how a connection is closed.

use std::time::Instant;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::admin::request::answer::Answer;
use crate::admin::request::query;
use crate::live::call::Mode;
use crate::live::filter::{Filter, pin};
use crate::live::registry::Registry;
use crate::live::row::{Facts, Row};
use crate::observe::access::record::ConnectionId;
use crate::tls::certificate::x509::rfc3339;

/// What a query asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    filter: Filter,
    most: usize,
    after: Option<ConnectionId>,
}

/// A page of the connections that fit the query.
pub(in crate::admin) fn connections(query: Option<&str>, live: &Registry) -> Answer {
    let Asked { filter, most, after } = match asked(query) {
        Ok(asked) => asked,
        Err(message) => return Answer::error(StatusCode::BAD_REQUEST, &message),
    };
    let page = match live.page(&filter, after, most) {
        Ok(page) => page,
        Err(error) => return Answer::error(StatusCode::BAD_REQUEST, &format!("after: {error}")),
    };
    let shown: Vec<Value> = page.rows.iter().map(|row| connection(row)).collect();
    let next = shown.last().map(|last| last["id"].clone()).filter(|_| page.more);
    Answer::ok(&json!({ "connections": shown, "next": next }))
}

fn asked(query: Option<&str>) -> Result<Asked, String> {
    let mut asked = Asked { filter: Filter::default(), most: USUAL, after: None };
    for (key, value) in query::parameters(query)? {
        let wrong = |expected: &str| format!("{key}: found {value:?}, expected {expected}");
        match &*key {
            "limit" => {
                // A number may have a sign for the parser, and here it may not.
                let digits = Some(&value).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
                let count = digits.and_then(|digits| digits.parse().ok()).filter(|count| (1..=MOST).contains(count));
                asked.most = count.ok_or_else(|| wrong(&format!("a number from 1 to {MOST}")))?;
            }
            "after" => {
                let id = ConnectionId::parse(&value);
                asked.after = Some(id.ok_or_else(|| wrong("the value of \"next\" from the page before"))?);
            }
            _ => match asked.filter.add(&key, &value) {
                Some(added) => added?,
                None => {
                    let known = Filter::KEYS.join(", ");
                    return Err(format!("unknown parameter {key:?} (expected one of {known}, limit, after)"));
                }
            },
        }
    }
    Ok(asked)
}

/// One connection.
pub(in crate::admin) fn connection(row: &Row) -> Value {
    let age = Instant::now().saturating_duration_since(row.accepted);
    let Facts { record, certificate } = row.copied();
    json!({
        "id": record.connection_id.to_string(),
        "listener": record.listener,
        "client": record.client.to_string(),
        "peer": record.peer.to_string(),
        "since": rfc3339(record.time.as_second()),
        "age_seconds": age.as_secs(),
        "server_name": Some(&*record.server_name).filter(|name| *name != "-"),
        "ja4": record.ja4,
        "route": record.route,
        "mode": record.mode,
        "version": record.tls.as_ref().map(|tls| tls.version),
        "cipher": record.tls.as_ref().map(|tls| tls.cipher),
        "certificate": certificate.as_ref().map(|found| json!({
            "certificate": found.label,
            "sha256": found.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        })),
        "client_certificate": record.client_certificate.as_ref().map(|found| json!({
            "subject": found.subject,
            "pin": pin(&found.key_sha256),
        })),
        "backend": record.backend,
        "server": record.backend_address.as_ref().map(ToString::to_string),
        "received_bytes": row.traffic.received(),
        "sent_bytes": row.traffic.sent(),
        "closing": row.call.asked().map(Mode::word),
    })
}

/// Connections on a page, where the query has no limit.
const USUAL: usize = 100;
/// Connections on a page, at most: some 600 KiB.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_what_is_wrong_in_it_is_named() {
        let id = ConnectionId { run: 1, number: 2 };
        let read = asked(Some("listener=a&limit=7&after=00000001-00000002")).unwrap();
        assert_eq!((read.most, read.after, read.filter.is_empty()), (7, Some(id), false));
        assert_eq!(asked(None).unwrap().most, USUAL);
        for (query, expected) in [
            ("limit=0", "limit: found \"0\", expected a number from 1 to 1000"),
            ("limit=+5", "limit: found \"+5\", expected a number from 1 to 1000"),
            ("limit=", "limit: found \"\", expected a number from 1 to 1000"),
            ("limit=1001", "expected a number from 1 to 1000"),
            ("after=7", "after: found \"7\""),
            ("lisener=a", "unknown parameter \"lisener\" (expected one of id, listener, route, client,"),
            ("client=300.1.1.1", "client: found \"300.1.1.1\", expected an IP address or a prefix"),
        ] {
            let message = asked(Some(query)).unwrap_err();
            assert!(message.contains(expected), "{query}: {message}");
        }
    }
}
