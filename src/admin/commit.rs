//! Makes a change that was permitted, and logs it; asked for through the API or at the page. Must not know: who may make it,
//! what the answer looks like to a browser.

use std::sync::Arc;

use hyper::header::RETRY_AFTER;
use hyper::{Method, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroizing;

use crate::admin::change::{acme as orders, certificates, connections, process, servers, weights};
use crate::admin::connection::caller::Caller;
use crate::admin::known::{Keepers, Process, starting};
use crate::admin::request::answer::Answer;
use crate::admin::request::paths::Change;
use crate::admin::shared::Shared;
use crate::reload::control::Control;

/// A change that is asked for.
pub(super) struct Asked {
    pub(super) change: Change,
    /// The values of the API's path.
    pub(super) values: Vec<String>,
    /// The query of the API's path, where the change has one.
    pub(super) query: Option<String>,
    /// Whether the body is declared as JSON.
    pub(super) json: bool,
    pub(super) body: Zeroizing<Vec<u8>>,
    /// For the log.
    pub(super) method: Method,
    pub(super) path: String,
}

/// The right to make a change, to be had before its body is read, so that the bound also limits the memory for bodies.
pub(super) fn turn(shared: &Shared) -> Result<OwnedSemaphorePermit, Answer> {
    let too_many = |_| Answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many changes are already in progress");
    Arc::clone(&shared.known.changes).try_acquire_owned().map_err(too_many)
}

/// Makes the change, and returns the answer.
pub(super) async fn commit(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    turn: OwnedSemaphorePermit,
    asked: Asked,
) -> Answer {
    let Some(process) = shared.known.process.get().cloned() else { return starting() };
    // On a task of its own: if the client goes away, this future is dropped, and the change would stop in the middle.
    let changed = tokio::spawn(async move {
        let _turn = turn;
        let answer = changed(&shared, &caller, process, &asked).await;
        shared.known.audit.changed(&caller, &asked.method, &asked.path, answer.status);
        answer
    });
    changed.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change through the admin API failed unexpectedly");
        Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the change failed unexpectedly (the log has the reason)")
    })
}

async fn changed(shared: &Shared, caller: &Caller, process: Process, asked: &Asked) -> Answer {
    let Process { control, keepers: Keepers { acme, .. }, live, .. } = process;
    let Asked { change, values, query, json, body, .. } = asked;
    // The path's pattern has as many as the change needs.
    let value = |at: usize| values.get(at).map_or("", String::as_str);
    match change {
        Change::Reload => process::reload(&control).await,
        Change::Drain => {
            let _turn = shared.changing.lock().await;
            process::drain(control).await
        }
        Change::AddCertificate
        | Change::ServerState
        | Change::Weights
        | Change::Renew
        | Change::Revoke
        | Change::RollOver
            if !json =>
        {
            let reason = "unexpected type of the body (expected Content-Type: application/json)";
            Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason)
        }
        Change::AddCertificate | Change::RemoveCertificate if control.status.borrow().config.fleet.is_some() => {
            Answer::error(StatusCode::CONFLICT, OF_FLEET)
        }
        Change::Renew => orders::renew(&acme, body).await,
        Change::Revoke => orders::revoke(&acme, body).await,
        Change::RollOver => orders::roll_over(&acme, body).await,
        Change::ServerState => {
            lasting(&control, || servers::set_state(&control.current.load(), value(0), value(1), body))
        }
        Change::Weights => lasting(&control, || weights::set(&control.current.load(), value(0), value(1), body)),
        Change::CloseConnections => match connections::close(query.as_deref(), &live).await {
            Ok(closed) => {
                shared.known.audit.closed(caller, &closed);
                closed.answer()
            }
            Err(refusal) => refusal,
        },
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

/// A change that no file has: refused where a process that takes over would not have it.
fn lasting(control: &Control, change: impl FnOnce() -> Answer) -> Answer {
    control.changes.make(change).unwrap_or_else(|taken_over| {
        Answer::error(StatusCode::SERVICE_UNAVAILABLE, &taken_over.to_string()).with(RETRY_AFTER, "1")
    })
}

/// The files of a release are the same on all nodes.
const OF_FLEET: &str = "this is a node of a fleet, whose certificates are files of a release: change them where the \
                        configuration is kept, and publish it (tlsgate fleet publish)";
