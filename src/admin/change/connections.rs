//! Closes open connections. Must not know: who is allowed to, how a connection ends.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::json;

use crate::admin::request::answer::Answer;
use crate::admin::request::query;
use crate::live::call::Mode;
use crate::live::filter::Filter;
use crate::live::registry::Registry;
use crate::words::Words;

/// What was asked of connections, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::admin) struct Closed {
    /// The conditions, each as `key=value`.
    pub(in crate::admin) filters: Vec<String>,
    pub(in crate::admin) mode: Mode,
    pub(in crate::admin) count: usize,
}

impl Closed {
    pub(in crate::admin) fn answer(&self) -> Answer {
        Answer::ok(&json!({ "closed": self.count, "mode": self.mode.word() }))
    }
}

/// Asks the connections that fit the query to end. Does not wait until they have ended.
pub(in crate::admin) async fn close(query: Option<&str>, live: &Arc<Registry>) -> Result<Closed, Answer> {
    let bad = |message: String| Answer::error(StatusCode::BAD_REQUEST, &message);
    let (filter, filters, mode) = asked(query).map_err(bad)?;
    let live = Arc::clone(live);
    // On another thread, since it takes a while with many connections.
    let closed = tokio::task::spawn_blocking(move || live.close(&filter, mode)).await;
    let failed = |_| Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the connections could not be closed");
    closed.map(|count| Closed { filters, mode, count }).map_err(failed)
}

/// The conditions, the same as texts, and how to close.
fn asked(query: Option<&str>) -> Result<(Filter, Vec<String>, Mode), String> {
    let (mut filter, mut filters, mut mode) = (Filter::default(), Vec::new(), Mode::Polite);
    for (key, value) in query::parameters(query)? {
        if key == "mode" {
            let known = Mode::from_word(&value);
            mode = known.ok_or_else(|| format!("mode: found {value:?}, expected {}", Mode::EXPECTED))?;
            continue;
        }
        let known = Filter::KEYS.join(", ");
        filter
            .add(&key, &value)
            .ok_or_else(|| format!("unknown parameter {key:?} (expected one of {known}, mode)"))??;
        filters.push(format!("{key}={value}"));
    }
    // To close all connections takes a filter that all of them fit, for example older_than=1ms.
    if filter.is_empty() {
        return Err(format!("found no filter, expected at least one of {}", Filter::KEYS.join(", ")));
    }
    Ok((filter, filters, mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_filter_nothing_is_closed() {
        for query in [None, Some(""), Some("mode=now")] {
            let message = asked(query).unwrap_err();
            assert!(message.starts_with("found no filter, expected at least one of id, listener"), "{message}");
        }
        let (_, filters, mode) = asked(Some("client=10.0.0.0%2F8&mode=now&listener=a%20b")).unwrap();
        assert_eq!((filters.join(", ").as_str(), mode), ("client=10.0.0.0/8, listener=a b", Mode::Now));
        assert_eq!(asked(Some("listener=a")).unwrap().2, Mode::Polite);
        let message = asked(Some("listener=a&mode=soon")).unwrap_err();
        assert_eq!(message, "mode: found \"soon\", expected \"polite\" or \"now\"");
        assert!(asked(Some("limit=3")).unwrap_err().contains("unknown parameter \"limit\""));
    }
}
