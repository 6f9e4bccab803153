//! `tlsgate weights`: shows and sets how the backends of a route of a running tlsgate share its connections, over its admin
//! API. Must not know: how a backend is chosen.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::{complain, say, visible};
use crate::cli::running::{self, Asked, Target};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the routes whose connections several backends share, with the weights now.
    List {
        #[command(flatten)]
        target: Target,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
    /// Set the weights of all backends of a route. New connections follow at once, and no connection is closed.
    Set {
        /// The listener.
        #[arg(long, value_name = "NAME")]
        listener: String,
        /// The route; "default" is the listener itself.
        #[arg(long, value_name = "NAME", default_value = "default")]
        route: String,
        /// Each backend with its weight, 0 to 1000, such as blue=90 green=10.
        #[arg(required = true, value_name = "BACKEND=WEIGHT", value_parser = weight)]
        weights: Vec<(String, u32)>,
        #[command(flatten)]
        target: Target,
        /// The format of the output.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        format: Output,
    },
}

pub(super) fn weights(verb: Verb) -> ExitCode {
    let done = match verb {
        Verb::List { target, format } => list(target, format),
        Verb::Set { listener, route, weights, target, format } => set((&listener, &route), weights, target, format),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            complain(&reason);
            FAILED.into()
        }
    }
}

fn list(target: Target, format: Output) -> Result<(), String> {
    let answer = running::ask(target, &Asked { method: Method::GET, path: "/api/v1/listeners", body: None })?;
    if !answer.status.is_success() {
        return Err(answer.error());
    }
    let shared = shared(&answer.body);
    match format {
        Output::Text if shared.is_empty() => say("no route has several backends\n"),
        Output::Text => say(&shared.iter().map(line).collect::<String>()),
        Output::Json => say(&form::json(&json!({ "routes": shared }))),
    }
    Ok(())
}

/// The routes with several backends, and listeners that have them themselves.
fn shared(listeners: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for listener in listeners["listeners"].as_array().into_iter().flatten() {
        let routes = listener["routes"].as_array().into_iter().flatten();
        let routes = routes.map(|route| (&route["name"], &route["backends"]));
        let default = json!("default");
        for (route, backends) in routes.chain([(&default, &listener["backends"])]) {
            if backends.as_array().is_some_and(|backends| backends.len() > 1) {
                all.push(json!({ "listener": listener["name"], "route": route, "backends": backends }));
            }
        }
    }
    all
}

fn line(route: &Value) -> String {
    let word = |value: &Value| visible(value.as_str().unwrap_or("-"));
    format!("{} {}: {}\n", word(&route["listener"]), word(&route["route"]), shown(&route["backends"]))
}

/// `blue=95 green=5`, with the weight in the file where that is another one.
fn shown(backends: &Value) -> String {
    let mut text = String::new();
    for one in backends.as_array().into_iter().flatten() {
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{gap}{}={}", visible(one["backend"].as_str().unwrap_or("-")), one["weight"]);
        if one["weight"] != one["configured_weight"] {
            let _ = write!(text, " ({} in the configuration)", one["configured_weight"]);
        }
    }
    text
}

fn set(
    (listener, route): (&str, &str),
    weights: Vec<(String, u32)>,
    target: Target,
    format: Output,
) -> Result<(), String> {
    let encoded = |name| utf8_percent_encode(name, NON_ALPHANUMERIC);
    let path = format!("/api/v1/listeners/{}/routes/{}/weights", encoded(listener), encoded(route));
    let weights: Map<String, Value> = weights.into_iter().map(|(name, weight)| (name, weight.into())).collect();
    let body = Some(json!({ "weights": weights }));
    let answer = running::ask(target, &Asked { method: Method::PUT, path: &path, body })?;
    if !answer.status.is_success() {
        return Err(answer.error());
    }
    match format {
        Output::Text => say(&format!("{}\n", shown(&answer.body["backends"]))),
        Output::Json => say(&form::json(&answer.body)),
    }
    Ok(())
}

/// Reads `blue=90`.
fn weight(text: &str) -> Result<(String, u32), String> {
    let read = text.rsplit_once('=').and_then(|(name, weight)| Some((name.to_owned(), weight.parse().ok()?)));
    read.filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "expected a backend and its weight, such as blue=90".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_what_follows_the_last_equals_sign() {
        assert_eq!(weight("a=b=7"), Ok(("a=b".to_owned(), 7)));
        for wrong in ["", "a", "a=", "=1", "a=-1", "a=1.5", "a=x"] {
            assert!(weight(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_routes_with_several_backends_are_listed() {
        let backend = |name: &str, weight: u32| json!({ "backend": name, "weight": weight, "configured_weight": 5 });
        let answer = json!({ "listeners": [
            { "name": "a", "backends": [backend("x", 1)], "routes": [
                { "name": "r", "backends": [backend("blue", 5), backend("green\u{1b}", 7)] },
                { "name": "refused", "backends": [] },
            ] },
        ] });
        let lines: Vec<String> = shared(&answer).iter().map(line).collect();
        assert_eq!(lines, ["a r: blue=5 green\\u{1b}=7 (5 in the configuration)\n"]);
    }
}
