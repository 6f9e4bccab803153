//! `tlsgate reload`: requests a reload over the admin API of a running tlsgate, and prints the answer. Must not know: how a
//! reload works.

use std::process::ExitCode;

use hyper::Method;
use serde_json::Value;

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::print::{complain, say};
use crate::cli::running::{self, Answered, Asked, Target};

pub(super) fn reload(target: Target) -> ExitCode {
    let asked = Asked { method: Method::POST, path: "/api/v1/reload", body: None };
    match running::ask(target, &asked).and_then(|answer| lines(&answer)) {
        Ok(lines) => {
            say(&format!("{lines}\n"));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            complain(&reason);
            FAILED.into()
        }
    }
}

/// The lines to print; an error where the reload has failed.
fn lines(answer: &Answered) -> Result<String, String> {
    let texts = |list: &Value, text: fn(&Value) -> Option<&str>| {
        list.as_array().into_iter().flatten().filter_map(text).map(str::to_owned).collect::<Vec<_>>()
    };
    if answer.status.is_success() {
        let changes = texts(&answer.body["changes"], Value::as_str);
        return Ok(if changes.is_empty() { "reloaded: nothing has changed".to_owned() } else { changes.join("\n") });
    }
    let mut lines = vec![answer.error()];
    lines.extend(texts(&answer.body["errors"], |error| error["text"].as_str()));
    Err(lines.join("\n"))
}
