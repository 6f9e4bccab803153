//! The pages with one form each: to sign in, and for each change, which is confirmed there. Must not know: who may do it, how
//! a change is made.

use crate::admin::page::frame;
use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::parts::badge;
use crate::admin::page::servers::words;
use crate::admin::page::session::LIFE;
use crate::admin::page::step::Step;
use crate::admin::page::text::{count, span};
use crate::backend::condition::State as Set;
use crate::backend::server::Server;
use crate::live::call::Mode;

/// How one signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Entrance {
    /// With the token.
    Token,
    /// The connection itself is enough: a Unix socket, or a client certificate.
    Connection,
    /// Not at all.
    Closed,
}

/// What was wrong with a form that was sent.
#[derive(Debug, Clone, Default)]
pub(in crate::admin) struct Refusal {
    pub(in crate::admin) message: String,
    pub(in crate::admin) details: Vec<String>,
}

/// The page to sign in.
pub(in crate::admin) fn sign_in(entrance: Entrance, refusal: Option<&Refusal>) -> String {
    let lasts = format!("You are signed in for {}, in this browser only.", span(LIFE.as_secs()));
    let content: Vec<Html> = match entrance {
        Entrance::Closed => {
            let text = "Changes are not allowed here: name a file with a token as token_file in [admin], ask for client certificates in [admin.tls], or use a Unix socket.";
            vec![el("p").text(text).into()]
        }
        Entrance::Connection => {
            let text = "This connection may make changes without a token.";
            vec![el("p").text(text).text(" ").text(lasts).into(), form("/sign-in", None, Vec::new(), "Sign in").into()]
        }
        Entrance::Token => {
            let input = el("input")
                .with("type", "password")
                .with("id", "token")
                .with("name", "token")
                .with("autocomplete", "current-password")
                .with("spellcheck", "false")
                .flag("required");
            let text = "Everybody who reaches this page can read it. A change needs the token, which is in the file that token_file in [admin] names.";
            let field = field("token", "Token", input, None);
            vec![el("p").text(text).text(" ").text(lasts).into(), form("/sign-in", None, vec![field], "Sign in").into()]
        }
    };
    page("Sign in", refusal, content)
}

/// The page that confirms a reload.
pub(in crate::admin) fn reload(secret: &str, refusal: Option<&Refusal>) -> String {
    let text = format!(
        "The configuration and all files that it names are read again on {}, and replace what is in force in one step. If anything is wrong with them, nothing changes. Live connections are not touched.",
        frame::host()
    );
    let form = form(Step::Reload.address(), Some(secret), Vec::new(), "Reload now");
    page("Reload", refusal, vec![el("p").text(text).into(), form.into()])
}

/// The page that asks for a server's new state.
pub(in crate::admin) fn server(secret: &str, step: &Step, of: (&str, &Server), refusal: Option<&Refusal>) -> String {
    let (backend, server) = of;
    let address = server.address.to_string();
    let badges = words(server).into_iter().map(|(tone, word)| badge(tone, word));
    let now = el("p")
        .text(format!("Server {address} of backend {backend} on {}: ", frame::host()))
        .all(badges)
        .text(format!(" with {}.", count(server.active(), "connection")));
    let choice = |state: Set| {
        let (name, text) = described(state);
        let id = format!("state-{}", state.word());
        let input = el("input")
            .with("type", "radio")
            .with("name", "state")
            .with("id", &id)
            .with("value", state.word())
            .flag("required");
        let input = if server.state() == state { input.flag("checked") } else { input };
        let label = el("label").with("for", id).add(el("strong").text(name)).text(format!(" – {text}"));
        classed("div", "choice").add(input).add(label)
    };
    let choices = el("fieldset").add(el("legend").text("New state")).all(Set::ALL.map(choice));
    page(
        "State of a server",
        refusal,
        vec![now.into(), form(step.address(), Some(secret), vec![choices], "Set the state").into()],
    )
}

/// The page that asks how to close connections. `filters` is not empty.
pub(in crate::admin) fn connections(
    secret: &str,
    (step, filters): (&Step, &[(&'static str, String)]),
    refusal: Option<&Refusal>,
) -> String {
    let text = format!("All open connections on {} are closed that fit these filters:", frame::host());
    let conditions = filters.iter().map(|(key, value)| el("li").text(format!("{key} = {value}")));
    let choice = |mode: Mode| {
        let (name, text) = match mode {
            Mode::Polite => (
                "Politely",
                "each when nothing was under way for a second; what has not ended after shutdown_timeout is cut",
            ),
            Mode::Now => ("Now", "with a reset"),
        };
        let id = format!("mode-{}", mode.word());
        let input = el("input")
            .with("type", "radio")
            .with("name", "mode")
            .with("id", &id)
            .with("value", mode.word())
            .flag("required");
        let input = if mode == Mode::Polite { input.flag("checked") } else { input };
        let label = el("label").with("for", id).add(el("strong").text(name)).text(format!(" – {text}"));
        classed("div", "choice").add(input).add(label)
    };
    let choices = el("fieldset").add(el("legend").text("How")).all([Mode::Polite, Mode::Now].map(choice));
    let form = form(
        step.address(),
        Some(secret),
        vec![choices, sure("Clients have to connect again.")],
        "Close the connections",
    );
    let content = vec![el("p").text(text).into(), el("ul").all(conditions).into(), form.into()];
    page("Close connections", refusal, content)
}

/// The page that asks for a certificate. `sent` are the name and the certificates of a form that was refused; its key is not
/// shown again.
pub(in crate::admin) fn certificate(
    secret: &str,
    (step, listener): (&Step, &str),
    sent: (&str, &str),
    refusal: Option<&Refusal>,
) -> String {
    let text = format!(
        "Adds a certificate to listener {listener} on {}, or replaces the one of that name in its folder. It is checked first: a pair that does not match, or that clients of this listener could never get, changes nothing.",
        frame::host()
    );
    let name = el("input")
        .with("type", "text")
        .with("id", "name")
        .with("name", "name")
        .with("value", sent.0)
        .with("maxlength", 100)
        .with("autocomplete", "off")
        .with("spellcheck", "false")
        .with("aria-describedby", "name-hint")
        .flag("required");
    let area = |id: &'static str, rows: usize| {
        el("textarea")
            .with("id", id)
            .with("name", id)
            .with("rows", rows)
            .with("autocomplete", "off")
            .with("spellcheck", "false")
            .with("aria-describedby", format!("{id}-hint"))
            .flag("required")
    };
    let certificate = area("certificate", 8).text(sent.1);
    let fields = vec![
        field(
            "name",
            "Name of the files",
            name,
            Some("Letters, digits, '.', '-' and '_', without an ending: ldap.example.com"),
        ),
        field("certificate", "Certificate and its chain", certificate, Some("PEM, the certificate first")),
        field("key", "Private key", area("key", 6), Some("PEM. It is sent once and not shown again.")),
        sure("Clients get this certificate from now on; one of that name is replaced."),
    ];
    let form = form(step.address(), Some(secret), fields, "Add the certificate");
    page("Add a certificate", refusal, vec![el("p").text(text).into(), form.into()])
}

/// A page with a message and the way back.
pub(in crate::admin) fn message(title: &str, text: &str) -> String {
    page(title, None, vec![el("p").text(text).into()])
}

fn page(title: &str, refusal: Option<&Refusal>, content: Vec<Html>) -> String {
    let refusal = refusal.map(|refusal| {
        let details = refusal.details.iter().map(|detail| el("li").text(detail));
        let details = (!refusal.details.is_empty()).then(|| el("ul").all(details));
        classed("div", "refusal").with("role", "alert").add(el("p").text(&refusal.message)).all(details)
    });
    let back = el("p").add(el("a").with("href", "/").text("Back, without a change"));
    let content = [Html::from(el("h2").text(title))].into_iter().chain(refusal.map(Html::from)).chain(content);
    frame::single(title, content.chain([back.into()]).collect())
}

fn form(action: impl std::fmt::Display, secret: Option<&str>, fields: Vec<Element>, submit: &str) -> Element {
    let secret = secret.map(|secret| el("input").with("type", "hidden").with("name", "secret").with("value", secret));
    classed("form", "step")
        .with("method", "post")
        .with("action", action)
        .all(secret)
        .all(fields)
        .add(el("button").with("type", "submit").with("class", "primary").text(submit))
}

/// A box to confirm what a change does.
fn sure(text: &'static str) -> Element {
    let input = el("input")
        .with("type", "checkbox")
        .with("id", "sure")
        .with("name", "sure")
        .with("value", "yes")
        .flag("required");
    classed("div", "choice").add(input).add(el("label").with("for", "sure").text(text))
}

fn field(id: &'static str, name: &str, input: Element, hint: Option<&str>) -> Element {
    let hint = hint.map(|hint| classed("span", "faint").with("id", format!("{id}-hint")).text(hint));
    classed("div", "field").add(el("label").with("for", id).text(name)).add(input).all(hint)
}

fn described(state: Set) -> (&'static str, &'static str) {
    match state {
        Set::Ready => ("Ready", "it gets new connections"),
        Set::Drain => ("Drain", "no new connections; those that it has continue, and it is still checked"),
        Set::Maint => (
            "Maintenance",
            "no new connections and no health checks; those that it has are cut if on_down is \"close\"",
        ),
    }
}
