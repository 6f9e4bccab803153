//! Answers one request. Must not know: connections, how an operation does its work.

use std::sync::{Arc, OnceLock};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use tokio::sync::{Mutex, Semaphore};

use crate::acme::keeper::Handle as Acme;
use crate::admin::change::audit::Audit;
use crate::admin::change::{acme as orders, certificates, process, servers};
use crate::admin::connection::caller::Caller;
use crate::admin::connection::door::Door;
use crate::admin::connection::permits::{Doing, Permit, Permits};
use crate::admin::request::answer::Answer;
use crate::admin::request::body::Wanted;
use crate::admin::request::paths::{Change, Operation, Question, Routed, View, route};
use crate::admin::request::{body, guard};
use crate::admin::view::renderings::Renderings;
use crate::admin::view::{acme as authorities, explain, listing, openapi, state};
use crate::config::shown;
use crate::config::values::HostName;
use crate::reload::control::Control;

/// Writes the metrics of a state in the text format of Prometheus.
pub(super) type Metrics = Box<dyn Fn(&Control, &Acme) -> String + Send + Sync>;

/// What is shown and changed.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) control: Control,
    pub(super) acme: Acme,
}

/// What all requests share.
pub(super) struct Shared {
    /// Empty until the first snapshot is built.
    pub(super) process: OnceLock<Process>,
    pub(super) metrics: Metrics,
    /// The accepted host names until there is a snapshot.
    pub(super) hosts: Vec<HostName>,
    pub(super) permits: Arc<Permits>,
    pub(super) renderings: Arc<Renderings>,
    pub(super) audit: Audit,
    /// Held while files are changed, or while a drain begins: one change at a time.
    pub(super) changing: Mutex<()>,
    /// A permit for each change that runs or waits for its turn.
    pub(super) changes: Arc<Semaphore>,
    /// A permit for each thread that reads the token.
    pub(super) readers: Arc<Semaphore>,
}

/// The answer to one request that came in by `door`, ready to be sent.
pub(super) async fn answer(
    shared: Arc<Shared>,
    door: Arc<Door>,
    caller: Arc<Caller>,
    permit: Arc<Permit>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let answer = match admitted(&shared, &door, &caller, &parts).await {
        Ok((Operation::Make(change), values)) => make(shared, caller, &permit, (change, values), &parts, body).await,
        Ok((Operation::Ask(question), _)) => match without_body(&permit, body, &parts).await {
            Ok(()) => ask(&shared, question, &parts),
            Err(refusal) => refusal,
        },
        Ok((Operation::Show(view), _)) => match without_body(&permit, body, &parts).await {
            Ok(()) => show(shared, view).await,
            Err(refusal) => refusal,
        },
        Err(refusal) => {
            body::discard(body, &parts.headers).await;
            refusal
        }
    };
    answer.into_response(permit)
}

/// The requested operation, with the values of its path; or the answer that refuses it.
async fn admitted(
    shared: &Shared,
    door: &Door,
    caller: &Caller,
    parts: &Parts,
) -> Result<(Operation, Vec<String>), Answer> {
    let refused = |(why, answer)| {
        shared.audit.refused(caller, parts, why);
        answer
    };
    // The host comes first: a web page that got here by DNS rebinding learns nothing, not even which paths exist.
    let refusal = match shared.process.get() {
        Some(Process { control, .. }) => guard::host_refusal(door, parts, &control.status.borrow().config.admin.hosts),
        None => guard::host_refusal(door, parts, &shared.hosts),
    };
    if let Some(refusal) = refusal {
        return Err(refused(refusal));
    }
    let (operation, values) = match route(&parts.method, parts.uri.path()) {
        Routed::To(operation, values) => (operation, values),
        Routed::OtherMethod(allowed) => return Err(Answer::not_allowed(allowed)),
        Routed::Nowhere => return Err(Answer::error(StatusCode::NOT_FOUND, "there is nothing under this path")),
    };
    if let Operation::Make(_) = operation {
        let config = Arc::clone(&shared.process.get().ok_or_else(starting)?.control.status.borrow().config);
        if let Some(refusal) = guard::change_refusal(door, &parts.headers, &config.admin, &shared.readers).await {
            return Err(refused(refusal));
        }
    }
    Ok((operation, values))
}

/// Discards the body of a request that needs none.
async fn without_body(permit: &Permit, body: Incoming, parts: &Parts) -> Result<(), Answer> {
    body::read(body, &parts.headers, Wanted::No).await?;
    permit.becomes(Doing::Working);
    Ok(())
}

/// Answers a question. It waits for nothing, so that a liveness check never does.
fn ask(shared: &Shared, question: Question, parts: &Parts) -> Answer {
    let control = shared.process.get().map(|process| &process.control);
    let with = |answer: &dyn Fn(&Control) -> Answer| control.map_or_else(starting, answer);
    match question {
        Question::Live => state::live(),
        Question::OpenApi => openapi::description(),
        Question::Ready => with(&|control| state::ready(&control.status.borrow())),
        Question::Explain => with(&|control| explain::explain(parts.uri.query(), &control.current.load())),
    }
}

/// Shows a view, rendered on another thread.
async fn show(shared: Arc<Shared>, view: View) -> Answer {
    let Some(process) = shared.process.get().cloned() else { return starting() };
    let known = Arc::clone(&shared);
    shared.renderings.share(view, &shared.permits, move || rendered(&known, &process, view)).await
}

/// Renders a view. It may take a while, so it does not run on the thread that answers.
fn rendered(shared: &Shared, Process { control, acme }: &Process, view: View) -> Answer {
    let status = control.status.borrow().clone();
    let snapshot = control.current.load();
    match view {
        View::Metrics => {
            let text = (shared.metrics)(control, acme) + &shared.audit.metrics(&shared.permits);
            Answer::text("text/plain; version=0.0.4; charset=utf-8", text)
        }
        View::Status => Answer::ok(&state::status(&status, &snapshot)),
        View::Config => Answer::ok(&shown::config(&status.config).json()),
        View::Listeners => Answer::ok(&listing::listeners(&status, &snapshot)),
        View::Certificates => Answer::ok(&listing::certificates(&status.config, &snapshot)),
        View::Policies => Answer::ok(&listing::policies(&status.config)),
        View::Backends => Answer::ok(&listing::backends(&status.config, &snapshot)),
        View::Acme => Answer::ok(&authorities::acme(&acme.status())),
    }
}

/// Makes a change for an authorised caller.
async fn make(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    permit: &Permit,
    (change, values): (Change, Vec<String>),
    parts: &Parts,
    body: Incoming,
) -> Answer {
    // Before the body is read, so that the bound also limits the memory for bodies.
    let Ok(turn) = Arc::clone(&shared.changes).try_acquire_owned() else {
        body::discard(body, &parts.headers).await;
        return Answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many changes are already in progress");
    };
    let body = match body::read(body, &parts.headers, Wanted::Yes).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    permit.becomes(Doing::Working);
    let Some(process) = shared.process.get().cloned() else { return starting() };
    let (json, method, path) = (body::is_json(&parts.headers), parts.method.clone(), parts.uri.clone());
    // On a task of its own: if the client goes away, this future is dropped, and the change would stop in the middle.
    let changed = tokio::spawn(async move {
        let _turn = turn;
        let answer = changed(&shared, process, change, &values, json, &body).await;
        shared.audit.changed(&caller, &method, path.path(), answer.status);
        answer
    });
    changed.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change through the admin API failed unexpectedly");
        Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the change failed unexpectedly (the log has the reason)")
    })
}

/// Makes the change, and returns the answer. `values` are those of the path.
async fn changed(
    shared: &Shared,
    Process { control, acme }: Process,
    change: Change,
    values: &[String],
    json: bool,
    body: &[u8],
) -> Answer {
    // The path's pattern has as many as the change needs.
    let value = |at: usize| values.get(at).map_or("", String::as_str);
    match change {
        Change::Reload => process::reload(&control).await,
        Change::Drain => {
            let _turn = shared.changing.lock().await;
            process::drain(control).await
        }
        Change::AddCertificate | Change::ServerState | Change::Renew | Change::Revoke | Change::RollOver if !json => {
            let reason = "unexpected type of the body (expected Content-Type: application/json)";
            Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason)
        }
        Change::Renew => orders::renew(&acme, body).await,
        Change::Revoke => orders::revoke(&acme, body).await,
        Change::RollOver => orders::roll_over(&acme, body).await,
        Change::ServerState => servers::set_state(&control.current.load(), value(0), value(1), body),
        Change::AddCertificate => {
            let _turn = shared.changing.lock().await;
            certificates::add(&control, value(0), body).await
        }
        Change::RemoveCertificate => {
            let _turn = shared.changing.lock().await;
            certificates::remove(&control, value(0), value(1)).await
        }
    }
}

fn starting() -> Answer {
    Answer::error(StatusCode::SERVICE_UNAVAILABLE, "tlsgate is starting")
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
