//! What ends a connection when no server of the backend could be reached.

use crate::backend::connect::Failure;
use crate::backend::pool::NoServer;
use crate::observe::outcome::Outcome;
use crate::proxy::ending::{Ending, Farewell};

impl Ending {
    /// No server could be reached; `failures` lists the servers that were tried.
    pub fn no_server(none: NoServer, failures: &[Failure]) -> Self {
        let outcome = match none {
            NoServer::Full => Outcome::BackendFull,
            NoServer::Unknown | NoServer::Tried | NoServer::Refused | NoServer::Down => Outcome::BackendUnreachable,
        };
        let tried: Vec<String> =
            failures.iter().map(|failure| format!("{}: {}", failure.address, failure.reason)).collect();
        let reason = if tried.is_empty() { none.to_string() } else { tried.join("; ") };
        // Where TLS is terminated, no close_notify is sent: the client must not take this for an empty answer.
        Self::with(outcome, Farewell::Shut).because(reason)
    }
}
