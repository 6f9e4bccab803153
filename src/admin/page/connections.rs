//! The connections: how many there are and may be, what became of those since the start. Must not know: how they are served.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::parts::{Tone, badge, faint, lines, section, table};
use crate::admin::page::state::State;
use crate::admin::page::text::{ago, bytes, number};
use crate::observe::metrics::Totals;
use crate::pressure::level::Level;

/// The section of connections.
pub(super) fn connections(state: &State<'_>) -> Element {
    let configured = state.status.config.listeners.iter();
    let listeners = configured.filter_map(|settings| state.snapshot.listener(&settings.name)).take(SHOWN);
    let none = Totals::default();
    let rows = listeners.map(|listener| {
        let totals = state.totals.get(&*listener.name).unwrap_or(&none);
        vec![
            Html::text(&listener.name),
            Html::text(number(listener.admission.active() as u64)),
            Html::text(number(totals.accepted)),
            reasons(&totals.rejected),
            reasons(&totals.closed),
            lines([format!("{} from clients", bytes(totals.received)), format!("{} to clients", bytes(totals.sent))]),
        ]
    });
    let columns = &["Listener", "Now", "Accepted", "Refused on accept", "Ended", "Bytes"];
    let since = el("p")
        .with("class", "faint")
        .text("Counted since the start, ")
        .add(ago(state.status.started, state.now))
        .text(".");
    let open = el("p").add(classed("a", "action").with("href", "/connections").text("Open connections…"));
    let section = section("connections", "Connections").add(resources(state)).add(open).add(since);
    section.add(table("Connections of each listener, and why they ended", columns, rows))
}

/// How many there are for each reason, the most frequent first.
fn reasons(counts: &BTreeMap<String, u64>) -> Html {
    let mut counts: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    if counts.is_empty() {
        return faint("none").into();
    }
    lines(counts.into_iter().map(|(reason, count)| format!("{reason}: {}", number(*count))))
}

/// What connections need, how much of it is used, and how much there is.
fn resources(state: &State<'_>) -> Element {
    let pressure = state.pressure;
    let tone = match pressure.level() {
        Level::Easy => Tone::Good,
        Level::Tight | Level::Short => Tone::Doubtful,
        Level::Full => Tone::Bad,
    };
    let of = |most: Option<String>| most.map_or_else(|| " without a bound".to_owned(), |most| format!(" of {most}"));
    let (taken, room) = (pressure.room.taken() as u64, pressure.room.most());
    let room = (room < usize::MAX).then(|| number(room as u64));
    let files = crate::pressure::open_files().unwrap_or_default() as u64;
    let most_files = number(pressure.descriptors.load(Ordering::Relaxed) as u64);
    let used = bytes(pressure.used() as u64);
    let bound = pressure.bound().map(|bound| bytes(bound.bytes as u64));
    let fact = |term: &'static str, value: String, of: String, badge: Option<Element>| {
        let value = el("dd").add(classed("span", "value").text(value)).add(faint(of)).all(badge);
        el("div").add(el("dt").text(term)).add(value)
    };
    classed("dl", "facts").all([
        fact("Connections", number(taken), of(room), None),
        fact("Memory", used, of(bound), Some(badge(tone, pressure.level().word()))),
        fact("Open files", number(files), of(Some(most_files)), None),
    ])
}

/// Listeners that are shown.
const SHOWN: usize = 50;
