//! Refusals and changes → the log, with the caller, and counters; never a secret. Must not know: why something is refused,
//! how a change is made.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use crate::admin::change::connections::Closed;
use crate::admin::connection::caller::Caller;
use crate::admin::connection::permits::Permits;
use crate::admin::connection::secure::Failure;
use crate::admin::request::guard::Refused;
use crate::limit::rate::{Limiter, Rate};

/// The counters, and the limit of log lines.
#[derive(Debug)]
pub(in crate::admin) struct Audit {
    refused: [AtomicU64; Refused::ALL.len()],
    handshakes: [AtomicU64; Failure::LABELS.len()],
    of_requests: Lines,
    of_handshakes: Lines,
}

/// A limit of log lines, so that no client can fill the disk.
#[derive(Debug)]
struct Lines {
    limit: Limiter,
    /// Since the last line.
    left_out: AtomicU64,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            refused: Default::default(),
            handshakes: Default::default(),
            of_requests: Lines::new(),
            // Separate: a guessed token must not be missing from the log because others do not know TLS.
            of_handshakes: Lines::new(),
        }
    }
}

impl Lines {
    fn new() -> Self {
        let rate = Rate { count: NonZeroU32::MIN, per: Duration::from_secs(1), burst: BURST };
        Self { limit: Limiter::new(rate), left_out: AtomicU64::new(0) }
    }

    /// If a line may be written now: how many were left out before it.
    fn next(&self) -> Option<u64> {
        if self.limit.permits() {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Audit {
    /// Counts a refusal, and logs it within the limit.
    pub(in crate::admin) fn refused(&self, caller: &Caller, request: &Parts, why: Refused) {
        count(&self.refused, Refused::ALL.iter().position(|known| *known == why));
        let Some(not_logged) = self.of_requests.next() else { return };
        let (method, path, reason) = (request.method.as_str(), shown(request.uri.path()), why.label());
        let (subject, serial) = certificate(caller);
        tracing::warn!(peer = %caller, subject, serial, reason, method = ?method, path = ?path, not_logged, "the admin API refused a request");
    }

    /// Counts a handshake that has failed, and logs it within the limit. A client that has sent nothing is not counted.
    pub(in crate::admin) fn handshake_failed(&self, caller: &Caller, failure: &Failure) {
        if matches!(failure, Failure::Unused) {
            return;
        }
        let reason = failure.label();
        count(&self.handshakes, Failure::LABELS.iter().position(|known| *known == reason));
        let Some(not_logged) = self.of_handshakes.next() else { return };
        let error = failure.to_string();
        tracing::warn!(peer = %caller, reason, ?error, not_logged, "a TLS handshake with the admin server failed");
    }

    /// Logs a change that an authorised caller has requested, and its result.
    pub(in crate::admin) fn changed(&self, caller: &Caller, method: &Method, path: &str, status: StatusCode) {
        let (method, path, status) = (method.as_str(), shown(path), status.as_u16());
        let (subject, serial) = certificate(caller);
        tracing::info!(peer = %caller, subject, serial, method, path = ?path, status, "a change was requested through the admin API");
    }

    /// Logs which connections an authorised caller has closed: the beginning of each filter.
    pub(in crate::admin) fn closed(&self, caller: &Caller, closed: &Closed) {
        let Closed { filters, mode, count } = closed;
        let ((subject, serial), mode) = (certificate(caller), mode.word());
        let filters = filters.iter().map(|one| shown(one)).collect::<Vec<_>>().join(" ");
        tracing::info!(peer = %caller, subject, serial, filters = ?filters, mode, count, "connections were closed through the admin API");
    }

    /// In the text format of Prometheus.
    pub(in crate::admin) fn metrics(&self, permits: &Permits, probes: &Permits) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP tlsgate_admin_{name} {help}\n# TYPE tlsgate_admin_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(text, "tlsgate_admin_{name}{labels} {value}");
            }
        };
        let bare = |value| [(String::new(), value)];
        family("connections", "gauge", "Connections to the admin server now.", &bare(permits.count() as u64));
        let help = "Connections to the admin server that were closed to make room for others, since they waited for their peers.";
        family("connections_evicted_total", "counter", help, &bare(permits.evicted()));
        let help = "Connections to the admin server that were refused, since there was no room for them.";
        family("connections_rejected_total", "counter", help, &bare(permits.refused()));
        family("probes_connections", "gauge", "Connections for probes now.", &bare(probes.count() as u64));
        let help =
            "Connections for probes that were closed to make room for others, since they waited for their peers.";
        family("probes_connections_evicted_total", "counter", help, &bare(probes.evicted()));
        let help = "Connections for probes that were refused, since there was no room for them.";
        family("probes_connections_rejected_total", "counter", help, &bare(probes.refused()));
        let help = "Requests that the admin server refused: for another host, or a change without the right token or a client certificate.";
        family("requests_refused_total", "counter", help, &by_reason(Refused::ALL.map(Refused::label), &self.refused));
        let help = "TLS handshakes with the admin server that failed.";
        family("handshakes_failed_total", "counter", help, &by_reason(Failure::LABELS, &self.handshakes));
        text
    }
}

fn count(counts: &[AtomicU64], at: Option<usize>) {
    if let Some(count) = at.and_then(|at| counts.get(at)) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn by_reason<const N: usize>(labels: [&str; N], counts: &[AtomicU64; N]) -> Vec<(String, u64)> {
    let counts = labels.iter().zip(counts);
    counts.map(|(label, count)| (format!("{{reason=\"{label}\"}}"), count.load(Ordering::Relaxed))).collect()
}

/// The subject and the serial number of the caller's certificate.
fn certificate(caller: &Caller) -> (Option<&str>, Option<&str>) {
    caller.presented().map(|presented| (presented.subject.as_str(), presented.serial.as_str())).unzip()
}

/// The beginning of a path, or of a filter. The whole one may be as long as a request's head.
fn shown(text: &str) -> &str {
    // That length may be in the middle of a character.
    let end = (0..=LONGEST_SHOWN.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Log lines at once; after that, one per second.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// Bytes.
const LONGEST_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::admin::connection::door::Door;
    use crate::net::address::Address;
    use crate::net::stream::Stream;

    #[test]
    fn only_the_beginning_of_a_long_path_is_shown() {
        assert_eq!((shown(""), shown("/livez")), ("", "/livez"));
        for c in ['a', 'ä', '€', '😀'] {
            for before in 0..4 {
                let path = "/".repeat(before) + &c.to_string().repeat(1000);
                let shown = shown(&path);
                assert!(
                    path.starts_with(shown) && (LONGEST_SHOWN - 3..=LONGEST_SHOWN).contains(&shown.len()),
                    "{shown}"
                );
            }
        }
    }

    #[tokio::test]
    async fn every_refusal_is_counted_under_its_reason() {
        let audit = Audit::default();
        let (left, _right) = std::os::unix::net::UnixStream::pair().unwrap();
        left.set_nonblocking(true).unwrap();
        let caller = Caller::new(
            &Stream::unix(left).unwrap(),
            &Address::Unix(PathBuf::new()),
            Arc::new(Door::Unix(PathBuf::new())),
        );
        let parts = hyper::Request::post("/api/v1/reload").body(()).unwrap().into_parts().0;
        for (times, why) in Refused::ALL.into_iter().enumerate() {
            for _ in 0..=times * 20 {
                audit.refused(&caller, &parts, why);
            }
        }
        let text = audit.metrics(&Permits::new(9), &Permits::new(9));
        for (reason, count) in [("host", 1), ("no_token", 21), ("wrong_token", 41), ("closed", 61)] {
            let line = format!("tlsgate_admin_requests_refused_total{{reason=\"{reason}\"}} {count}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
