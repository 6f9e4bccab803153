//! One request, from its head to its answer. Must not know: connections, how an operation does its work.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};

use crate::admin::change::{certificates, process, servers};
use crate::admin::connection::caller::Caller;
use crate::admin::connection::places::{Doing, Place};
use crate::admin::request::answer::Answer;
use crate::admin::request::body;
use crate::admin::request::body::Wanted;
use crate::admin::request::paths::{Operation, Routed, route};
use crate::admin::view::{explain, listing, openapi, state};
use crate::admin::{Shared, settings};
use crate::reload::control::Control;

pub(in crate::admin) async fn answer(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    place: Arc<Place>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let answer = match admitted(&shared, &caller, &parts).await {
        Ok((operation, values)) if operation.is_change() => {
            change(shared, caller, &place, (operation, values), &parts, body).await
        }
        Ok((operation, _)) => match body::read(body, &parts.headers, Wanted::No).await {
            Ok(_) => {
                place.becomes(Doing::Working);
                look(shared, operation, &parts).await
            }
            Err(refusal) => refusal,
        },
        Err(refusal) => {
            body::discard(body, &parts.headers).await;
            refusal
        }
    };
    answer.into_response(place)
}

/// What is asked for, if who asks may ask it.
async fn admitted(shared: &Shared, caller: &Caller, parts: &Parts) -> Result<(Operation, Vec<String>), Answer> {
    let refused = |(why, answer)| {
        shared.audit.refused(caller, parts, why);
        answer
    };
    let refusal = match shared.control.get() {
        Some(control) => shared.door.refusal(parts, &control.status.borrow().config.admin.hosts),
        None => shared.door.refusal(parts, &shared.hosts),
    };
    if let Some(refusal) = refusal {
        return Err(refused(refusal));
    }
    let (operation, values) = match route(&parts.method, parts.uri.path()) {
        Routed::To(operation, values) => (operation, values),
        Routed::OtherMethod(allowed) => return Err(Answer::not_allowed(allowed)),
        Routed::Nowhere => return Err(Answer::error(StatusCode::NOT_FOUND, "there is nothing under this path")),
    };
    if operation.is_change() {
        let config = Arc::clone(&shared.control.get().ok_or_else(starting)?.status.borrow().config);
        if let Some(refusal) = shared.door.change_refusal(&parts.headers, &config.admin, &shared.readers).await {
            return Err(refused(refusal));
        }
    }
    Ok((operation, values))
}

/// Makes a change for somebody who may make it.
async fn change(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    place: &Place,
    (operation, values): (Operation, Vec<String>),
    parts: &Parts,
    body: Incoming,
) -> Answer {
    // Before the body is read, which takes memory.
    let Ok(turn) = Arc::clone(&shared.changes).try_acquire_owned() else {
        body::discard(body, &parts.headers).await;
        return Answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many changes are under way already");
    };
    let body = match body::read(body, &parts.headers, Wanted::Yes).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    place.becomes(Doing::Working);
    let Some(control) = shared.control.get().cloned() else { return starting() };
    let (json, method, path) = (body::is_json(&parts.headers), parts.method.clone(), parts.uri.clone());
    // A client that goes away while a change is made would leave it half made, and without a trace.
    let changed = tokio::spawn(async move {
        let _turn = turn;
        let answer = changed(&shared, control, operation, values, json, &body).await;
        shared.audit.changed(&caller, &method, path.path(), answer.status);
        answer
    });
    changed.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change through the admin API broke off");
        Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the change broke off, and the log says why")
    })
}

/// Answers a question that changes nothing. Whether the process lives never waits for anything else.
async fn look(shared: Arc<Shared>, operation: Operation, parts: &Parts) -> Answer {
    match operation {
        Operation::Live => return state::live(),
        Operation::OpenApi => return openapi::description(),
        _ => {}
    }
    let Some(control) = shared.control.get().cloned() else { return starting() };
    match operation {
        Operation::Ready => state::ready(&control.status.borrow()),
        Operation::Explain => explain::explain(parts.uri.query(), &control.current.load()),
        view => {
            let known = Arc::clone(&shared);
            shared.renderings.share(view, &shared.places, move || rendered(&known, &control, view)).await
        }
    }
}

/// A view, whole. It may take a while, and the thread that answers does something else meanwhile.
fn rendered(shared: &Shared, control: &Control, view: Operation) -> Answer {
    let status = control.status.borrow().clone();
    let snapshot = control.current.load();
    match view {
        Operation::Metrics => {
            let text = (shared.metrics)(control) + &shared.audit.metrics(&shared.places);
            Answer::text("text/plain; version=0.0.4; charset=utf-8", text)
        }
        Operation::Status => Answer::ok(&state::status(&status, &snapshot)),
        Operation::Config => Answer::ok(&settings::config(&status.config)),
        Operation::Listeners => Answer::ok(&listing::listeners(&status.config, &snapshot)),
        Operation::Certificates => Answer::ok(&listing::certificates(&status.config, &snapshot)),
        Operation::Policies => Answer::ok(&listing::policies(&status.config)),
        Operation::Backends => Answer::ok(&listing::backends(&status.config, &snapshot)),
        _ => Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "this view is not known"),
    }
}

async fn changed(
    shared: &Shared,
    control: Control,
    operation: Operation,
    values: Vec<String>,
    json: bool,
    body: &[u8],
) -> Answer {
    match (operation, values.as_slice()) {
        (Operation::Reload, _) => process::reload(&control).await,
        (Operation::Drain, _) => {
            let _turn = shared.changing.lock().await;
            process::drain(control).await
        }
        (Operation::AddCertificate | Operation::ServerState, _) if !json => {
            let said = "the body is of another type (expected Content-Type: application/json)";
            Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, said)
        }
        (Operation::ServerState, [backend, server]) => {
            servers::set_state(&control.current.load(), backend, server, body)
        }
        (Operation::AddCertificate, [listener]) => {
            let _turn = shared.changing.lock().await;
            certificates::add(&control, listener, body).await
        }
        (Operation::RemoveCertificate, [listener, name]) => {
            let _turn = shared.changing.lock().await;
            certificates::remove(&control, listener, name).await
        }
        _ => Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "this change is not known"),
    }
}

fn starting() -> Answer {
    Answer::error(StatusCode::SERVICE_UNAVAILABLE, "tlsgate is starting")
}
