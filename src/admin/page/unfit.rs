//! What is wrong with backends and their servers. Must not know: how it is shown, how a server is checked.

use crate::admin::page::state::State;
use crate::admin::page::text::{count, distance, span};
use crate::admin::page::trouble::{Found, Level, kind};
use crate::admin::page::wanted::{Table, filtered};
use crate::backend::condition::{Health, State as Set};
use crate::backend::pool::{Member, Pool};

/// A server, and the backend that it is of.
type Of<'p> = (&'p Pool, &'p Member);

/// Everything that is wrong with them.
pub(super) fn unfit(state: &State<'_>) -> Found {
    let lists: Vec<_> = state.snapshot.pools().iter().map(|pool| (&**pool, pool.members())).collect();
    let all: Vec<Of<'_>> =
        lists.iter().flat_map(|(pool, members)| members.list.iter().map(move |member| (*pool, member))).collect();
    let unusable = lists.iter().filter(|(_, members)| !members.list.iter().any(|member| member.server.is_up()));
    let unusable: Vec<&Pool> = unusable.map(|(pool, _)| *pool).collect();
    let lookups = state.snapshot.pools().iter().flat_map(|pool| &pool.lookups);
    let lookups: Vec<String> =
        lookups.filter_map(|lookup| Some(format!("{}: {}", lookup.source, lookup.trouble()?))).collect();
    let without = |found| format!("{} without a server that is up", count(found, "backend"));
    let failed = |found| format!("{} failed; the last answer stays in use", count(found, "look-up"));
    let backends = [
        kind(Level::Error, &unusable, without, |pool| pool.name().to_string(), link("")),
        kind(Level::Warning, &lookups, failed, String::clone, None),
    ];
    backends.into_iter().chain(servers(state, &all)).collect()
}

fn servers(state: &State<'_>, all: &[Of<'_>]) -> Found {
    let now = state.now.as_second();
    let those = |is: &dyn Fn(&Member) -> bool| all.iter().copied().filter(|(_, one)| is(one)).collect::<Vec<_>>();
    let titled = |what: &'static str| move |found: usize| format!("{} {what}", count(found, "server"));
    let down = those(&|one| one.server.state() != Set::Maint && one.server.health() == Health::Down);
    let passed = those(&|one| one.server.paused().is_some());
    let ends = those(&|one| one.server.verdict().ends_soon(now));
    let taken = those(&|one| one.server.state() != Set::Ready);
    let reason = |one: &Of<'_>| one.1.server.verdict().last.and_then(|last| last.reason);
    let reason = |one: &Of<'_>| reason(one).map_or_else(|| name(one), |reason| format!("{}: {reason}", name(one)));
    let pause = |one: &Of<'_>| {
        let left = one.1.server.paused().map_or(0, |left| left.as_secs());
        format!("{}: connecting failed; it is tried again in {}", name(one), span(left))
    };
    let end = |one: &Of<'_>| {
        let end = one.1.server.verdict().validity.map_or(0, |validity| validity.not_after);
        format!("{}: {}", name(one), distance(end, now))
    };
    let set = |one: &Of<'_>| format!("{}: {}", name(one), one.1.server.state().word());
    vec![
        kind(Level::Error, &down, titled("down"), reason, link("down")),
        kind(Level::Warning, &passed, titled("passed over"), pause, link("passed over")),
        kind(Level::Warning, &ends, titled("with a certificate that expires soon or has expired"), end, link("")),
        kind(Level::Notice, &taken, titled("taken out of service"), set, link("")),
    ]
}

fn name((pool, member): &Of<'_>) -> String {
    format!("{} of {}", member.server.address, pool.name())
}

/// The servers that have this in their words.
fn link(word: &str) -> Option<String> {
    Some(filtered(word, Table::Servers))
}
