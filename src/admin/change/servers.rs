//! Sets the state of a server of a backend: in service, drained, out of service. Must not know: its effects.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::admin::request::answer::Answer;
use crate::admin::view::listing;
use crate::backend::condition::State;
use crate::snapshot::Snapshot;

/// Sets the state of a server, which is named by its address as the listing shows it.
pub(in crate::admin) fn set_state(snapshot: &Snapshot, backend: &str, server: &str, body: &[u8]) -> Answer {
    let Some(state) = requested(body) else {
        let words = State::ALL.map(|state| format!("{{\"state\":\"{}\"}}", state.word())).join(" or ");
        return Answer::error(StatusCode::BAD_REQUEST, &format!("unexpected body (expected {words})"));
    };
    let Some(pool) = snapshot.pool(backend) else {
        return Answer::error(StatusCode::NOT_FOUND, "there is no backend of that name");
    };
    let members = pool.members();
    let Some(member) = members.list.iter().find(|member| member.server.address.to_string() == server) else {
        return Answer::error(StatusCode::NOT_FOUND, "the backend has no server of that address");
    };
    let was = member.server.set_state(state);
    if was != state {
        tracing::info!(backend, server, state = state.word(), was = was.word(), "changed through the admin API");
    }
    Answer::ok(&json!({ "was": was, "server": listing::server(member) }))
}

fn requested(body: &[u8]) -> Option<State> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let fields = body.as_object().filter(|fields| fields.len() == 1)?;
    let word = fields.get("state")?.as_str()?;
    State::ALL.into_iter().find(|state| state.word() == word)
}
