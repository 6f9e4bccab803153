//! The admin server's answers about certificates that authorities issue → text for people. What needs attention is in
//! capitals. Must not know: where the answers come from.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::answer::print::visible;

/// Each authority, and its certificates under it.
pub(super) fn list(answer: &Value) -> String {
    let mut text = String::new();
    if let Some(pid) = answer["locked_by"].as_u64() {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "NOTHING IS ORDERED HERE: another process ({pid}) has the folder of the state");
    }
    if let Some(leader) = answer["leader"].as_str().filter(|_| answer["ordered_here"] == false) {
        let _ = writeln!(text, "ordered by the node that leads the fleet: {}", visible(leader));
    } else if answer["ordered_here"] == false && answer["locked_by"].is_null() {
        text.push_str("NOTHING IS ORDERED: no node leads the fleet, as far as this one sees\n");
    }
    if let Some(trouble) = answer["trouble"].as_str() {
        let _ = writeln!(text, "NOTHING IS ORDERED HERE: {}", visible(trouble));
    }
    for authority in array(&answer["authorities"]) {
        let name = word(&authority["name"]);
        let renewals = &authority["renewals"];
        let _ = writeln!(
            text,
            "authority {name} ({}): {} requests, {} issued, {} failed",
            word(&authority["directory"]),
            authority["requests"],
            renewals["issued"],
            renewals["failed"]
        );
        if let Some(until) = authority["paused_until"].as_str() {
            let _ = writeln!(text, "  asked for no more requests until {}", visible(until));
        }
        let of = |certificate: &&Value| certificate["authority"] == authority["name"];
        let certificates: Vec<&Value> = array(&answer["certificates"]).iter().filter(of).collect();
        let widest = |column: fn(&Value) -> String| {
            certificates.iter().map(|one| column(one).chars().count()).max().unwrap_or_default().min(WIDEST)
        };
        let (names_width, key_width) = (widest(names), widest(|one| word(&one["key"])));
        for one in certificates {
            let (names, key) = (names(one), word(&one["key"]));
            let (state, validity, next) = (state(one), validity(one), next(one));
            let _ = writeln!(text, "  {names:<names_width$}  {key:<key_width$}  {state:<8}  {validity:<26}  {next}");
            if let Some(failed) = failed(one) {
                let _ = writeln!(text, "    {failed}");
            }
        }
    }
    if text.is_empty() { "no authority is configured\n".to_owned() } else { text }
}

/// How each order has ended.
pub(super) fn outcomes(answer: &Value) -> String {
    if answer["finished"] == false {
        return "not finished yet; `tlsgate acme list` shows what becomes of it\n".to_owned();
    }
    let mut text = String::new();
    for one in array(&answer["certificates"]) {
        let (names, key, authority) = (names(one), word(&one["key"]), word(&one["authority"]));
        let end = match &one["failure"] {
            Value::Null => "done".to_owned(),
            failure => format!("FAILED: {}", word(&failure["message"])),
        };
        let _ = writeln!(text, "{names} ({key}, from {authority}): {end}");
    }
    text
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| "-".to_owned(), visible)
}

fn names(certificate: &Value) -> String {
    let all = array(&certificate["names"]);
    let shown: Vec<String> = all.iter().take(NAMED).map(word).collect();
    match all.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

fn state(certificate: &Value) -> String {
    match certificate["state"].as_str() {
        Some("failed") => "FAILED".to_owned(),
        _ => word(&certificate["state"]),
    }
}

fn validity(certificate: &Value) -> String {
    certificate["not_after"].as_str().map_or_else(|| "-".to_owned(), |until| format!("until {}", visible(until)))
}

fn next(certificate: &Value) -> String {
    match &certificate["next"] {
        Value::Null => "-".to_owned(),
        next => format!("ordered {} ({})", word(&next["time"]), word(&next["reason"])),
    }
}

fn failed(certificate: &Value) -> Option<String> {
    let (count, last) = (certificate["failures"].as_u64()?, &certificate["last_failure"]);
    (count > 0 && !last.is_null()).then(|| {
        let (at, authority, message) = (word(&last["time"]), word(&last["authority"]), word(&last["message"]));
        format!("failed {count} times, the last at {at} with {authority}: {message}")
    })
}

/// Names of one certificate.
const NAMED: usize = 3;
/// Characters of a column.
const WIDEST: usize = 60;
