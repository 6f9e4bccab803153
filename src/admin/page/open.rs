//! The page of open connections: filters, one page of the connections that fit, and the way to close them. Must not know:
//! how a connection is found or closed.

use std::time::Instant;

use crate::admin::page::filters::{self, Filters};
use crate::admin::page::form::Form;
use crate::admin::page::frame;
use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::parts::{Tone, badge, faint, lines, section, table};
use crate::admin::page::state::Viewer;
use crate::admin::page::step::{Step, queried};
use crate::admin::page::text::{bytes, short, span};
use crate::live::filter::Filter;
use crate::live::registry::{Page, Registry};
use crate::live::row::{Facts, Row};

/// The page as a document.
pub(in crate::admin) fn open(live: &Registry, query: Option<&str>, viewer: &Viewer) -> String {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let section = section("open", "Open connections").add(fields(&form));
    let found = filters::read(query, true).and_then(|asked| {
        let page = live.page(&asked.filter, asked.after, SHOWN).map_err(|error| vec![format!("after: {error}")])?;
        Ok((asked, page))
    });
    let section = match found {
        Ok((Filters { given, filter, .. }, page)) => {
            let close = (viewer.signed.is_some() && !filter.is_empty()).then(|| {
                let step = Step::Connections { filters: given.clone() };
                el("p").add(classed("a", "button").with("href", step.address()).text("Close these connections…"))
            });
            section.all(close).all([listing(&page, &given)])
        }
        Err(faults) => {
            let faults = faults.into_iter().map(|fault| el("p").text(fault));
            section.add(classed("div", "refusal").with("role", "alert").all(faults))
        }
    };
    frame::listing("Open connections", section.into())
}

fn fields(form: &Form) -> Element {
    let field = |key: &'static str| {
        let input = el("input")
            .with("type", "text")
            .with("id", key)
            .with("name", key)
            .with("value", form.value(key))
            .with("autocomplete", "off")
            .with("spellcheck", "false");
        classed("div", "field").add(el("label").with("for", key).text(title(key))).add(input)
    };
    classed("form", "step")
        .with("method", "get")
        .with("action", "/connections")
        .all(Filter::KEYS.map(field))
        .add(el("button").with("type", "submit").text("Apply"))
}

/// What a filter is called in the form.
fn title(key: &'static str) -> &'static str {
    match key {
        "id" => "Id",
        "listener" => "Listener",
        "route" => "Route",
        "client" => "Client: an address or a prefix",
        "server_name" => "Server name; - for none",
        "ja4" => "JA4 of the client",
        "certificate" => "Certificate: its path or SHA-256",
        "backend" => "Backend",
        "server" => "Server: its address",
        "client_certificate" => "Client certificate: its subject or pin",
        "older_than" => "Open for at least, such as 10m",
        other => other,
    }
}

fn listing(page: &Page, given: &[(&'static str, String)]) -> Html {
    if page.rows.is_empty() {
        return classed("p", "none").text("No connection fits.").into();
    }
    let last = page.rows.last().map(|row| row.facts().record.connection_id.to_string());
    let next = last.filter(|_| page.more).map(|last| {
        let to = format!("/connections?{}&after={last}", queried(given));
        classed("nav", "pager").with("aria-label", "Pages of connections").add(el("a").with("href", to).text("Next"))
    });
    let columns =
        &["Id", "Listener", "Client", "Open for", "Server name", "TLS", "Server", "Bytes", "Client certificate"];
    let shown = table("Connections, the oldest first", columns, page.rows.iter().map(|row| cells(row)));
    [shown].into_iter().chain(next).collect()
}

fn cells(row: &Row) -> Vec<Html> {
    let age = Instant::now().saturating_duration_since(row.accepted);
    let Facts { record, certificate } = row.copied();
    let or_none = |text: Option<String>| text.map_or_else(|| faint("none").into(), Html::text);
    let closing = row.call.asked().map(|_| badge(Tone::Doubtful, "closing"));
    let (route, backend) = (record.route.as_deref().unwrap_or("-"), record.backend.as_deref().unwrap_or("-"));
    let served = certificate.as_ref().map(|found| short(&found.label, LONGEST));
    let tls = record.tls.as_ref().map(|tls| tls.version.to_owned()).or(record.mode.map(str::to_owned));
    let server = record.backend_address.as_ref().map(ToString::to_string);
    vec![
        Html::text(record.connection_id),
        lines([record.listener.to_string(), format!("route {}", short(route, LONGEST))]),
        Html::text(&record.client),
        [Html::from(el("span").text(span(age.as_secs())))].into_iter().chain(closing.map(Html::from)).collect(),
        or_none(Some(record.server_name.to_string()).filter(|name| name != "-").map(|name| short(name, LONGEST))),
        lines(tls.into_iter().chain(served)),
        lines([backend.to_owned()].into_iter().chain(server)),
        lines([
            format!("{} from the client", bytes(row.traffic.received())),
            format!("{} to the client", bytes(row.traffic.sent())),
        ]),
        or_none(record.client_certificate.as_ref().map(|found| short(&found.subject, LONGEST))),
    ]
}

/// Connections on a page.
const SHOWN: usize = 100;
/// Characters of a name.
const LONGEST: usize = 100;
