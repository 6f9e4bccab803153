//! One request, from its head to its answer. Must not know: connections, how an operation does its work.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};

use crate::admin::answer::Answer;
use crate::admin::route::{Operation, Routed, route};
use crate::admin::{Shared, body, certificates, change, explain, listing, openapi, servers, settings, state};
use crate::reload::control::Control;

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let answer = match admitted(&shared, &parts) {
        Ok((operation, values)) => match body::read(body, &parts.headers).await {
            Ok(bytes) => perform(shared, operation, values, &parts, bytes).await,
            Err(refusal) => refusal,
        },
        Err(refusal) => {
            body::discard(body, &parts.headers).await;
            refusal
        }
    };
    answer.into_response()
}

/// What is asked for, if who asks may ask it.
fn admitted(shared: &Shared, parts: &Parts) -> Result<(Operation, Vec<String>), Answer> {
    if let Some(refusal) = shared.door.refusal(parts) {
        return Err(refusal);
    }
    let (operation, values) = match route(&parts.method, parts.uri.path()) {
        Routed::To(operation, values) => (operation, values),
        Routed::OtherMethod(allowed) => return Err(Answer::not_allowed(allowed)),
        Routed::Nowhere => return Err(Answer::error(StatusCode::NOT_FOUND, "there is nothing under this path")),
    };
    if operation.is_change() {
        let status = shared.control.get().ok_or_else(starting)?.status.borrow().clone();
        if let Some(refusal) = shared.door.change_refusal(&parts.headers, &status.config.admin) {
            return Err(refusal);
        }
    }
    Ok((operation, values))
}

async fn perform(
    shared: Arc<Shared>,
    operation: Operation,
    values: Vec<String>,
    parts: &Parts,
    body: Vec<u8>,
) -> Answer {
    match operation {
        Operation::Live => return state::live(),
        Operation::OpenApi => return openapi::description(),
        _ => {}
    }
    let Some(control) = shared.control.get().cloned() else { return starting() };
    if operation == Operation::Metrics {
        return Answer::text("text/plain; version=0.0.4; charset=utf-8", (shared.metrics)(&control));
    }
    if operation.is_change() {
        let json = body::is_json(&parts.headers);
        // A client that goes away while a change is made would leave it half made.
        let changed = tokio::spawn(async move { changed(&shared, control, operation, values, json, &body).await });
        return changed.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a change through the admin API broke off");
            Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the change broke off, and the log says why")
        });
    }
    looked_at(&control, operation, parts.uri.query())
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
        (Operation::Reload, _) => change::reload(&control).await,
        (Operation::Drain, _) => {
            let _turn = shared.changing.lock().await;
            change::drain(control).await
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

fn looked_at(control: &Control, operation: Operation, query: Option<&str>) -> Answer {
    let status = control.status.borrow().clone();
    let snapshot = control.current.load();
    match operation {
        Operation::Ready => state::ready(&status),
        Operation::Status => Answer::ok(&state::status(&status, &snapshot)),
        Operation::Config => Answer::ok(&settings::config(&status.config)),
        Operation::Listeners => Answer::ok(&listing::listeners(&status.config, &snapshot)),
        Operation::Certificates => Answer::ok(&listing::certificates(&status.config, &snapshot)),
        Operation::Policies => Answer::ok(&listing::policies(&status.config)),
        Operation::Explain => explain::explain(query, &snapshot),
        Operation::Backends => Answer::ok(&listing::backends(&status.config, &snapshot)),
        _ => Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "this view is not known"),
    }
}

fn starting() -> Answer {
    Answer::error(StatusCode::SERVICE_UNAVAILABLE, "tlsgate is starting")
}
