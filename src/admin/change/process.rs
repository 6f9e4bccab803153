//! Reload and drain. Must not know: how either is done.

use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::admin::request::answer::Answer;
use crate::admin::view::errors::ShownError;
use crate::config::located::ConfigError;
use crate::reload::control::{Control, Status};
use crate::reload::report::Report;

/// The answer to a reload that failed and changed nothing.
#[derive(Serialize)]
struct Failed<'a> {
    error: &'static str,
    errors: Vec<ShownError<'a>>,
}

/// Reads everything again and swaps; answers with the result.
pub(in crate::admin) async fn reload(control: &Control) -> Answer {
    match control.reload().await.as_deref() {
        Ok(Report::Swapped(changes)) => Answer::ok(&swapped(&control.status.borrow(), changes)),
        Ok(Report::Failed(errors)) => failed(StatusCode::UNPROCESSABLE_ENTITY, errors),
        Err(stopping) => Answer::error(StatusCode::SERVICE_UNAVAILABLE, &stopping.to_string()),
    }
}

/// Stops accepting, and answers once nothing is accepted any more.
pub(in crate::admin) async fn drain(mut control: Control) -> Answer {
    let already = || Answer::error(StatusCode::CONFLICT, "tlsgate is already draining");
    if control.status.borrow().draining || control.drain().await.is_err() {
        return already();
    }
    // The sender is dropped only when the process ends, which was requested.
    let _ = control.status.wait_for(|status| status.draining).await;
    Answer::json(StatusCode::ACCEPTED, &json!({ "draining": true }))
}

/// The answer to a reload that swapped.
fn swapped(status: &Status, changes: &[String]) -> serde_json::Value {
    json!({ "generation": status.generation, "changes": changes, "warnings": status.warnings.iter().map(ToString::to_string).collect::<Vec<_>>() })
}

pub(in crate::admin) fn failed(status: StatusCode, errors: &[ConfigError]) -> Answer {
    Answer::json(status, &Failed { error: "not reloaded, everything stays as it is", errors: ShownError::all(errors) })
}
