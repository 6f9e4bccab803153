//! Fates of ClientHellos → text for people, or Markdown for a report. Must not know: how they were found.

use std::fmt::Write;

use super::report::{Content, Delivery, Report, SIZES, Tried};
use crate::cli::probe::show;
use crate::cli::probe::table::{Table, escaped, wrapped};

pub(in crate::cli::probe) fn text(report: &Report) -> String {
    let (head, stamp) = (head(report), report.stamp.shown());
    let mut text = format!("{head}\n{stamp}\n\n{}\n\n{}\n", control(report), table(report).text());
    for conclusion in conclusions(report) {
        let words: Vec<&str> = conclusion.split(' ').collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {}", wrapped(&words, " ", 2, 2));
    }
    text
}

pub(in crate::cli::probe) fn markdown(report: &Report) -> String {
    let (head, stamp) = (escaped(&head(report)), report.stamp.shown());
    let mut text = format!("## {head}\n\n{stamp}\n\n{}\n\n{}\n", control(report), table(report).markdown());
    for conclusion in conclusions(report) {
        let _ = writeln!(text, "- {}", escaped(&conclusion));
    }
    text
}

fn head(report: &Report) -> String {
    show::head(&report.target, report.server_name.as_deref())
}

fn control(report: &Report) -> String {
    let Tried { bytes, fate, took, .. } = &report.control;
    format!("a plain ClientHello of {bytes} bytes: {}, after {:.1} ms", fate.shown(), took.as_secs_f64() * 1000.0)
}

fn conclusions(report: &Report) -> Vec<String> {
    if report.conclusions.is_empty() {
        return vec!["every ClientHello arrives".to_owned()];
    }
    report.conclusions.iter().map(|one| format!("{}. Likely: {}.", one.finding, one.likely)).collect()
}

/// A row for each way of cutting it, and a column for each length.
fn table(report: &Report) -> Table {
    let mut table = Table::new(&["ClientHello", "0.5 KiB", "1.5 KiB", "4 KiB", "16 KiB"]);
    let plain = Delivery::ALL.map(|delivery| (Content::Plain, delivery));
    let special = [Content::Grease, Content::PostQuantum].map(|content| (content, Delivery::Whole));
    for (content, delivery) in plain.into_iter().chain(special) {
        let what = match content {
            Content::Plain => delivery.shown().to_owned(),
            special => format!("{}, {}", delivery.shown(), special.shown()),
        };
        let fate = |size: usize| {
            let is_it = |one: &&Tried| (one.content, one.delivery, one.size) == (content, delivery, size);
            report.trials.iter().find(is_it).map_or("-", |one| one.fate.word()).to_owned()
        };
        let fates = SIZES.map(fate);
        if fates.iter().any(|fate| fate != "-") {
            table.row(std::iter::once(what).chain(fates).collect());
        }
    }
    // These have a length of their own, which is in no column.
    for one in report.trials.iter().filter(|one| one.content == Content::Chromium) {
        let what = format!("{}, {}", one.delivery.shown(), one.content.shown());
        table.row(vec![what, format!("{} ({} bytes)", one.fate.word(), one.bytes)]);
    }
    table
}
