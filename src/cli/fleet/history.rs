//! `tlsgate fleet history`: the releases that are still there. Must not know: how they are stored.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::place::{Place, wait_for};
use super::releases::{self, All};
use super::shown::{names, release_json, short, time};
use crate::cli::answer::form::{self, Output};
use crate::cli::answer::print::{complain, say, visible};
use crate::fleet::record::Record;

#[derive(Debug, Args)]
pub(in crate::cli) struct History {
    #[command(flatten)]
    place: Place,
    /// How many to show.
    #[arg(short, long, value_name = "COUNT", default_value_t = 20)]
    number: usize,
    /// The format of the output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    format: Output,
}

pub(super) fn history(what: &History) -> Result<ExitCode, String> {
    let store = what.place.open()?;
    let read = async {
        let current = releases::current(&store).await?;
        Ok((releases::all(&store).await?, current))
    };
    let (All { records, unreadable }, current) = wait_for(read)?;
    for (_, error) in &unreadable {
        complain(&format!("warning: {error}"));
    }
    let is_current = |record: &Record| current.as_ref().is_some_and(|current| current.stamp == record.stamp);
    let shown = records.iter().take(what.number);
    match what.format {
        Output::Text if records.is_empty() => say("nothing was published yet\n"),
        Output::Text => say(&shown.map(|record| line(record, is_current(record))).collect::<String>()),
        Output::Json => {
            let one = |record: &Record| {
                let mut shown = release_json(record);
                shown["current"] = is_current(record).into();
                shown
            };
            say(&form::json(&json!({ "releases": shown.map(one).collect::<Vec<Value>>() })));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(record: &Record, is_current: bool) -> String {
    let mark = if is_current { '*' } else { ' ' };
    let canary = record.canary.as_ref().map(|canary| {
        format!("  canary {}… on {}", short(&canary.root), names(canary.nodes.iter().map(String::as_str)))
    });
    let note = if record.note.is_empty() { String::new() } else { format!("  {}", visible(&record.note)) };
    let Record { number, stamp, root, by, .. } = record;
    format!(
        "{mark} {number:>4}  {}  {}…  {}{}{note}\n",
        time(*stamp),
        short(root),
        visible(by),
        canary.unwrap_or_default()
    )
}
