//! Answers one request. Must not know: connections, how an operation does its work.

use std::future::pending;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use tokio::sync::{Mutex, Semaphore};

use crate::admin::change::{acme as orders, certificates, process, servers};
use crate::admin::connection::caller::Caller;
use crate::admin::connection::door::Door;
use crate::admin::connection::permits::{Doing, Permit};
use crate::admin::connection::secure::Failure;
use crate::admin::connection::serve::Handler;
use crate::admin::known::{Known, Process, starting};
use crate::admin::request::answer::Answer;
use crate::admin::request::body::Wanted;
use crate::admin::request::paths::{Change, Operation, Question, Routed, View, route};
use crate::admin::request::{body, guard};
use crate::admin::view::renderings::Renderings;
use crate::admin::view::{acme as authorities, explain, limits, listing, openapi, state};
use crate::config::shown;
use crate::reload::control::Control;
use crate::tls::handshake::Terminator;

/// What all requests to the API share.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) known: Arc<Known>,
    /// Whether it serves TLS. That is decided at the start, as where it listens.
    pub(super) secure: bool,
    pub(super) renderings: Arc<Renderings>,
    /// Held while files are changed, or while a drain begins: one change at a time.
    pub(super) changing: Mutex<()>,
    /// A permit for each change that runs or waits for its turn.
    pub(super) changes: Arc<Semaphore>,
    /// A permit for each thread that reads the token.
    pub(super) readers: Arc<Semaphore>,
}

impl Handler for Service {
    async fn tls(&self, door: &Door) -> Option<Arc<Terminator>> {
        // The permissions of a Unix socket decide who may connect.
        if !self.secure || matches!(door, Door::Unix(_)) {
            return None;
        }
        // Without a snapshot there are no certificates yet.
        let process = self.known.process.wait().await;
        match process.control.current.load().admin() {
            Some(terminator) => Some(Arc::clone(terminator)),
            // There always is one. If not, a handshake must fail: this door is never plain.
            None => pending().await,
        }
    }

    fn handshake_failed(&self, caller: &Caller, failure: &Failure) {
        self.known.audit.handshake_failed(caller, failure);
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        caller: Arc<Caller>,
        permit: Arc<Permit>,
    ) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let answer = match admitted(&self, &caller, &parts).await {
            Ok((Operation::Make(change), values)) => make(self, caller, &permit, (change, values), &parts, body).await,
            Ok((Operation::Ask(question), _)) => match without_body(&permit, body, &parts).await {
                Ok(()) => ask(&self.known, question, &parts),
                Err(refusal) => refusal,
            },
            Ok((Operation::Show(view), _)) => match without_body(&permit, body, &parts).await {
                Ok(()) => show(&self, view).await,
                Err(refusal) => refusal,
            },
            Err(refusal) => {
                body::discard(body, &parts.headers).await;
                refusal
            }
        };
        answer.into_response(permit)
    }

    async fn idle(&self) {
        // Waits until no change holds it.
        drop(self.changing.lock().await);
    }
}

/// The requested operation, with the values of its path; or the answer that refuses it.
async fn admitted(shared: &Service, caller: &Caller, parts: &Parts) -> Result<(Operation, Vec<String>), Answer> {
    // The host comes first: a web page that got here by DNS rebinding learns nothing, not even which paths exist.
    if let Some(refusal) = shared.known.host_refusal(caller, parts) {
        return Err(refusal);
    }
    let (operation, values) = match route(&parts.method, parts.uri.path()) {
        Routed::To(operation, values) => (operation, values),
        Routed::OtherMethod(allowed) => return Err(Answer::not_allowed(allowed)),
        Routed::Nowhere => return Err(Answer::error(StatusCode::NOT_FOUND, "there is nothing under this path")),
    };
    if let Operation::Make(_) = operation {
        let process = shared.known.process.get().ok_or_else(starting)?;
        let config = Arc::clone(&process.control.status.borrow().config);
        let snapshot = process.control.current.load();
        let judge = snapshot.admin().and_then(|admin| Some(*admin.client_auth()?.fingerprint()));
        let readers = &shared.readers;
        let refusal = guard::change_refusal(caller, &parts.headers, &config.admin, judge, readers).await;
        if let Some((why, answer)) = refusal {
            shared.known.audit.refused(caller, parts, why);
            return Err(answer);
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
fn ask(known: &Known, question: Question, parts: &Parts) -> Answer {
    let control = known.process.get().map(|process| &process.control);
    let with = |answer: &dyn Fn(&Control) -> Answer| control.map_or_else(starting, answer);
    match question {
        Question::Live => state::live(),
        Question::OpenApi => openapi::description(),
        Question::Ready => with(&|control| state::ready(&control.status.borrow())),
        Question::Explain => with(&|control| explain::explain(parts.uri.query(), &control.current.load())),
    }
}

/// Shows a view, rendered on another thread.
async fn show(shared: &Service, view: View) -> Answer {
    let Some(process) = shared.known.process.get().cloned() else { return starting() };
    let known = Arc::clone(&shared.known);
    shared.renderings.share(view, &shared.known.permits, move || rendered(&known, &process, view)).await
}

/// Renders a view. It may take a while, so it does not run on the thread that answers.
fn rendered(known: &Known, process: &Process, view: View) -> Answer {
    let Process { control, acme, pressure } = process;
    let status = control.status.borrow().clone();
    let snapshot = control.current.load();
    match view {
        View::Metrics => known.exposition(process),
        View::Status => Answer::ok(&state::status(&status, &snapshot)),
        View::Config => Answer::ok(&shown::config(&status.config).json()),
        View::Listeners => Answer::ok(&listing::listeners(&status, &snapshot)),
        View::Certificates => Answer::ok(&listing::certificates(&status.config, &snapshot)),
        View::Policies => Answer::ok(&listing::policies(&status.config)),
        View::Backends => Answer::ok(&listing::backends(&status.config, &snapshot)),
        View::Limits => Answer::ok(&limits::limits(status.config.bounds.memory, pressure)),
        View::Acme => Answer::ok(&authorities::acme(&acme.status())),
    }
}

/// Makes a change for an authorised caller.
async fn make(
    shared: Arc<Service>,
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
    let Some(process) = shared.known.process.get().cloned() else { return starting() };
    let (json, method, path) = (body::is_json(&parts.headers), parts.method.clone(), parts.uri.clone());
    // On a task of its own: if the client goes away, this future is dropped, and the change would stop in the middle.
    let changed = tokio::spawn(async move {
        let _turn = turn;
        let answer = changed(&shared, process, change, &values, json, &body).await;
        shared.known.audit.changed(&caller, &method, path.path(), answer.status);
        answer
    });
    changed.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change through the admin API failed unexpectedly");
        Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the change failed unexpectedly (the log has the reason)")
    })
}

/// Makes the change, and returns the answer. `values` are those of the path.
async fn changed(
    shared: &Service,
    Process { control, acme, .. }: Process,
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
