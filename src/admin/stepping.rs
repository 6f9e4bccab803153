//! A change's form ↔ what the API would be asked, and its answer. Must not know: who may make it, how it is made.

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::admin::commit::Asked;
use crate::admin::known::Process;
use crate::admin::page::form::{Form, encoded};
use crate::admin::page::session::{Note, Signed};
use crate::admin::page::step::{Step, queried};
use crate::admin::page::steps::{self, Refusal};
use crate::admin::request::answer::Answer;
use crate::admin::request::paths::Change;

/// The page with the form of a change. `sent` are the name and the certificates of one that was refused.
pub(super) fn form(
    process: &Process,
    step: &Step,
    signed: &Signed,
    sent: (&str, &str),
    refusal: Option<&Refusal>,
) -> Answer {
    let secret = signed.secret.as_str();
    let page = match step {
        Step::Reload => Some(steps::reload(secret, refusal)),
        Step::Server { backend, server } => {
            let snapshot = process.control.current.load();
            let members = snapshot.pool(backend).map(|pool| pool.members());
            let found = members
                .as_ref()
                .and_then(|members| members.list.iter().find(|member| member.server.address.to_string() == *server));
            found.map(|member| steps::server(secret, step, (backend, &member.server), refusal))
        }
        Step::Connections { filters } => {
            (!filters.is_empty()).then(|| steps::connections(secret, (step, filters), refusal))
        }
        Step::Certificate { listener } => {
            let status = process.control.status.borrow();
            let is_known = status.config.listeners.iter().any(|known| *known.name == **listener);
            is_known.then(|| steps::certificate(secret, (step, listener), sent, refusal))
        }
    };
    match page {
        Some(page) => Answer::page(StatusCode::OK, page),
        None => {
            let text = "What is to be changed is not there any longer: a reload has removed it.";
            Answer::page(StatusCode::NOT_FOUND, steps::message("Not found", text))
        }
    }
}

/// Whether the form confirms its change. Where a page of its own asks for nothing else, its button does.
pub(super) fn is_confirmed(step: &Step, form: &Form) -> bool {
    match step {
        Step::Reload | Step::Server { .. } => true,
        Step::Connections { .. } | Step::Certificate { .. } => form.value("sure") == "yes",
    }
}

/// What the API would be asked.
pub(super) fn asked(step: &Step, form: &Form, parts: &Parts) -> Asked {
    let (change, values, fields) = match step {
        Step::Reload => (Change::Reload, Vec::new(), &[][..]),
        Step::Server { backend, server } => {
            (Change::ServerState, vec![backend.clone(), server.clone()], &["state"][..])
        }
        Step::Connections { .. } => (Change::CloseConnections, Vec::new(), &[][..]),
        Step::Certificate { listener } => {
            (Change::AddCertificate, vec![listener.clone()], &["name", "certificate", "key"][..])
        }
    };
    let query = match step {
        Step::Connections { filters } => Some(format!("{}&mode={}", queried(filters), encoded(form.value("mode")))),
        Step::Reload | Step::Server { .. } | Step::Certificate { .. } => None,
    };
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
    Asked { change, values, query, json: true, body: json(form, fields), method: parts.method.clone(), path }
}

/// These fields as a JSON object, of which no copy is left in memory.
fn json(form: &Form, fields: &[&str]) -> Zeroizing<Vec<u8>> {
    // With room for all of it: a vector that moves leaves its contents behind.
    let length: usize = fields.iter().map(|field| written(field) + written(form.value(field)) + 2).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(length + 2));
    body.push(b'{');
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(&mut *body, field);
        body.push(b':');
        let _ = serde_json::to_writer(&mut *body, form.value(field));
    }
    body.push(b'}');
    body
}

/// The length of a text as a string in JSON (RFC 8259 section 7), as serde_json writes it.
fn written(text: &str) -> usize {
    let of = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..32 => 6,
        _ => 1,
    };
    2 + text.bytes().map(of).sum::<usize>()
}

/// The API's answer in words.
pub(super) fn result(step: &Step, answer: &Answer) -> Result<Note, Refusal> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let texts = |key: &str| -> Vec<String> {
        let list = body[key].as_array().into_iter().flatten();
        let text = |one: &Value| one.as_str().or_else(|| one["text"].as_str()).map(str::to_owned);
        list.filter_map(text).take(MOST_DETAILS).collect()
    };
    if !answer.status.is_success() {
        let message = body["error"].as_str().unwrap_or("the change failed (the log has the reason)");
        return Err(Refusal { message: format!("Nothing was changed: {message}"), details: texts("errors") });
    }
    let text = match step {
        Step::Reload if texts("changes").is_empty() => "Reloaded; nothing has changed.".to_owned(),
        Step::Reload => "Reloaded. These have changed:".to_owned(),
        Step::Server { backend, server } => {
            let (was, state) = (body["was"].as_str(), body["server"]["state"].as_str());
            let [was, state] = [was, state].map(Option::unwrap_or_default);
            format!("Server {server} of backend {backend} is in state {state:?} now; it was in {was:?}.")
        }
        Step::Connections { .. } => {
            let count = usize::try_from(body["closed"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
            format!("{} asked to end ({}).", count_of(count), body["mode"].as_str().unwrap_or_default())
        }
        Step::Certificate { listener } => format!("The certificate was added to listener {listener}."),
    };
    Ok(Note { text, details: texts("changes") })
}

fn count_of(count: usize) -> String {
    if count == 1 { "1 connection was".to_owned() } else { format!("{count} connections were") }
}

/// Changes or errors that are shown of one change.
const MOST_DETAILS: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_becomes_what_the_api_reads() {
        let form = Form::read(b"name=a.b&key=%22%0A%01%5C&more=x");
        let body = json(&form, &["name", "key", "state"]);
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({"name": "a.b", "key": "\"\n\u{1}\\", "state": ""})
        );
        assert_eq!(json(&form, &[]).as_slice(), b"{}");
        let long = Form::read(&[b"key=".as_slice(), &b"%01".repeat(1000)].concat());
        let body = json(&long, &["key"]);
        assert_eq!((body.len(), body.capacity()), (3 + 6 * 1000 + 6 + 1, 3 + 6 * 1000 + 6 + 2), "it has not moved");
    }

    #[test]
    fn answers_are_shown_in_words() {
        let swapped = Answer::ok(&json!({"generation": 2, "changes": ["a is b"], "warnings": []}));
        assert_eq!(result(&Step::Reload, &swapped).unwrap().details, ["a is b"]);
        let failed = json!({"error": "not reloaded", "errors": [{"text": "line 3", "key": "x"}]});
        let refusal = result(&Step::Reload, &Answer::json(StatusCode::CONFLICT, &failed)).unwrap_err();
        assert_eq!(
            (refusal.message.as_str(), refusal.details),
            ("Nothing was changed: not reloaded", vec!["line 3".into()])
        );
    }
}
