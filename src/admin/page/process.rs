//! The process and its configuration: since when it runs, its reloads, its warnings. Must not know: how a reload works.

use crate::admin::page::html::{Element, classed, el};
use crate::admin::page::parts::{Tone, badge, section};
use crate::admin::page::state::{State, Viewer};
use crate::admin::page::step::Step;
use crate::admin::page::text::{ago, count, number, short};
use crate::warning;

/// The section of the process.
pub(super) fn process(state: &State<'_>, viewer: &Viewer) -> Element {
    let status = state.status;
    let fact = |term: &'static str, value: Element| el("div").add(el("dt").text(term)).add(el("dd").add(value));
    let text = |text: String| el("span").text(text);
    let result = match status.errors.is_empty() {
        true => badge(Tone::Good, "succeeded"),
        false => badge(Tone::Bad, "refused"),
    };
    let reload = viewer
        .signed
        .as_ref()
        .map(|_| el("a").with("class", "action").with("href", Step::Reload.address()).text("Reload…"));
    let reloads = format!("{} succeeded, {} failed", number(status.successes), number(status.failures));
    let facts = classed("dl", "facts").all([
        fact("Version", text(env!("CARGO_PKG_VERSION").to_owned())),
        fact("Process", text(std::process::id().to_string())),
        fact("Started", ago(status.started, state.now)),
        fact(
            "Configuration",
            el("span")
                .text(format!("generation {}, since ", number(status.generation)))
                .add(ago(status.last_success, state.now)),
        ),
        fact("Fleet", fleet(state)),
        fact("Last reload", el("span").add(result).text(" ").all(reload)),
        fact("Reloads", text(reloads)),
    ]);
    section("process", "Process and configuration").add(facts).all(warnings(state))
}

/// What it serves as a node of a fleet.
fn fleet(state: &State<'_>) -> Element {
    let Some(fleet) = state.fleet else { return el("span").text("not a node of one") };
    let connected = match fleet.connected {
        true => badge(Tone::Good, "connected"),
        false => badge(Tone::Doubtful, "not connected"),
    };
    let release = &fleet.release;
    let by =
        if release.by.is_empty() { String::new() } else { format!(", published by {}", short(&release.by, LONGEST)) };
    let note = if release.note.is_empty() { String::new() } else { format!(" ({})", short(&release.note, LONGEST)) };
    el("span")
        .text(format!("node {}: release {}{note}{by}, since ", fleet.node, number(release.number)))
        .add(ago(fleet.since, state.now))
        .text(" ")
        .add(connected)
}

/// The warnings: what works, but should be known. Many of a kind are one.
fn warnings(state: &State<'_>) -> Option<Element> {
    let lines = warning::lines(state.status.warnings.iter());
    let all = state.status.warnings.len();
    (all > 0).then(|| {
        let items = lines.iter().take(SHOWN).map(|line| el("li").text(short(line, LONGEST)));
        let more = lines.len().saturating_sub(SHOWN);
        let more = (more > 0).then(|| classed("p", "faint").text(format!("And {more} more, in /api/v1/status.")));
        el("div")
            .add(el("h3").text(format!("{} of the configuration and its files", count(all, "warning"))))
            .add(classed("ul", "warnings").all(items))
            .all(more)
    })
}

/// Warnings that are shown.
const SHOWN: usize = 20;
/// Characters of a warning.
const LONGEST: usize = 400;
