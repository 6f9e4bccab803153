//! Refusals and changes → the log, with the caller, and counters; never a secret. Must not know: why something is refused,
//! how a change is made.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use crate::admin::connection::caller::Caller;
use crate::admin::connection::permits::Permits;
use crate::admin::request::guard::Refused;
use crate::limit::rate::{Limiter, Rate};

/// The counters, and the limit of log lines.
#[derive(Debug)]
pub(in crate::admin) struct Audit {
    counts: [AtomicU64; Refused::ALL.len()],
    log: Limiter,
    unlogged: AtomicU64,
}

impl Default for Audit {
    fn default() -> Self {
        let lines = Rate { count: NonZeroU32::MIN, per: Duration::from_secs(1), burst: BURST };
        Self { counts: Default::default(), log: Limiter::new(lines), unlogged: AtomicU64::new(0) }
    }
}

impl Audit {
    /// Counts a refusal, and logs it within the limit.
    pub(in crate::admin) fn refused(&self, caller: &Caller, request: &Parts, why: Refused) {
        // Without a limit, a client that guesses tokens could fill the disk.
        if let Some(count) = Refused::ALL.iter().position(|known| *known == why).and_then(|at| self.counts.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if !self.log.permits() {
            self.unlogged.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let not_logged = self.unlogged.swap(0, Ordering::Relaxed);
        let (method, path, reason) = (request.method.as_str(), shown(request.uri.path()), why.label());
        tracing::warn!(peer = %caller, reason, method = ?method, path = ?path, not_logged, "the admin API refused a request");
    }

    /// Logs a change that an authorised caller has requested, and its result.
    pub(in crate::admin) fn changed(&self, caller: &Caller, method: &Method, path: &str, status: StatusCode) {
        let (method, path, status) = (method.as_str(), shown(path), status.as_u16());
        tracing::info!(peer = %caller, method, path = ?path, status, "a change was requested through the admin API");
    }

    /// In the text format of Prometheus.
    pub(in crate::admin) fn metrics(&self, permits: &Permits) -> String {
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
        let counts = Refused::ALL.iter().zip(&self.counts);
        let counts: Vec<_> = counts
            .map(|(why, count)| (format!("{{reason=\"{}\"}}", why.label()), count.load(Ordering::Relaxed)))
            .collect();
        let help = "Requests that the admin server refused: for another host, or a change without the right token.";
        family("requests_refused_total", "counter", help, &counts);
        text
    }
}

/// The beginning of the path. The whole one may be as long as a request's head.
fn shown(path: &str) -> &str {
    // That length may be in the middle of a character.
    let end = (0..=LONGEST_SHOWN.min(path.len())).rev().find(|end| path.is_char_boundary(*end));
    path.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Log lines at once; after that, one per second.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// Bytes.
const LONGEST_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
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
        let caller = Caller::new(&Stream::unix(left).unwrap(), &Address::Unix(PathBuf::new()));
        let parts = hyper::Request::post("/api/v1/reload").body(()).unwrap().into_parts().0;
        for (times, why) in Refused::ALL.into_iter().enumerate() {
            for _ in 0..=times * 20 {
                audit.refused(&caller, &parts, why);
            }
        }
        let text = audit.metrics(&Permits::new(9));
        for (reason, count) in [("host", 1), ("no_token", 21), ("wrong_token", 41), ("closed", 61)] {
            let line = format!("tlsgate_admin_requests_refused_total{{reason=\"{reason}\"}} {count}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
