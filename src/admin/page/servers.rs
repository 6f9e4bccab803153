//! The backends' servers, as a table. Must not know: how they are checked, which one gets a connection.

use crate::admin::page::html::{Element, Html, el};
use crate::admin::page::parts::{Tone, badge, faint, labels, lines, nothing, paged, section, table, texts};
use crate::admin::page::state::{State, Viewer};
use crate::admin::page::step::Step;
use crate::admin::page::text::{ago, count, day, number, short, span};
use crate::admin::page::wanted::{Table, Wanted};
use crate::backend::condition::{Health, State as Set};
use crate::backend::pool::{Member, Pool};
use crate::backend::server::Server;

/// The section of backends.
pub(super) fn servers(state: &State<'_>, wanted: &Wanted, viewer: &Viewer) -> Element {
    let lists: Vec<_> = state.snapshot.pools().iter().map(|pool| (pool, pool.members())).collect();
    let all = lists.iter().flat_map(|(pool, members)| members.list.iter().map(move |member| (&***pool, member)));
    let fitting: Vec<(&Pool, &Member)> = all.filter(|(pool, member)| fits(pool, member, wanted)).collect();
    let (shown, pager) = paged(wanted, Table::Servers, &fitting);
    let section = section(Table::Servers.id(), "Backends").all(sources(state));
    if shown.is_empty() {
        return section.add(nothing(wanted, "servers"));
    }
    let rows = shown.iter().map(|(pool, member)| row(state, pool, member, viewer));
    let columns = &["Server", "Backend", "State", "Connections", "Weight", "Last check", "Change"];
    // Without a session there is nothing in the last column.
    let columns = if viewer.signed.is_some() { &columns[..] } else { &columns[..6] };
    let backends = count(state.snapshot.pools().len(), "backend");
    let caption = format!("{} of {backends}", count(fitting.len(), "server"));
    section.add(table(caption, columns, rows)).all(pager)
}

/// What a server does, in the words that are shown, the most important first.
pub(super) fn words(server: &Server) -> Vec<(Tone, &'static str)> {
    let set = match server.state() {
        Set::Ready => None,
        Set::Drain => Some((Tone::Doubtful, "drained")),
        Set::Maint => Some((Tone::Doubtful, "out of service")),
    };
    let health = match server.health() {
        // It is not checked there.
        _ if server.state() == Set::Maint => None,
        Health::Down => Some((Tone::Bad, "down")),
        Health::Up => Some((Tone::Good, "up")),
        Health::Unknown => Some((Tone::Plain, "not checked")),
    };
    let paused = server.paused().map(|_| (Tone::Doubtful, "passed over"));
    [set, health, paused].into_iter().flatten().collect()
}

fn fits(pool: &Pool, member: &Member, wanted: &Wanted) -> bool {
    let address = member.server.address.to_string();
    let words = words(&member.server);
    let labels: Vec<String> = texts(&pool.settings.labels).collect();
    let words = words.iter().map(|(_, word)| *word).chain(labels.iter().map(String::as_str));
    wanted.fits([&*address, &**pool.name()].into_iter().chain(words))
}

fn row(state: &State<'_>, pool: &Pool, member: &Member, viewer: &Viewer) -> Vec<Html> {
    let server = &member.server;
    let address = server.address.to_string();
    let most = match member.max_connections {
        usize::MAX => None,
        most => Some(faint(format!(" of {}", number(most as u64)))),
    };
    let weight = if member.tier.backup { format!("{}, backup", member.weight) } else { member.weight.to_string() };
    let step = Step::Server { backend: pool.name().to_string(), server: address.clone() };
    let change = el("a")
        .with("class", "action")
        .with("href", step.address())
        .with("aria-label", format!("State of {address} of {}: change", pool.name()))
        .text("State…");
    let passed = server.paused().map(|left| faint(format!("for {}", span(left.as_secs()))));
    let badges = words(server).into_iter().map(|(tone, word)| badge(tone, word));
    vec![
        Html::text(short(&address, LONGEST)),
        [Html::text(pool.name())].into_iter().chain(labels(&pool.settings.labels).map(Html::from)).collect(),
        badges.chain(passed).collect(),
        el("span").text(number(server.active() as u64)).all(most).into(),
        Html::text(weight),
        checked(state, server),
        viewer.signed.as_ref().map(|_| change).into_iter().collect(),
    ]
}

/// Its last health check, and until when its certificate is valid.
fn checked(state: &State<'_>, server: &Server) -> Html {
    let verdict = server.verdict();
    let last = match &verdict.last {
        None => faint("none"),
        Some(last) => {
            let word = if last.reason.is_none() { "passed " } else { "failed " };
            let why = last.reason.as_ref().map(|reason| faint(format!(": {}", short(reason, LONGEST_REASON))));
            el("span").text(word).add(ago(last.time, state.now)).all(why)
        }
    };
    let ends = verdict.validity.map(|validity| {
        let soon = verdict.ends_soon(state.now.as_second()).then(|| badge(Tone::Doubtful, "expires soon"));
        el("span").with("class", "line").text("certificate until ").add(day(validity.not_after)).text(" ").all(soon)
    });
    [last].into_iter().chain(ends).collect()
}

/// The look-ups that failed last.
fn sources(state: &State<'_>) -> Option<Element> {
    let lookups = state.snapshot.pools().iter().flat_map(|pool| &pool.lookups);
    let failed: Vec<String> =
        lookups.filter_map(|lookup| Some(format!("{}: {}", lookup.source, lookup.trouble()?))).take(SHOWN).collect();
    (!failed.is_empty()).then(|| el("p").add(badge(Tone::Doubtful, "look-ups failed")).text(" ").add(lines(failed)))
}

/// Look-ups that are shown.
const SHOWN: usize = 10;
/// Characters of an address.
const LONGEST: usize = 100;
/// Characters of the reason of a failed check.
const LONGEST_REASON: usize = 200;
