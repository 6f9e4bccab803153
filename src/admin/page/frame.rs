//! What is around the content of every page: head, header with navigation and filter, footer. Must not know: the content.

use jiff::Timestamp;

use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::session::Note;
use crate::admin::page::state::Viewer;
use crate::admin::page::wanted::{FILTER, LONGEST, Wanted};
use crate::tls::certificate::x509::rfc3339;

/// The page with everything on it. `summary` is what is wrong, in a few words.
pub(super) fn overview(title: &str, summary: Html, wanted: &Wanted, viewer: &Viewer, content: Html) -> String {
    let header = classed("header", "bar")
        .add(brand())
        .add(el("p").with("id", "summary").with("role", "status").add(summary))
        .add(filter(wanted))
        .add(controls(viewer))
        .add(sections());
    let note = viewer.note.as_ref().map(note);
    let main = el("main").with("id", "main").with("tabindex", "-1").all(note).add(content);
    document(title, header, main)
}

/// A page with one form or one message on it.
pub(super) fn single(title: &str, content: Html) -> String {
    let header = classed("header", "bar").add(brand());
    document(title, header, classed("main", "single").with("id", "main").with("tabindex", "-1").add(content))
}

/// A page with one long list on it.
pub(super) fn listing(title: &str, content: Html) -> String {
    let header = classed("header", "bar").add(brand());
    document(title, header, el("main").with("id", "main").with("tabindex", "-1").add(content))
}

fn document(title: &str, header: Element, main: Element) -> String {
    let meta = |name: &'static str, content: &'static str| el("meta").with("name", name).with("content", content);
    let icon = el("link").with("rel", "icon").with("type", "image/svg+xml").with("href", "/assets/icon.svg");
    let head = el("head")
        .add(el("meta").with("charset", "utf-8"))
        .add(el("title").text(format!("{title} – tlsgate on {}", host())))
        .add(meta("viewport", "width=device-width, initial-scale=1"))
        .add(meta("color-scheme", "light dark"))
        .add(icon)
        .add(el("link").with("rel", "stylesheet").with("href", "/assets/page.css"))
        // In the head, since it sets the colours that were chosen before anything is painted.
        .add(el("script").with("src", "/assets/page.js"));
    let skip = classed("a", "skip").with("href", "#main").text("Skip to the content");
    let body = el("body").add(skip).add(header).add(main).add(footer());
    Html::from(el("html").with("lang", "en").add(head).add(body)).into_document()
}

fn brand() -> Element {
    let home = el("a").with("href", "/").text("tlsgate");
    el("h1").add(home).add(classed("span", "host").text(format!(" on {}", host())))
}

/// A plain form: without a script it loads the page with the filter in its address.
fn filter(wanted: &Wanted) -> Element {
    let input = el("input")
        .with("type", "search")
        .with("id", "filter")
        .with("name", FILTER)
        .with("value", &wanted.filter)
        .with("maxlength", LONGEST)
        .with("placeholder", "name, file, address, state, label");
    let clear = (!wanted.filter.is_empty()).then(|| classed("a", "action").with("href", "/").text("Show all"));
    classed("form", "filter")
        .with("role", "search")
        .with("action", "/")
        .with("method", "get")
        .add(el("label").with("for", "filter").text("Filter"))
        .add(input)
        .add(el("button").with("type", "submit").text("Apply"))
        .all(clear)
}

fn controls(viewer: &Viewer) -> Element {
    // Without a script, these two do nothing, and stay hidden.
    let button = |id: &'static str, name: &'static str| {
        el("button").with("type", "button").with("id", id).flag("hidden").text(name)
    };
    let sign = match &viewer.signed {
        Some(signed) => el("form")
            .with("method", "post")
            .with("action", "/sign-out")
            .add(el("input").with("type", "hidden").with("name", "secret").with("value", &*signed.secret))
            .add(el("button").with("type", "submit").text("Sign out")),
        None if viewer.may_sign_in => classed("a", "button").with("href", "/sign-in").text("Sign in to make changes"),
        None => classed("span", "faint").text("Read-only"),
    };
    classed("div", "controls").add(button("refresh", "Refresh")).add(button("theme", "Colours")).add(sign)
}

fn sections() -> Element {
    let links = SECTIONS.map(|(id, name)| el("li").add(el("a").with("href", format!("#{id}")).text(name)));
    classed("nav", "sections").with("aria-label", "Sections").add(el("ul").all(links))
}

fn note(note: &Note) -> Element {
    let details =
        (!note.details.is_empty()).then(|| el("ul").all(note.details.iter().map(|detail| el("li").text(detail))));
    classed("div", "note").with("id", "note").with("role", "status").add(el("p").text(&note.text)).all(details)
}

fn footer() -> Element {
    let now = rfc3339(Timestamp::now().as_second());
    let time = el("time").with("id", "rendered").with("datetime", &now).text(&now);
    let links = [("/api/v1/openapi.json", "API"), ("/metrics", "Metrics")];
    let links = links.map(|(href, name)| el("a").with("href", href).text(name));
    let version = format!("tlsgate {}. ", env!("CARGO_PKG_VERSION"));
    el("footer").add(el("p").text(version).text("State of ").add(time).text(". ").all(links))
}

/// The name of this machine, so that nobody changes another one than is meant.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The sections of the page, in their order.
const SECTIONS: [(&str, &str); 7] = [
    ("wrong", "What is wrong"),
    ("listeners", "Listeners"),
    ("certificates", "Certificates"),
    ("backends", "Backends"),
    ("connections", "Connections"),
    ("acme", "ACME"),
    ("process", "Process"),
];
