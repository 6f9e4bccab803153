//! Answers browsers: the page, signing in, and changes, each of which is asked for with a form that only this page can have
//! sent. Must not know: how a change is made, what a page looks like.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroizing;

use crate::admin::commit;
use crate::admin::connection::caller::Caller;
use crate::admin::connection::permits::{Doing, Permit};
use crate::admin::entering::{self, Guest};
use crate::admin::known::{Keepers, Process};
use crate::admin::page::assets::Asset;
use crate::admin::page::form::Form;
use crate::admin::page::open;
use crate::admin::page::overview::overview;
use crate::admin::page::session::Signed;
use crate::admin::page::state::{State, Viewer};
use crate::admin::page::step::Step;
use crate::admin::page::steps::{self, Entrance, Refusal};
use crate::admin::page::wanted::Wanted;
use crate::admin::request::answer::Answer;
use crate::admin::request::body::{self, Wanted as Body};
use crate::admin::request::browser;
use crate::admin::request::guard::Refused;
use crate::admin::request::paths::Page;
use crate::admin::shared::Shared;
use crate::admin::stepping;
use crate::member::status::Handle;

/// Answers a request for a page, or for what belongs to one; `page` may be the methods that are allowed there instead.
pub(super) async fn answer(
    shared: Arc<Shared>,
    page: Result<Page, &'static str>,
    parts: &Parts,
    body: Incoming,
    caller: Arc<Caller>,
    permit: &Permit,
) -> Answer {
    let page = match page {
        Ok(Page::Enter) => return entered(&shared, parts, body, &caller, permit).await,
        Ok(Page::Leave) => return left(&shared, parts, body, &caller, permit).await,
        Ok(Page::Commit(name)) => return posted(shared, &name, parts, body, caller, permit).await,
        Ok(page) => page,
        Err(allowed) => {
            body::discard(body, &parts.headers).await;
            return Answer::not_allowed(allowed.to_owned());
        }
    };
    if let Err(refusal) = body::read(body, &parts.headers, Body::No).await {
        return refusal;
    }
    permit.becomes(Doing::Working);
    if let Page::Asset(name) = page {
        return asset(&name, parts);
    }
    let Some(process) = shared.known.process.get().cloned() else { return starting() };
    let guest = Guest::of(&shared, &caller, parts, &process);
    match page {
        Page::Connections => open(shared, guest, process, parts.uri.query()).await,
        Page::SignIn => html(steps::sign_in(guest.entrance, None)),
        Page::Step(name) => match (Step::read(&name, parts.uri.query()), &guest.signed) {
            (None, _) => Answer::error(StatusCode::NOT_FOUND, "there is nothing under this path"),
            (Some(_), None) => Answer::see_other("/sign-in"),
            (Some(Err(faults)), Some(_)) => faulty(&faults),
            (Some(Ok(step)), Some(signed)) => stepping::form(&process, &step, signed, ("", ""), None),
        },
        _ => shown(shared, guest, process, parts.uri.query()).await,
    }
}

fn html(document: String) -> Answer {
    Answer::page(StatusCode::OK, document)
}

fn asset(name: &str, parts: &Parts) -> Answer {
    let asset = match name {
        "page.css" => Asset::Style,
        "page.js" => Asset::Script,
        "icon.svg" => Asset::Icon,
        _ => return Answer::error(StatusCode::NOT_FOUND, "there is nothing under this path"),
    };
    asset.answer(&parts.headers)
}

fn starting() -> Answer {
    let text = "tlsgate reads its configuration and certificates. Load this page again in a moment.";
    Answer::page(StatusCode::SERVICE_UNAVAILABLE, steps::message("Starting", text)).with(RETRY_AFTER, "1")
}

/// The page of open connections, made on another thread.
async fn open(shared: Arc<Shared>, guest: Guest, process: Process, query: Option<&str>) -> Answer {
    let viewer = Viewer { may_sign_in: guest.entrance != Entrance::Closed, signed: guest.signed, note: None };
    let query = query.map(str::to_owned);
    let rendered = move || html(open::open(&process.live, query.as_deref(), &viewer));
    alone(&shared, rendered).await
}

/// The page at `/`. It may take a while with many certificates, so it is made on another thread.
async fn shown(shared: Arc<Shared>, guest: Guest, process: Process, query: Option<&str>) -> Answer {
    let wanted = Wanted::read(query);
    let (known, all) = (Arc::clone(&shared.known), Arc::clone(&shared));
    let rendered = move || {
        // Only now, since it is shown once: the page may be refused, or its client may go away, before its turn.
        let note = guest.cookie.as_ref().and_then(|cookie| all.known.sessions.take(cookie));
        let viewer = Viewer { may_sign_in: guest.entrance != Entrance::Closed, signed: guest.signed, note };
        let Process { control, keepers: Keepers { acme, lists, fleet }, pressure, .. } = &process;
        let status = control.status.borrow().clone();
        let snapshot = control.current.load();
        let (acme, lists, totals) = (acme.status(), lists.status(), (known.counted.totals)());
        let fleet = fleet.as_ref().map(Handle::status);
        let state = State {
            status: &status,
            snapshot: &snapshot,
            acme: &acme,
            lists: &lists,
            fleet: fleet.as_deref(),
            pressure,
            totals: &totals,
            now: Timestamp::now(),
        };
        html(overview(&state, &wanted, &viewer))
    };
    alone(&shared, rendered).await
}

/// A page for one client alone, made in its turn; refused where too many wait for theirs.
async fn alone(shared: &Shared, rendered: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    let made = shared.known.renderings.alone(&shared.known.permits, rendered).await;
    made.unwrap_or_else(|| {
        let text = "Too many pages are asked for at the moment. Load this page again in a moment.";
        Answer::page(StatusCode::SERVICE_UNAVAILABLE, steps::message("Busy", text)).with(RETRY_AFTER, "1")
    })
}

/// A form with a token. Anybody may send one, so it takes no turn from those who make changes, however many are sent and
/// however slowly they arrive: its body is short, and its connection gives way to others until it is there.
async fn entered(shared: &Shared, parts: &Parts, body: Incoming, caller: &Caller, permit: &Permit) -> Answer {
    let (process, guest) = match own(shared, caller, parts) {
        Ok(own) => own,
        Err(refusal) => return refused(refusal, body, parts).await,
    };
    let body = match body::read(body, &parts.headers, Body::Form).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    permit.becomes(Doing::Working);
    entering::enter(shared, caller, parts, &process, guest, &body).await
}

/// The form that ends a session. It takes no turn either: the session need not permit changes any more.
async fn left(shared: &Shared, parts: &Parts, body: Incoming, caller: &Caller, permit: &Permit) -> Answer {
    let (signed, cookie) = match own(shared, caller, parts).and_then(|(_, guest)| session(shared, caller, parts, guest))
    {
        Ok(session) => session,
        Err(refusal) => return refused(refusal, body, parts).await,
    };
    let body = match body::read(body, &parts.headers, Body::Form).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    permit.becomes(Doing::Working);
    if !signed.is_of_form(Form::read(&body).value("secret")) {
        return foreign(shared, caller, parts);
    }
    shared.known.sessions.end(&cookie);
    Answer::see_other("/").with(SET_COOKIE, &entering::no_cookie(caller, parts))
}

/// The form of a change. Whether the session still permits changes is looked at before its body is read, so that nobody else
/// can fill the memory or take the turn of somebody who may.
async fn posted(
    shared: Arc<Shared>,
    name: &str,
    parts: &Parts,
    body: Incoming,
    caller: Arc<Caller>,
    permit: &Permit,
) -> Answer {
    let admitted = admitted(&shared, &caller, parts).await;
    let admitted = admitted.and_then(|admitted| Ok((admitted, commit::turn(&shared)?)));
    let ((process, signed, cookie), turn) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => return refused(refusal, body, parts).await,
    };
    let body = match body::read(body, &parts.headers, Body::Change).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    permit.becomes(Doing::Working);
    let form = Form::read(&body);
    if !signed.is_of_form(form.value("secret")) {
        return foreign(&shared, &caller, parts);
    }
    let step = match Step::read(name, parts.uri.query()) {
        Some(Ok(step)) => step,
        Some(Err(faults)) => return faulty(&faults),
        None => return Answer::error(StatusCode::NOT_FOUND, "there is nothing under this path"),
    };
    committed(shared, caller, turn, parts, process, (&step, &form), (&signed, &cookie)).await
}

/// Refuses a form whose body is not looked at.
async fn refused(refusal: Answer, body: Incoming, parts: &Parts) -> Answer {
    body::discard(body, &parts.headers).await;
    refusal
}

/// Who sends the form of a change: with a session that would still begin.
async fn admitted(
    shared: &Shared,
    caller: &Caller,
    parts: &Parts,
) -> Result<(Process, Signed, Zeroizing<String>), Answer> {
    let (process, guest) = own(shared, caller, parts)?;
    let entrance = guest.entrance;
    let (signed, cookie) = session(shared, caller, parts, guest)?;
    if let Err((why, reason)) = entering::proven(shared, caller, &process, &signed).await {
        shared.known.sessions.end(&cookie);
        shared.known.audit.refused(caller, parts, why);
        return Err(signed_out(entrance, reason));
    }
    Ok((process, signed, cookie))
}

/// Who sends a form, if a page of this server has made the browser do so.
fn own(shared: &Shared, caller: &Caller, parts: &Parts) -> Result<(Process, Guest), Answer> {
    if !browser::is_of_own_page(&parts.headers) {
        return Err(foreign(shared, caller, parts));
    }
    let process = shared.known.process.get().cloned().ok_or_else(starting)?;
    let guest = Guest::of(shared, caller, parts, &process);
    Ok((process, guest))
}

/// The session of a form that needs one, with its cookie.
fn session(
    shared: &Shared,
    caller: &Caller,
    parts: &Parts,
    guest: Guest,
) -> Result<(Signed, Zeroizing<String>), Answer> {
    let entrance = guest.entrance;
    guest.signed.zip(guest.cookie).ok_or_else(|| unsigned(shared, caller, parts, entrance))
}

/// Makes the change of a form, and leads back to the page, which shows the result; or shows the form again with the reason why
/// nothing was changed.
async fn committed(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    turn: OwnedSemaphorePermit,
    parts: &Parts,
    process: Process,
    (step, form): (&Step, &Form),
    (signed, cookie): (&Signed, &Zeroizing<String>),
) -> Answer {
    let sent = (form.value("name"), form.value("certificate"));
    let again =
        |refusal: &Refusal, status| stepping::form(&process, step, signed, sent, Some(refusal)).with_status(status);
    if !stepping::is_confirmed(step, form) {
        let message = "Nothing was changed: confirm first what the change does.".to_owned();
        return again(&Refusal { message, details: Vec::new() }, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let asked = stepping::asked(step, form, parts);
    let answer = commit::commit(Arc::clone(&shared), caller, turn, asked).await;
    match stepping::result(step, &answer) {
        Ok(note) => {
            shared.known.sessions.leave(cookie, note);
            Answer::see_other("/")
        }
        Err(refusal) => again(&refusal, answer.status),
    }
}

/// The answer to a change whose query is wrong.
fn faulty(faults: &[String]) -> Answer {
    let text = format!("Nothing was changed: {}", faults.join("; "));
    Answer::page(StatusCode::BAD_REQUEST, steps::message("Not understood", &text))
}

/// The answer to a form that another page has sent.
fn foreign(shared: &Shared, caller: &Caller, parts: &Parts) -> Answer {
    shared.known.audit.refused(caller, parts, Refused::Page);
    let text = "This form was not sent by a page of this server, or by one of an earlier session. Nothing was changed.";
    Answer::page(StatusCode::FORBIDDEN, steps::message("Refused", text))
}

/// The answer to a form that needs a session, and comes without one.
fn unsigned(shared: &Shared, caller: &Caller, parts: &Parts, entrance: Entrance) -> Answer {
    shared.known.audit.refused(caller, parts, Refused::NoToken);
    signed_out(entrance, "You are not signed in, or not any longer. Nothing was changed.")
}

fn signed_out(entrance: Entrance, reason: &str) -> Answer {
    let refusal = Refusal { message: reason.to_owned(), details: Vec::new() };
    Answer::page(StatusCode::UNAUTHORIZED, steps::sign_in(entrance, Some(&refusal))).with(WWW_AUTHENTICATE, "Bearer")
}
