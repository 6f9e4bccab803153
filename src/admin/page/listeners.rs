//! The listeners, as a table. Must not know: how they are served.

use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::parts::{Tone, badge, faint, labels, lines, nothing, paged, section, table, texts};
use crate::admin::page::state::{State, Viewer};
use crate::admin::page::step::Step;
use crate::admin::page::text::{count, number, short};
use crate::admin::page::wanted::{Table, Wanted};
use crate::config::validate::listener::Listener as Settings;
use crate::config::validate::route::Route;
use crate::limit::portion::Portion;
use crate::route::ways::Way;
use crate::snapshot::Listener;

/// The section of listeners.
pub(super) fn listeners(state: &State<'_>, wanted: &Wanted, viewer: &Viewer) -> Element {
    let all = state.status.config.listeners.iter();
    let all = all.filter_map(|settings| Some((settings, &**state.snapshot.listener(&settings.name)?)));
    let fitting: Vec<_> = all.filter(|(settings, _)| fits(settings, wanted)).collect();
    let (shown, pager) = paged(wanted, Table::Listeners, &fitting);
    let section = section(Table::Listeners.id(), "Listeners");
    if shown.is_empty() {
        return section.add(nothing(wanted, "listeners"));
    }
    let rows = shown.iter().map(|(settings, listener)| row(state, settings, listener, wanted, viewer));
    let columns = &["Listener", "State", "Listens at", "Leads to", "Policy", "Certificates", "Connections"];
    let caption = format!("{}, in the order of the configuration", count(fitting.len(), "listener"));
    section.add(table(caption, columns, rows)).all(pager)
}

fn fits(settings: &Settings, wanted: &Wanted) -> bool {
    let listens = settings.listen.iter().map(|listen| listen.value.to_string());
    let made: Vec<String> = listens.chain(texts(&settings.labels)).collect();
    let named = [&*settings.name, &*settings.policy.name].into_iter();
    let named = named.chain(settings.backends.iter().map(|share| &*share.backend.name));
    wanted.fits(named.chain(made.iter().map(String::as_str)))
        || settings.routes.iter().any(|route| route_fits(route, wanted))
}

fn route_fits(route: &Route, wanted: &Wanted) -> bool {
    // Thousands of routes need not be looked at where everything fits.
    if wanted.filter.is_empty() {
        return true;
    }
    let names = route.matching.names.iter().map(ToString::to_string);
    let made: Vec<String> = names.chain(texts(&route.labels)).collect();
    let named = [&*route.name].into_iter().chain(route.backends.iter().map(|share| &*share.backend.name));
    wanted.fits(named.chain(made.iter().map(String::as_str)))
}

fn row(state: &State<'_>, settings: &Settings, listener: &Listener, wanted: &Wanted, viewer: &Viewer) -> Vec<Html> {
    let own = state.status.addresses.iter().filter(|(name, _)| **name == *settings.name);
    let addresses: Vec<String> = own.map(|(_, address)| short(address, LONGEST)).collect();
    let active = listener.admission.active();
    let most = listener.admission.limits.max_connections;
    let (tone, words) = match () {
        () if state.status.draining => (Tone::Doubtful, "draining"),
        () if active >= most => (Tone::Bad, "full"),
        () => (Tone::Good, "open"),
    };
    let blocked = listener.admission.clients.blocked();
    let blocked = (blocked > 0).then(|| badge(Tone::Doubtful, format!("{} blocked", count(blocked, "client"))));
    let open = el("span").text(number(active as u64)).add(faint(format!(" of {}", number(most as u64))));
    vec![
        [Html::text(&settings.name)].into_iter().chain(labels(&settings.labels).map(Html::from)).collect(),
        [badge(tone, words)].into_iter().chain(blocked).collect(),
        lines(addresses),
        ways(settings, listener, wanted),
        Html::text(&settings.policy.name),
        certificates(settings, listener, viewer),
        open.into(),
    ]
}

/// Its own way, and its routes with their labels. Only some are shown: those that fit the filter come first.
fn ways(settings: &Settings, listener: &Listener, wanted: &Wanted) -> Html {
    let own = leads(&listener.ways.default().way);
    let routes = settings.routes.iter().zip(listener.ways.all());
    let (mut routes, others): (Vec<_>, Vec<_>) = routes.partition(|(route, _)| route_fits(route, wanted));
    routes.extend(others);
    let routes = routes.into_iter().take(SHOWN).map(|(route, built)| {
        let limited = built.portion.as_deref().map(limited).unwrap_or_default();
        let text = format!("route {}: {}{limited}", short(&route.name, LONGEST), leads(&built.way));
        classed("span", "line").text(text).all(labels(&route.labels))
    });
    let more = settings.routes.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| classed("span", "line").text(format!("and {} more", count(more, "route"))));
    [classed("span", "line").text(own)].into_iter().chain(routes).chain(more).collect()
}

/// `, 3 of 1,000 connections, 2 clients blocked`: what a route with limits of its own has.
fn limited(portion: &Portion) -> String {
    let (active, blocked) = (count(portion.active(), "connection"), portion.clients.blocked());
    let of = match portion.limits.max_connections {
        usize::MAX => active,
        most => format!("{} of {}", number(portion.active() as u64), count(most, "connection")),
    };
    let blocked = if blocked > 0 { format!(", {} blocked", count(blocked, "client")) } else { String::new() };
    format!(", {of}{blocked}")
}

/// `blue 95, green 5 (terminate)`: several backends have their weights.
fn leads(way: &Way) -> String {
    let mode = way.mode().word();
    let Some(split) = way.split() else { return mode.to_owned() };
    let shares = split.shares().iter().zip(split.weights()).map(|(share, weight)| match split.sole() {
        Some(_) => share.pool.name().to_string(),
        None => format!("{} {weight}", share.pool.name()),
    });
    format!("{} ({mode})", shares.collect::<Vec<_>>().join(", "))
}

fn certificates(settings: &Settings, listener: &Listener, viewer: &Viewer) -> Html {
    let number = el("span").text(number(listener.ways.certificates().len() as u64));
    let has_folder = settings.sources().any(|source| source.value.folder().is_some());
    let add = (viewer.signed.is_some() && has_folder).then(|| {
        let step = Step::Certificate { listener: settings.name.to_string() };
        el("a")
            .with("class", "action")
            .with("href", step.address())
            .with("aria-label", format!("Add a certificate to {}", settings.name))
            .text("Add…")
    });
    [number].into_iter().chain(add).collect()
}

/// Routes of a listener that are shown.
const SHOWN: usize = 4;
/// Characters of a name or an address.
const LONGEST: usize = 80;
