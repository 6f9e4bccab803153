//! What the guidelines say → text for people, or Markdown for a report. Must not know: how it was found.

use std::fmt::Write;

use super::report::{Graded, Report};
use crate::cli::probe::show;
use crate::cli::probe::table::{Table, escaped, wrapped};

pub(in crate::cli::probe) fn text(report: &Report) -> String {
    let mut text = format!("{}\n{}\n\n{}", head(report), report.stamp.shown(), table(report).text());
    let item = |text: &mut String, what: &str| {
        let words: Vec<&str> = what.split(' ').collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}", wrapped(&words, " ", 2, 4));
    };
    for graded in report.guidelines.iter().filter(|one| !one.breaches.is_empty() || !one.remarks.is_empty()) {
        let _ = writeln!(text, "\n{}, {}", graded.name, met(graded));
        graded.breaches.iter().for_each(|breach| item(&mut text, &format!("- {breach}")));
        graded.remarks.iter().for_each(|remark| item(&mut text, &format!("· {remark}")));
    }
    for (number, note) in report.found.notes.iter().enumerate() {
        let _ = write!(text, "{}", if number == 0 { "\n" } else { "" });
        item(&mut text, &format!("note: {note}"));
    }
    // With their defects.
    for (number, one) in report.found.certificates.iter().enumerate() {
        show::certificate(&mut text, &format!("certificate {}", number + 1), one);
    }
    text
}

pub(in crate::cli::probe) fn markdown(report: &Report) -> String {
    let (head, stamp) = (escaped(&head(report)), report.stamp.shown());
    let mut text = format!("## {head}\n\n{stamp}\n\n{}", table(report).markdown());
    let item = |text: &mut String, what: &str| {
        let _ = writeln!(text, "- {}", escaped(what));
    };
    for graded in report.guidelines.iter().filter(|one| !one.breaches.is_empty() || !one.remarks.is_empty()) {
        let _ = writeln!(text, "\n### {}, {}\n\nSource: {}\n", graded.name, met(graded), graded.source);
        graded.breaches.iter().for_each(|breach| item(&mut text, breach));
        graded.remarks.iter().for_each(|remark| item(&mut text, &format!("(advice) {remark}")));
    }
    let notes = &report.found.notes;
    let _ = write!(text, "{}", if notes.is_empty() { "" } else { "\n### Notes\n\n" });
    notes.iter().for_each(|note| item(&mut text, note));
    for one in &report.certificates {
        let _ = writeln!(text, "\n### Certificate {}, {}\n", one.certificate, escaped(&one.subject));
        one.defects.iter().for_each(|defect| item(&mut text, defect));
    }
    text + "\n### Certificates\n\n" + &show::certificates_as_markdown(&report.found.certificates)
}

fn head(report: &Report) -> String {
    show::head(&report.found.target, report.found.server_name.as_deref())
}

fn met(graded: &Graded) -> &'static str {
    if graded.met { "met" } else { "not met" }
}

fn table(report: &Report) -> Table {
    let mut table = Table::new(&["guideline", "met", "breaches"]);
    for graded in &report.guidelines {
        let count = if graded.met { String::new() } else { graded.breaches.len().to_string() };
        table.row(vec![graded.name.clone(), if graded.met { "yes" } else { "no" }.to_owned(), count]);
    }
    table
}
