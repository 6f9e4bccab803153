//! Whether what happened to a client is right: expected of its kind, or explained by a fault that the soak has made
//! meanwhile. Pure. Must not know: where records come from, how faults are made.

use std::net::SocketAddr;

use crate::exchange::Failure;
use crate::faults::Fault;
use crate::kind::Kind;

/// All that is known of one connection.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) kind: Kind,
    /// Why it failed, as the client has seen it.
    pub(crate) failure: Option<&'a Failure>,
    /// From the access log.
    pub(crate) outcome: Option<&'a str>,
    /// The server that it had, from the access log or from the server's own first bytes.
    pub(crate) server: Option<SocketAddr>,
    /// The faults between its beginning and its end.
    pub(crate) faults: &'a [Fault],
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Expected,
    /// The fault's name.
    Explained(&'static str),
    Unexplained,
}

pub(crate) fn judge(seen: &Seen<'_>) -> Verdict {
    // No fault explains a wrong byte.
    if seen.failure.is_some_and(|failure| failure.is_corruption) {
        return Verdict::Unexplained;
    }
    let is_right = seen.outcome.is_none_or(|outcome| seen.kind.outcomes().contains(&outcome));
    if seen.failure.is_none() && is_right {
        return Verdict::Expected;
    }
    explanation(seen).map_or(Verdict::Unexplained, Verdict::Explained)
}

fn explanation(seen: &Seen<'_>) -> Option<&'static str> {
    let outcome = seen.outcome.unwrap_or_default();
    let is_on = |fault: Fault| seen.faults.contains(&fault);
    // Only what was with this very server: whoever was not is given another one.
    if seen.server.is_some_and(|server| is_on(Fault::Killed(server))) && by_server(outcome) {
        return Some(KILLED);
    }
    if MEMORY.contains(&outcome) && is_on(Fault::Pressure) {
        return Some(PRESSURE);
    }
    // The process before waits for `shutdown_timeout`, which only those exceed that hold their connections.
    if outcome == "shutdown" && is_on(Fault::Upgrade) && is_holding(seen.kind) {
        return Some(UPGRADE);
    }
    None
}

/// Outcomes of a connection whose server was killed. Where the kernel ends its connections with a FIN, as it does for a
/// process without unread data, a server without TLS has ended in an orderly way: only the client, which knows how much is
/// missing, sees that it was killed. It then breaks off itself.
fn by_server(outcome: &str) -> bool {
    outcome.is_empty() || outcome == "completed" || outcome.starts_with("backend_") || BROKEN_OFF.contains(&outcome)
}

const fn is_holding(kind: Kind) -> bool {
    matches!(kind, Kind::Silent | Kind::Trickling | Kind::Stopped | Kind::NotReading | Kind::Left)
}

/// Outcomes of clients that are refused or closed because memory is short.
const MEMORY: [&str; 2] = ["memory_limit", "memory_stalled"];

/// Outcomes of clients that have seen that something is missing.
const BROKEN_OFF: [&str; 2] = ["client_truncated", "client_reset"];

const KILLED: &str = "its server was killed";
const PRESSURE: &str = "memory was short";
const UPGRADE: &str = "the process before an upgrade has ended";
