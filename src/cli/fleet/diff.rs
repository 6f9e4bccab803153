//! `tlsgate fleet diff`: what differs between two releases. Must not know: how lines are compared.
//!
//! Only the configuration is shown line by line, and of certificates what they are for: everything else may be secret.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::collect::CONFIGURATION;
use super::place::{Place, Store, wait_for};
use super::releases;
use super::shown::{release_json, time};
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::{say, visible};
use crate::fleet::part::Plain;
use crate::fleet::tree::lists::Entry;
use crate::tls::certificate::inspect::Facts;
use crate::tls::certificate::pem;

mod lines;

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    #[command(flatten)]
    place: Place,
    /// The number of a release.
    #[arg(value_name = "A")]
    from: u64,
    /// The number of another one; by default the current release.
    #[arg(value_name = "B")]
    to: Option<u64>,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
}

/// A file that is not the same in both.
struct Change {
    path: String,
    /// `None`: it is not there.
    before: Option<Side>,
    after: Option<Side>,
    /// Of the configuration.
    lines: Vec<String>,
}

/// A file of one release.
struct Side {
    size: u64,
    /// What its certificates are for.
    certificates: Vec<String>,
}

pub(super) fn diff(what: &Diff) -> Result<ExitCode, String> {
    let store = what.place.open()?;
    let (from, to, changes) = wait_for(async {
        let from = releases::numbered(&store, what.from).await?;
        let to = match what.to {
            Some(number) => releases::numbered(&store, number).await?,
            None => releases::current(&store).await?.ok_or("found no current release, expected one, or two numbers")?,
        };
        let told = |number| move |error| format!("release {number}: {error}");
        let before = releases::files(&store, &from.root).await.map_err(told(from.number))?;
        let after = releases::files(&store, &to.root).await.map_err(told(to.number))?;
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let mut changes = Vec::new();
        for path in paths {
            let (one, other) = (before.get(path), after.get(path));
            if one.map(|entry| &entry.pieces) != other.map(|entry| &entry.pieces) {
                changes.push(change(&store, path, one, other).await?);
            }
        }
        Ok((from, to, changes))
    })?;
    match what.format {
        Output::Text => {
            let same = if changes.is_empty() { ": the same files" } else { "" };
            say(&format!(
                "release {} ({}) and {} ({}){same}\n",
                from.number,
                time(from.stamp),
                to.number,
                time(to.stamp)
            ));
            say(&changes.iter().map(Change::text).collect::<String>());
        }
        Output::Json => {
            let changes: Vec<Value> = changes.iter().map(Change::json).collect();
            say(&form::json(&json!({ "from": release_json(&from), "to": release_json(&to), "files": changes })));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(store: &Store, path: &str, one: Option<&Entry>, other: Option<&Entry>) -> Result<Change, String> {
    let (before, first) = side(store, one).await?;
    let (after, second) = side(store, other).await?;
    let lines = match (first, second) {
        (Some(first), Some(second)) if path == CONFIGURATION => lines::changed(&text(&first), &text(&second)),
        _ => Vec::new(),
    };
    Ok(Change { path: path.to_owned(), before, after, lines })
}

fn text(content: &[u8]) -> String {
    String::from_utf8_lossy(content).into_owned()
}

async fn side(store: &Store, entry: Option<&Entry>) -> Result<(Option<Side>, Option<Plain>), String> {
    let Some(entry) = entry else { return Ok((None, None)) };
    let content = match entry.size <= LARGEST {
        true => Some(releases::content(store, entry).await?),
        false => None,
    };
    let certificates = content.as_ref().map_or_else(Vec::new, |content| certificates(content));
    Ok((Some(Side { size: entry.size, certificates }), content))
}

/// What the certificates of a file are for, if there are any in it.
fn certificates(content: &[u8]) -> Vec<String> {
    let Ok(found) = pem::read_certificates(content) else { return Vec::new() };
    let facts = found.certificates.iter().filter_map(|der| Facts::of(der).ok());
    let shown = |facts: Facts| {
        let names = if facts.names.is_empty() { facts.subject.clone() } else { facts.names.join(", ") };
        let until = crate::tls::certificate::x509::rfc3339(facts.not_after);
        let key: String = facts.spki_sha256.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{names} until {until}, {} {key}…", facts.key)
    };
    facts.map(shown).collect()
}

impl Change {
    fn text(&self) -> String {
        let path = visible(&self.path);
        let of = |mark: char, side: &Side| -> String {
            side.certificates.iter().map(|one| format!("    {mark} {}\n", visible(one))).collect()
        };
        let (mark, sizes) = match (&self.before, &self.after) {
            (None, Some(after)) => ('+', format!("{} bytes", after.size)),
            (Some(before), None) => ('-', format!("{} bytes", before.size)),
            (Some(before), Some(after)) => ('~', format!("{} to {} bytes", before.size, after.size)),
            (None, None) => return String::new(),
        };
        let mut text = format!("{mark} {path}: {sizes}\n");
        text.extend(self.before.iter().map(|side| of('-', side)));
        text.extend(self.after.iter().map(|side| of('+', side)));
        text.extend(self.lines.iter().map(|line| format!("    {}\n", visible(line))));
        text
    }

    fn json(&self) -> Value {
        let side = |side: &Side| json!({ "size": side.size, "certificates": side.certificates });
        json!({
            "path": self.path,
            "from": self.before.as_ref().map(side),
            "to": self.after.as_ref().map(side),
            "lines": self.lines,
        })
    }
}

/// A file with more bytes is not looked into.
const LARGEST: u64 = 4 << 20;
