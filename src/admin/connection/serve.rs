//! Accepts connections and limits each: the time for a request's head, for its answer, and for its whole life. Must not
//! know: what is requested, which connection is closed for another one.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::{JoinError, yield_now};
use tokio::time::sleep;

use crate::admin::connection::caller::Caller;
use crate::admin::connection::permits::{Permit, Permits};
use crate::admin::connection::progress::Progress;
use crate::net::listen::Acceptor;
use crate::net::stream::Stream;

/// Serves until `stop` is true; requests that are being answered then are still finished. `answer` makes the answer to one
/// request.
pub(in crate::admin) async fn serve<A, F>(
    socket: &Acceptor,
    permits: &Arc<Permits>,
    mut stop: watch::Receiver<bool>,
    answer: A,
) where
    A: Fn(Request<Incoming>, Arc<Caller>, Arc<Permit>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let mut failing = false;
    while let Some(accepted) = tokio::select! {
        next = next(socket, permits) => Some(next),
        _ = stop.wait_for(|stop| *stop) => None,
    } {
        let failed_before = std::mem::replace(&mut failing, accepted.is_err());
        match accepted {
            Ok(Some((stream, caller, permit))) => {
                tokio::spawn(live(stream, caller, permit, stop.clone(), answer.clone()));
                // Lets it be answered before the next one is accepted, so that a quick request needs no permit at the same
                // time.
                yield_now().await;
            }
            // There was no permit for it, so it is closed.
            Ok(None) => {}
            Err(error) => {
                // Most likely no descriptor is free: an immediate retry would fail again, and a second warning is of no
                // use.
                if !failed_before {
                    tracing::warn!(%error, "the admin server cannot accept connections at the moment");
                }
                permits.evict_anybody();
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// The next connection, with its permit; `None` where there is no permit for it.
async fn next(socket: &Acceptor, permits: &Arc<Permits>) -> std::io::Result<Option<(Stream, Caller, Permit)>> {
    let (parked, address) = socket.accept().await?;
    let stream = parked.resume()?;
    let caller = Caller::new(&stream, &address);
    let permit = permits.enter(caller.peer).await;
    Ok(permit.map(|permit| (stream, caller, permit)))
}

/// Serves one connection to its end.
async fn live<A, F>(stream: Stream, caller: Caller, permit: Permit, mut stop: watch::Receiver<bool>, answer: A)
where
    A: Fn(Request<Incoming>, Arc<Caller>, Arc<Permit>) -> F,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let (permit, caller) = (Arc::new(permit), Arc::new(caller));
    let service = service_fn(|request: Request<Incoming>| {
        let may_change = !request.method().is_safe();
        finished(answer(request, Arc::clone(&caller), Arc::clone(&permit)), may_change)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(Progress::new(stream)), service);
    let mut connection = pin!(connection);
    // An error only means that the client has gone or broke the protocol.
    let ended = tokio::select! {
        // The connection is polled first: one whose request has arrived need not give way to another one.
        biased;
        _ = connection.as_mut() => true,
        () = permit.evicted() => true,
        () = sleep(LIFE) => false,
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            _ = connection => {}
            () = permit.evicted() => {}
            () = sleep(LIFE) => {}
        }
    }
}

/// The answer; that to a request that may change something is made to the end even if the client goes away.
// hyper drops the future of an answer as soon as it sees that the client has gone. A change must be finished and logged.
fn finished<A>(answer: A, may_change: bool) -> BoxFuture<Result<A::Output, JoinError>>
where
    A: Future<Output: Send> + Send + 'static,
{
    match may_change {
        true => Box::pin(tokio::spawn(answer)),
        false => Box::pin(async { Ok(answer.await) }),
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How long a request's head may take to arrive, also after the request before it.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 64 * 1024;
/// How long a connection serves requests. After that, the last answer may take as long again.
const LIFE: Duration = Duration::from_secs(60);
/// How long to wait after a failure to accept.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
