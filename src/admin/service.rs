//! Answers one request. Must not know: connections, how an operation does its work.

use std::future::pending;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::RETRY_AFTER;
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};

use crate::admin::commit::{self, Asked};
use crate::admin::connection::caller::Caller;
use crate::admin::connection::door::Door;
use crate::admin::connection::permits::{Doing, Permit};
use crate::admin::connection::secure::Failure;
use crate::admin::connection::serve::Handler;
use crate::admin::known::{Keepers, Known, Process, starting};
use crate::admin::pages;
use crate::admin::request::answer::Answer;
use crate::admin::request::body::Wanted;
use crate::admin::request::paths::{Change, Operation, Question, Routed, View, page, route};
use crate::admin::request::{body, guard};
use crate::admin::shared::Shared;
use crate::admin::view::{
    acme as authorities, connections, explain, limits, listing, node, openapi, revocation, state,
};
use crate::config::shown;
use crate::member::status::Handle;
use crate::reload::control::Control;
use crate::tls::handshake::Terminator;

impl Handler for Shared {
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
        // The host comes first: a web page that got here by DNS rebinding learns nothing, not even which paths exist.
        if let Some(refusal) = self.known.host_refusal(&caller, &parts) {
            body::discard(body, &parts.headers).await;
            return refusal.into_response(permit);
        }
        if let Some(page) = page(&parts.method, parts.uri.path()) {
            return pages::answer(self, page, &parts, body, caller, &permit).await.into_response(permit);
        }
        let answer = match admitted(&self, &caller, &parts).await {
            Ok((Operation::Make(change), values)) => make(self, caller, &permit, (change, values), &parts, body).await,
            Ok((Operation::Ask(question), _)) => match without_body(&permit, body, &parts).await {
                Ok(()) => ask(&self.known, question, &parts),
                Err(refusal) => refusal,
            },
            Ok((Operation::List, _)) => match without_body(&permit, body, &parts).await {
                Ok(()) => list(&self, &parts).await,
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
async fn admitted(shared: &Shared, caller: &Caller, parts: &Parts) -> Result<(Operation, Vec<String>), Answer> {
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

/// Lists open connections, on another thread and in its turn: it takes a while with many. Refused where too many wait.
async fn list(shared: &Shared, parts: &Parts) -> Answer {
    let Some(live) = shared.known.process.get().map(|process| Arc::clone(&process.live)) else { return starting() };
    let query = parts.uri.query().map(str::to_owned);
    let rendered = move || connections::connections(query.as_deref(), &live);
    let listed = shared.known.renderings.alone(&shared.known.permits, rendered).await;
    listed.unwrap_or_else(|| {
        Answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait for a listing: ask again in a moment")
            .with(RETRY_AFTER, "1")
    })
}

/// Shows a view, rendered on another thread.
async fn show(shared: &Shared, view: View) -> Answer {
    let Some(process) = shared.known.process.get().cloned() else { return starting() };
    let known = Arc::clone(&shared.known);
    shared.known.renderings.share(view, &shared.known.permits, move || rendered(&known, &process, view)).await
}

/// Renders a view. It may take a while, so it does not run on the thread that answers.
fn rendered(known: &Known, process: &Process, view: View) -> Answer {
    let Process { control, keepers: Keepers { acme, lists, fleet }, pressure, .. } = process;
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
        View::Lists => Answer::ok(&revocation::lists(&lists.status())),
        View::Fleet => Answer::ok(&node::fleet(fleet.as_ref().map(Handle::status).as_deref())),
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
    let turn = match commit::turn(&shared) {
        Ok(turn) => turn,
        Err(refusal) => {
            body::discard(body, &parts.headers).await;
            return refusal;
        }
    };
    let body = match body::read(body, &parts.headers, Wanted::Change).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    permit.becomes(Doing::Working);
    let (json, method, path) = (body::is_json(&parts.headers), parts.method.clone(), parts.uri.path().to_owned());
    let query = parts.uri.query().map(str::to_owned);
    commit::commit(shared, caller, turn, Asked { change, values, query, json, body, method, path }).await
}
