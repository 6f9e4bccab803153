//! The state → what is wrong with it, the worst first, each kind with its first few cases. Must not know: how it is shown,
//! what a filter leaves out.

use crate::acme::status::State as Ordered;
use crate::admin::page::state::{Served, Standing, State};
use crate::admin::page::text::{bytes, count, distance, path, short, span};
use crate::admin::page::wanted::{Table, filtered};
use crate::backend::condition::{Health, State as Set};
use crate::backend::pool::{Member, Pool};
use crate::pressure::level::Level as Memory;
use crate::snapshot::Listener;

/// One kind of trouble.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) level: Level,
    pub(super) title: String,
    /// The first few cases.
    pub(super) cases: Vec<String>,
    /// How many there are.
    pub(super) count: usize,
    /// Where the rest of them is.
    pub(super) link: Option<String>,
}

/// How bad it is; the worst one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Clients are turned away, or what is on disk is not what runs.
    Error,
    /// It will be an error if nobody does anything.
    Warning,
    /// Somebody wants it so.
    Notice,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// Everything that is wrong. `served` are all certificates, the one that ends first at the beginning.
pub(super) fn troubles(state: &State<'_>, served: &[Served<'_>]) -> Vec<Trouble> {
    let mut all: Vec<Trouble> = [process(state), certificates(state, served), servers(state), listeners(state), ordered(state)]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    // Stable: what is equally bad stays in the order above.
    all.sort_by_key(|trouble| trouble.level);
    all
}

type Found = Vec<Option<Trouble>>;

/// One kind, where there is at least one case. `title` gets their number.
fn kind<T>(
    level: Level,
    cases: &[T],
    title: impl FnOnce(usize) -> String,
    case: impl Fn(&T) -> String,
    link: Option<String>,
) -> Option<Trouble> {
    let shown = || cases.iter().take(SHOWN).map(|one| short(case(one), LONGEST)).collect();
    (!cases.is_empty()).then(|| Trouble { level, title: title(cases.len()), cases: shown(), count: cases.len(), link })
}

/// One that is not a case of many.
fn single(level: Level, title: &str, details: Option<String>) -> Option<Trouble> {
    let cases: Vec<String> = details.into_iter().collect();
    Some(Trouble { level, title: title.to_owned(), count: cases.len(), cases, link: None })
}

fn process(state: &State<'_>) -> Found {
    let (status, pressure) = (state.status, state.pressure);
    let refused = |found: usize| format!("the last reload was refused ({}); what was in force before stays in force", count(found, "error"));
    let bound = pressure.bound().map(|bound| bound.bytes as u64).unwrap_or_default();
    let memory = format!("{} of {} are used", bytes(pressure.used() as u64), bytes(bound));
    let (taken, most) = (pressure.room.taken(), pressure.room.most());
    vec![
        kind(Level::Error, &status.errors, refused, ToString::to_string, None),
        status.draining.then(|| single(Level::Warning, "tlsgate is draining: new connections are refused", None)).flatten(),
        match pressure.level() {
            Memory::Easy => None,
            Memory::Tight => single(Level::Notice, "memory is tight: connections get small buffers", Some(memory)),
            Memory::Short => single(Level::Warning, "memory is short: connections that stall are closed", Some(memory)),
            Memory::Full => single(Level::Error, "memory is full: new connections are refused", Some(memory)),
        },
        (taken >= most)
            .then(|| single(Level::Error, "as many connections are open as open files permit", Some(count(taken, "connection"))))
            .flatten(),
    ]
}

fn certificates(state: &State<'_>, served: &[Served<'_>]) -> Found {
    let now = state.now.as_second();
    let of = |standing: Standing| -> Vec<&Served<'_>> { served.iter().filter(|one| one.standing == standing).collect() };
    let link = |standing: Standing| Some(filtered(standing.words(), Table::Certificates));
    let name = |one: &Served<'_>| {
        let name = one.certificate.names.first().map(ToString::to_string).unwrap_or_default();
        let place = one.listener.map_or_else(|| "the admin server".to_owned(), |listener| format!("listener {listener}"));
        format!("{name} ({}, {place})", path(&one.certificate.label))
    };
    let ended = |one: &&Served<'_>| format!("{}: ended {}", name(one), distance(one.certificate.chain_not_after, now));
    let ends = |one: &&Served<'_>| format!("{}: ends {}", name(one), distance(one.certificate.chain_not_after, now));
    let begins = |one: &&Served<'_>| format!("{}: begins {}", name(one), distance(one.certificate.not_before, now));
    let titled = |verb: &'static str| move |found: usize| format!("{} {verb}", count(found, "certificate"));
    vec![
        kind(Level::Error, &of(Standing::Expired), titled("expired"), ended, link(Standing::Expired)),
        kind(Level::Warning, &of(Standing::NotYet), titled("not valid yet"), begins, link(Standing::NotYet)),
        kind(Level::Warning, &of(Standing::Soon), titled("will expire soon"), ends, link(Standing::Soon)),
    ]
}

fn servers(state: &State<'_>) -> Found {
    let pools = state.snapshot.pools();
    let lists: Vec<_> = pools.iter().map(|pool| (pool, pool.members())).collect();
    let all: Vec<(&Pool, &Member)> =
        lists.iter().flat_map(|(pool, members)| members.list.iter().map(move |member| (&***pool, member))).collect();
    let those = |is: &dyn Fn(&Member) -> bool| -> Vec<(&Pool, &Member)> {
        all.iter().copied().filter(|(_, member)| is(member)).collect()
    };
    let name = |(pool, member): &(&Pool, &Member)| format!("{} of {}", member.server.address, pool.name());
    let reason = |one: &(&Pool, &Member)| {
        let reason = one.1.server.verdict().last.and_then(|last| last.reason);
        reason.map_or_else(|| name(one), |reason| format!("{}: {reason}", name(one)))
    };
    let pause = |one: &(&Pool, &Member)| {
        let left = one.1.server.paused().map_or(0, |left| left.as_secs());
        format!("{}: connecting failed; it is tried again in {}", name(one), span(left))
    };
    let taken = |one: &(&Pool, &Member)| format!("{}: {}", name(one), one.1.server.state().word());
    let ends = |one: &(&Pool, &Member)| {
        let end = one.1.server.verdict().validity.map_or(0, |validity| validity.not_after);
        format!("{}: {}", name(one), distance(end, state.now.as_second()))
    };
    let titled = |what: &'static str| move |found: usize| format!("{} {what}", count(found, "server"));
    let link = |word: &str| Some(filtered(word, Table::Servers));
    let is_down = |member: &Member| member.server.state() != Set::Maint && member.server.health() == Health::Down;
    let is_set = |member: &Member| member.server.state() != Set::Ready;
    let ends_soon = |member: &Member| member.server.verdict().ends_soon(state.now.as_second());
    let unusable: Vec<&Pool> = lists.iter().filter(|(_, members)| !members.list.iter().any(|member| member.server.is_up()))
        .map(|(pool, _)| &***pool).collect();
    let lookups: Vec<String> = pools.iter().flat_map(|pool| &pool.lookups)
        .filter_map(|lookup| Some(format!("{}: {}", lookup.source, lookup.trouble()?))).collect();
    vec![
        kind(Level::Error, &unusable, |found| format!("{} without a server that is up", count(found, "backend")), |pool| pool.name().to_string(), link("")),
        kind(Level::Error, &those(&is_down), titled("down"), reason, link("down")),
        kind(Level::Warning, &those(&|member| member.server.paused().is_some()), titled("passed over"), pause, link("passed over")),
        kind(Level::Warning, &those(&ends_soon), titled("with a certificate that expires soon or has expired"), ends, link("")),
        kind(Level::Warning, &lookups, |found| format!("{} failed; the last answer stays in use", count(found, "look-up")), String::clone, None),
        kind(Level::Notice, &those(&is_set), titled("taken out of service"), taken, link("")),
    ]
}

fn listeners(state: &State<'_>) -> Found {
    let all: Vec<_> = state.status.config.listeners.iter().filter_map(|known| state.snapshot.listener(&known.name)).collect();
    let those = |is: &dyn Fn(&Listener) -> bool| all.iter().filter(|listener| is(listener)).map(|listener| &***listener).collect::<Vec<_>>();
    let full = those(&|one| one.admission.active() >= one.admission.limits.max_connections);
    let blocked = those(&|one| one.admission.blocked() > 0);
    let broken = those(&|one| one.load_failures > 0);
    let titled = |what: &'static str| move |found: usize| format!("{} {what}", count(found, "listener"));
    let link = || Some(filtered("", Table::Listeners));
    let of = |one: &Listener, text: String| format!("{}: {text}", one.name);
    vec![
        kind(Level::Error, &full, titled("full: new connections are refused"),
            |one| of(one, count(one.admission.active(), "connection")), link()),
        kind(Level::Warning, &broken, titled("with certificates that cannot be loaded"),
            |one| of(one, format!("{} left out, or kept at the last good version", count(one.load_failures, "certificate"))), Some("/#process".into())),
        kind(Level::Warning, &blocked, titled("that refuse clients whose handshakes keep failing"),
            |one| of(one, format!("{} refused", count(one.admission.blocked(), "client"))), link()),
    ]
}

fn ordered(state: &State<'_>) -> Found {
    let acme = state.acme;
    let failed: Vec<_> = acme.certificates.iter().filter(|one| one.state == Ordered::Failed).collect();
    let paused: Vec<_> = acme.authorities.iter().filter(|one| one.paused_until.is_some_and(|until| until > state.now.as_second())).collect();
    let locked = acme.locked_by.map(|pid| format!("process {pid} holds the folder of [state]"));
    vec![
        kind(Level::Error, &failed, |found| format!("{} could not be ordered", count(found, "certificate")), |one| {
            let names: Vec<_> = one.wanted.identifiers.iter().map(ToString::to_string).collect();
            let why = one.last_failure.as_ref().map_or("", |failure| failure.message.as_str());
            format!("{}: {why}", names.join(", "))
        }, Some(filtered("failed", Table::Ordered))),
        locked.and_then(|locked| single(Level::Warning, "no certificates are ordered here", Some(locked))),
        kind(Level::Notice, &paused, |found| format!("{} asked for a pause", count(found, "authority")),
            |one| format!("{}: until {}", one.authority.name, distance(one.paused_until.unwrap_or_default(), state.now.as_second())), None),
    ]
}

/// Cases of a kind that are shown.
const SHOWN: usize = 5;
/// Characters of a case.
const LONGEST: usize = 400;
