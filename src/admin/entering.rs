//! Who signs in at the page, with what, and whether that is still right. Must not know: what a session may change, what a page
//! looks like.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{SET_COOKIE, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use zeroize::Zeroizing;

use crate::admin::connection::caller::{Caller, Presented};
use crate::admin::known::Process;
use crate::admin::page::form::Form;
use crate::admin::page::session::{LIFE, Proof, Signed};
use crate::admin::page::steps::{self, Entrance, Refusal};
use crate::admin::request::answer::Answer;
use crate::admin::request::browser;
use crate::admin::request::guard::{self, Refused};
use crate::admin::shared::Shared;

/// Who asks for a page.
pub(super) struct Guest {
    pub(super) entrance: Entrance,
    pub(super) cookie: Option<Zeroizing<String>>,
    pub(super) signed: Option<Signed>,
}

impl Guest {
    pub(super) fn of(shared: &Shared, caller: &Caller, parts: &Parts, process: &Process) -> Self {
        let cookie = browser::cookie(&parts.headers, &cookie_name(caller, parts));
        let signed = cookie.as_ref().and_then(|cookie| shared.known.sessions.find(cookie));
        let entrance = match proof_of_connection(caller, process) {
            Some(_) => Entrance::Connection,
            None if process.control.status.borrow().config.admin.token_file.is_some() => Entrance::Token,
            None => Entrance::Closed,
        };
        Self { entrance, cookie, signed }
    }
}

/// Begins a session for the right token, or for a connection that needs none. `body` is of bounded length: nobody has to be
/// known here to send a form.
pub(super) async fn enter(
    shared: &Shared,
    caller: &Caller,
    parts: &Parts,
    process: &Process,
    guest: Guest,
    body: &[u8],
) -> Answer {
    let form = Form::read(body);
    let proof = match proof_of_connection(caller, process) {
        Some(proof) => Some(proof),
        None => match proof_of_token(shared, process, form.value("token")).await {
            Ok(proof) => proof,
            Err((why, status, message)) => {
                shared.known.audit.refused(caller, parts, why);
                let refusal = Refusal { message, details: Vec::new() };
                let answer = Answer::page(status, steps::sign_in(guest.entrance, Some(&refusal)));
                let is_unauthorized = status == StatusCode::UNAUTHORIZED;
                return if is_unauthorized { answer.with(WWW_AUTHENTICATE, "Bearer") } else { answer };
            }
        },
    };
    // A browser that signs in again has one session, not two.
    if let Some(cookie) = &guest.cookie {
        shared.known.sessions.end(cookie);
    }
    let Some(value) = proof.and_then(|proof| shared.known.sessions.begin(proof)) else {
        return Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the system has no random bytes");
    };
    tracing::info!(peer = %caller, "somebody has signed in at the page of the admin server");
    Answer::see_other("/").with(SET_COOKIE, &cookie(caller, parts, &value, LIFE.as_secs()))
}

/// Whether what a session began with would still begin one.
pub(super) async fn proven(
    shared: &Shared,
    caller: &Caller,
    process: &Process,
    signed: &Signed,
) -> Result<(), (Refused, &'static str)> {
    if let Proof::Token { .. } = &signed.proof {
        let config = Arc::clone(&process.control.status.borrow().config);
        let token = guard::token(&config.admin, &shared.readers).await;
        let is_right = token.is_ok_and(|token| signed.proof.is_of_token(token.reveal()));
        return is_right
            .then_some(())
            .ok_or((Refused::WrongToken, "The token is another one now. Nothing was changed."));
    }
    let is_right = proof_of_connection(caller, process).as_ref() == Some(&signed.proof);
    is_right.then_some(()).ok_or((Refused::Outdated, "This connection no longer permits changes. Nothing was changed."))
}

/// The cookie that ends a session in the browser.
pub(super) fn no_cookie(caller: &Caller, parts: &Parts) -> String {
    cookie(caller, parts, "", 0)
}

/// What permits changes on this connection without a token.
fn proof_of_connection(caller: &Caller, process: &Process) -> Option<Proof> {
    if caller.door.has_permissions() {
        return Some(Proof::Socket);
    }
    let Presented { subject, serial, judged_by } = caller.presented()?;
    let snapshot = process.control.current.load();
    let judge = *snapshot.admin()?.client_auth()?.fingerprint();
    (judge == *judged_by).then(|| Proof::Certificate {
        subject: subject.clone(),
        serial: serial.clone(),
        judged_by: *judged_by,
    })
}

async fn proof_of_token(
    shared: &Shared,
    process: &Process,
    presented: &str,
) -> Result<Option<Proof>, (Refused, StatusCode, String)> {
    let config = Arc::clone(&process.control.status.borrow().config);
    let token = guard::token(&config.admin, &shared.readers).await.map_err(|(why, answer)| {
        let message = "Changes are not allowed now: the token file cannot be used (the log has the reason).";
        (why, answer.status, message.to_owned())
    })?;
    let presented = presented.trim();
    match token.is(presented.as_bytes()) {
        true => Ok(Proof::of_token(token.reveal())),
        false if presented.is_empty() => Err((Refused::NoToken, StatusCode::UNAUTHORIZED, "Enter the token.".into())),
        false => Err((Refused::WrongToken, StatusCode::UNAUTHORIZED, "The token is wrong.".into())),
    }
}

fn cookie_name(caller: &Caller, parts: &Parts) -> String {
    browser::cookie_name(&parts.headers, caller.secured.is_some())
}

/// Out of reach of scripts, sent to this server only, and never with a request that another site has caused.
fn cookie(caller: &Caller, parts: &Parts, value: &str, seconds: u64) -> String {
    let secure = if caller.secured.is_some() { "; Secure" } else { "" };
    let name = cookie_name(caller, parts);
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}
