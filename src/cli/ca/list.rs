//! `tlsgate ca list`: what was issued, as text and JSON. Must not know: where it is kept.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::authority::issued::{Entry, Role};
use crate::authority::open::Authority;
use crate::cli::answer::exit::FAILED;
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::{complain, say, visible};
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::x509::rfc3339;

pub(super) fn list(folder: &Path, format: Output, now: i64) -> ExitCode {
    let (entries, errors) = match Authority::read(folder) {
        Ok(authority) => authority.issued(),
        Err(error) => (Vec::new(), vec![error]),
    };
    match format {
        Output::Text => {
            say(&text(&entries, now));
            errors.iter().for_each(|error| complain(&format!("error: {error}")));
        }
        Output::Json => {
            let certificates: Vec<Value> = entries.iter().map(|entry| shape(entry, now)).collect();
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            say(&form::json(&json!({ "certificates": certificates, "errors": errors })));
        }
    }
    if errors.is_empty() { ExitCode::SUCCESS } else { FAILED.into() }
}

/// A line for each.
fn text(entries: &[Entry], now: i64) -> String {
    let mut text = String::new();
    let widest = entries.iter().map(|entry| names(&entry.facts).chars().count()).max().unwrap_or_default().min(WIDEST);
    for entry in entries {
        let Facts { serial, key, not_after, .. } = &entry.facts;
        let (names, role) = (names(&entry.facts), role(entry.role));
        let end = rfc3339(*not_after);
        let state = match (&entry.revoked, state(entry, now)) {
            (Some(revoked), _) => format!("REVOKED {} ({})", rfc3339(revoked.at), revoked.reason.word()),
            (None, "expired") => format!("EXPIRED {end}"),
            _ => format!("until   {end} ({} days)", entry.facts.days_left(now)),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{serial}  {role:<7}  {:<widest$}  {key:<11}  {state}", visible(&names));
    }
    text
}

fn shape(entry: &Entry, now: i64) -> Value {
    let facts = &entry.facts;
    json!({
        "serial_number": facts.serial,
        "role": role(entry.role),
        "subject": facts.subject,
        "names": facts.names,
        "issuer": facts.issuer,
        "key": facts.key,
        "not_before": rfc3339(facts.not_before),
        "not_after": rfc3339(facts.not_after),
        "days_left": facts.days_left(now),
        "state": state(entry, now),
        "revoked_at": entry.revoked.as_ref().map(|revoked| rfc3339(revoked.at)),
        "reason": entry.revoked.as_ref().map(|revoked| revoked.reason.word()),
    })
}

fn names(facts: &Facts) -> String {
    if facts.names.is_empty() { facts.subject.clone() } else { facts.names.join(", ") }
}

fn state(entry: &Entry, now: i64) -> &'static str {
    match &entry.revoked {
        Some(_) => "revoked",
        None if entry.facts.not_after < now => "expired",
        None => "valid",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Issuing => "issuing",
        Role::Server => "server",
        Role::Client => "client",
    }
}

/// Characters of the column of names.
const WIDEST: usize = 60;
