//! The state of the process → health and status. Must not know: HTTP methods, paths.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::admin::request::answer::Answer;
use crate::admin::view::errors::ShownError;
use crate::reload::control::Status;
use crate::snapshot::Snapshot;

/// The answer to a liveness check: that there is an answer is enough.
pub(in crate::admin) fn live() -> Answer {
    Answer::ok(&json!({ "status": "ok" }))
}

/// Whether new connections are accepted.
pub(in crate::admin) fn ready(status: &Status) -> Answer {
    // Independent of backends: if one is down, it is down for every tlsgate, and all of them would be taken out of service.
    match status.draining {
        true => Answer::error(StatusCode::SERVICE_UNAVAILABLE, "tlsgate is draining"),
        false => Answer::ok(&json!({ "status": "ok" })),
    }
}

pub(in crate::admin) fn status(status: &Status, snapshot: &Snapshot) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started": status.started.to_string(),
        "generation": status.generation,
        "draining": status.draining,
        "last_reload_successful": status.errors.is_empty(),
        "last_success": status.last_success.to_string(),
        "reloads": { "success": status.successes, "failure": status.failures },
        "errors": ShownError::all(&status.errors),
        "warnings": status.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "connections_active": snapshot.listeners().map(|listener| listener.admission.active()).sum::<usize>(),
    })
}
