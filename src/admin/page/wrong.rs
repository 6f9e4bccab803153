//! The state → what is wrong with it, the worst first, each kind with its first few cases. Must not know: how it is shown,
//! what a filter leaves out.

use crate::acme::status::{OfAuthority, OfCertificate, State as Ordered};
use crate::admin::page::state::{Served, Standing, State};
use crate::admin::page::text::{bytes, count, distance, path};
use crate::admin::page::trouble::{Found, Level, Trouble, kind, single};
use crate::admin::page::unfit::unfit;
use crate::admin::page::wanted::{Table, filtered};
use crate::lists::status::{OfList, State as Kept};
use crate::pressure::level::Level as Memory;
use crate::snapshot::Listener;

/// Everything that is wrong. `served` are all certificates, the one that ends first at the beginning.
pub(super) fn troubles(state: &State<'_>, served: &[Served<'_>]) -> Vec<Trouble> {
    let mut all: Vec<Trouble> = [
        process(state),
        fleet(state),
        certificates(state, served),
        unfit(state),
        listeners(state),
        ordered(state),
        lists(state),
    ]
    .into_iter()
    .flatten()
    .flatten()
    .collect();
    // Stable: what is equally bad stays in the order above.
    all.sort_by_key(|trouble| trouble.level);
    all
}

fn process(state: &State<'_>) -> Found {
    let (status, pressure) = (state.status, state.pressure);
    let refused = |found: usize| {
        format!("the last reload was refused ({}); what was in force before stays in force", count(found, "error"))
    };
    let draining = || single(Level::Warning, "tlsgate is draining: new connections are refused", None);
    let bound = pressure.bound().map(|bound| bound.bytes as u64).unwrap_or_default();
    let memory = Some(format!("{} of {} are used", bytes(pressure.used() as u64), bytes(bound)));
    let memory = match pressure.level() {
        Memory::Easy => None,
        Memory::Tight => Some((Level::Notice, "memory is tight: connections get small buffers", memory)),
        Memory::Short => Some((Level::Warning, "memory is short: connections that stall are closed", memory)),
        Memory::Full => Some((Level::Error, "memory is full: new connections are refused", memory)),
    };
    let taken = pressure.room.taken();
    let crowded = || {
        let title = "as many connections are open as open files permit: new ones are refused";
        single(Level::Error, title, Some(count(taken, "connection")))
    };
    vec![
        kind(Level::Error, &status.errors, refused, ToString::to_string, None),
        status.draining.then(draining),
        memory.map(|(level, title, memory)| single(level, title, memory)),
        (taken >= pressure.room.most()).then(crowded),
    ]
}

fn fleet(state: &State<'_>) -> Found {
    let Some(fleet) = state.fleet else { return Vec::new() };
    let away = |why: &String| {
        single(Level::Warning, "the fleet's etcd does not answer; what is served goes on", Some(why.clone()))
    };
    let apart = |why: &String| {
        single(Level::Error, "this node does not take part in its fleet as it should", Some(why.clone()))
    };
    let follows = |why: &String| {
        let title = "this node cannot lead its fleet, or share keys of session tickets";
        single(Level::Warning, title, Some(why.clone()))
    };
    vec![
        fleet.trouble.as_ref().map(apart),
        fleet.etcd_trouble.as_ref().map(away),
        fleet.leader_trouble.as_ref().map(follows),
    ]
}

fn certificates(state: &State<'_>, served: &[Served<'_>]) -> Found {
    let now = state.now.as_second();
    let those = |standing: Standing| served.iter().filter(|one| one.standing == standing).collect::<Vec<_>>();
    let link = |standing: Standing| Some(filtered(standing.words(), Table::Certificates));
    let name = |one: &Served<'_>| {
        let name = one.certificate.names.first().map(ToString::to_string).unwrap_or_default();
        format!("{name} ({}, served by {})", path(&one.certificate.label), one.by.join(" and "))
    };
    let ended = |one: &&Served<'_>| format!("{}: ended {}", name(one), distance(one.certificate.chain_not_after, now));
    let ends = |one: &&Served<'_>| format!("{}: ends {}", name(one), distance(one.certificate.chain_not_after, now));
    let begins = |one: &&Served<'_>| format!("{}: begins {}", name(one), distance(one.certificate.not_before, now));
    let titled = |what: &'static str| move |found: usize| format!("{} {what}", count(found, "certificate"));
    vec![
        kind(Level::Error, &those(Standing::Expired), titled("expired"), ended, link(Standing::Expired)),
        kind(Level::Warning, &those(Standing::NotYet), titled("not valid yet"), begins, link(Standing::NotYet)),
        kind(Level::Warning, &those(Standing::Soon), titled("will expire soon"), ends, link(Standing::Soon)),
    ]
}

fn listeners(state: &State<'_>) -> Found {
    let configured = state.status.config.listeners.iter();
    let all: Vec<&Listener> =
        configured.filter_map(|known| state.snapshot.listener(&known.name)).map(|listener| &**listener).collect();
    let those = |is: &dyn Fn(&Listener) -> bool| all.iter().copied().filter(|one| is(one)).collect::<Vec<_>>();
    let full = those(&|one| one.admission.active() >= one.admission.limits.max_connections);
    let blocked = those(&|one| one.admission.clients.blocked() > 0);
    let broken = those(&|one| one.load_failures > 0);
    let titled = |what: &'static str| move |found: usize| format!("{} {what}", count(found, "listener"));
    let active = |one: &&Listener| format!("{}: {}", one.name, count(one.admission.active(), "connection"));
    let clients = |one: &&Listener| format!("{}: {}", one.name, count(one.admission.clients.blocked(), "client"));
    let failures = |one: &&Listener| {
        format!("{}: {} left out, or kept at the last good version", one.name, count(one.load_failures, "certificate"))
    };
    let to = || Some(filtered("", Table::Listeners));
    let (of_full, of_broken) = ("full: new connections are refused", "with certificates that cannot be loaded");
    let of_blocked = "refusing clients whose handshakes keep failing";
    vec![
        kind(Level::Error, &full, titled(of_full), active, to()),
        kind(Level::Warning, &broken, titled(of_broken), failures, Some("/#process".into())),
        kind(Level::Warning, &blocked, titled(of_blocked), clients, to()),
    ]
}

fn lists(state: &State<'_>) -> Found {
    let is = |wanted: Kept| move |one: &&OfList| one.state == wanted;
    let outdated: Vec<_> = state.lists.lists.iter().filter(is(Kept::Outdated)).collect();
    let pending: Vec<_> = state.lists.lists.iter().filter(is(Kept::Pending)).collect();
    let is_failing = |one: &&OfList| one.state == Kept::Current && one.failures > 0;
    let failing: Vec<_> = state.lists.lists.iter().filter(is_failing).collect();
    let why = |one: &&OfList| {
        let why = one.last_failure.as_ref().map_or("it is being fetched", |failure| failure.message.as_str());
        format!("{}: {why}", one.url)
    };
    let titled =
        |what: &'static str| move |found: usize| format!("{} of revoked certificates {what}", count(found, "list"));
    let trouble = state.lists.trouble.clone();
    vec![
        kind(Level::Error, &outdated, titled("out of date"), why, None),
        kind(Level::Error, &pending, titled("not there yet"), why, None),
        kind(Level::Warning, &failing, titled("could not be fetched; the last good one is used"), why, None),
        trouble.map(|why| {
            single(Level::Warning, "no lists of revoked certificates are fetched by this process", Some(why))
        }),
    ]
}

fn ordered(state: &State<'_>) -> Found {
    let (acme, now) = (state.acme, state.now.as_second());
    let failed: Vec<_> = acme.certificates.iter().filter(|one| one.state == Ordered::Failed).collect();
    let is_paused = |one: &&OfAuthority| one.paused_until.is_some_and(|until| until > now);
    let paused: Vec<_> = acme.authorities.iter().filter(is_paused).collect();
    let locked = acme.locked_by.map(|pid| format!("process {pid} holds the folder of [state]"));
    let locked = locked.or_else(|| acme.trouble.clone());
    let why = |one: &&OfCertificate| {
        let names: Vec<_> = one.wanted.identifiers.iter().map(ToString::to_string).collect();
        let why = one.last_failure.as_ref().map_or("it has expired", |failure| failure.message.as_str());
        format!("{} ({}): {why}", names.join(", "), one.wanted.key.word())
    };
    let until = |one: &&OfAuthority| {
        let until = distance(one.paused_until.unwrap_or_default(), now);
        format!("{}: it is asked again {until}", one.authority.name)
    };
    let orders = |found| format!("{} could not be ordered", count(found, "certificate"));
    let pauses = |found| format!("{} asked for a pause", count(found, "authority"));
    vec![
        kind(Level::Error, &failed, orders, why, Some(filtered("failed", Table::Ordered))),
        locked.map(|locked| single(Level::Warning, "no certificates are ordered by this process", Some(locked))),
        kind(Level::Notice, &paused, pauses, until, None),
    ]
}
