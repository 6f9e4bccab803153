//! The admin server's answers about open connections → text for people. Must not know: where the answers come from.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::answer::print::visible;

/// One line for each connection, under the names of the columns, and how to go on.
pub(super) fn list(answer: &Value) -> String {
    let rows: Vec<[String; COLUMNS]> = answer["connections"].as_array().into_iter().flatten().map(cells).collect();
    let mut text = String::new();
    if rows.is_empty() {
        return "no connection fits\n".to_owned();
    }
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([TITLES[column].len()]).max().unwrap_or_default()
    });
    let mut line = |cells: [&str; COLUMNS]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(TITLES);
    rows.iter().for_each(|row| line(row.each_ref().map(String::as_str)));
    if let Some(next) = answer["next"].as_str() {
        let _ = writeln!(text, "more follow: --after {}", visible(next));
    }
    text
}

/// How many were closed.
pub(super) fn closed(answer: &Value) -> String {
    let count = answer["closed"].as_u64().unwrap_or_default();
    let how = if answer["mode"] == "now" { "closed" } else { "asked to end" };
    let noun = if count == 1 { "connection is" } else { "connections are" };
    format!("{count} {noun} {how}\n")
}

fn cells(one: &Value) -> [String; COLUMNS] {
    let word = |value: &Value| value.as_str().map_or_else(|| "-".to_owned(), visible);
    let path = [&one["backend"], &one["server"]].map(word);
    let who = &one["client_certificate"]["subject"];
    let age = std::time::Duration::from_secs(one["age_seconds"].as_u64().unwrap_or_default());
    let state = match one["closing"].as_str() {
        Some(mode) => format!("closing ({})", visible(mode)),
        None => word(&one["mode"]),
    };
    let bytes = [&one["received_bytes"], &one["sent_bytes"]].map(|count| count.as_u64().unwrap_or_default());
    [
        word(&one["id"]),
        word(&one["listener"]),
        word(&one["client"]),
        humantime::format_duration(age).to_string(),
        state,
        word(&one["server_name"]),
        word(&one["route"]),
        word(&one["version"]),
        path.join(" "),
        format!("{}/{}", bytes[0], bytes[1]),
        word(who),
    ]
}

const COLUMNS: usize = 11;
const TITLES: [&str; COLUMNS] = [
    "ID",
    "LISTENER",
    "CLIENT",
    "OPEN FOR",
    "STATE",
    "SERVER NAME",
    "ROUTE",
    "TLS",
    "BACKEND",
    "BYTES IN/OUT",
    "CLIENT CERTIFICATE",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_connection_is_a_line_and_the_last_one_shows_how_to_go_on() {
        let one = json!({
            "id": "1a2b3c4d-00000001", "listener": "ldaps", "client": "192.0.2.7:50000", "age_seconds": 90,
            "server_name": "a\u{1b}b", "route": "default", "mode": "terminate", "version": "TLSv1.3",
            "backend": "directory", "server": "10.0.0.1:389", "received_bytes": 3, "sent_bytes": 4,
            "client_certificate": null, "closing": null,
        });
        let text = list(&json!({ "connections": [one], "next": "1a2b3c4d-00000001" }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("ID                 LISTENER  CLIENT"), "{text}");
        for part in ["1m 30s", "a\\u{1b}b", "directory 10.0.0.1:389", "3/4"] {
            assert!(lines[1].contains(part), "{part}: {text}");
        }
        assert_eq!(lines[2], "more follow: --after 1a2b3c4d-00000001");
        assert_eq!(list(&json!({ "connections": [], "next": null })), "no connection fits\n");
    }

    #[test]
    fn what_was_closed_is_counted() {
        assert_eq!(closed(&json!({ "closed": 1, "mode": "polite" })), "1 connection is asked to end\n");
        assert_eq!(closed(&json!({ "closed": 2, "mode": "now" })), "2 connections are closed\n");
    }
}
