//! Accepts connections and bounds what each may take: the time for a request's head, for its answer, and for its whole
//! life. Must not know: what is asked for, who is closed for whom.

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
use crate::admin::connection::places::{Place, Places};
use crate::admin::connection::progress::Progress;
use crate::net::listen::Acceptor;
use crate::net::stream::Stream;

/// Serves until it has to stop; what is being answered then may still come to its end. `answer` makes the answer to one
/// request.
pub(in crate::admin) async fn serve<A, F>(
    socket: &Acceptor,
    places: &Arc<Places>,
    mut stop: watch::Receiver<bool>,
    answer: A,
) where
    A: Fn(Request<Incoming>, Arc<Caller>, Arc<Place>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let mut failing = false;
    while let Some(accepted) = tokio::select! {
        next = next(socket, places) => Some(next),
        _ = stop.wait_for(|stop| *stop) => None,
    } {
        let failed_before = std::mem::replace(&mut failing, accepted.is_err());
        match accepted {
            Ok(Some((stream, caller, place))) => {
                tokio::spawn(live(stream, caller, place, stop.clone(), answer.clone()));
                // It may be answered before the next one comes, and then takes no place from it.
                yield_now().await;
            }
            // There was no place for it, and it is closed.
            Ok(None) => {}
            Err(error) => {
                // Out of descriptors, most likely: to try again at once would not help, nor would a second warning.
                if !failed_before {
                    tracing::warn!(%error, "the admin server cannot accept for now");
                }
                places.evict_anybody();
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// The next connection with its place, if there is one for it.
async fn next(socket: &Acceptor, places: &Arc<Places>) -> std::io::Result<Option<(Stream, Caller, Place)>> {
    let (stream, address) = socket.accept().await?;
    let caller = Caller::new(&stream, &address);
    let place = places.enter(caller.peer).await;
    Ok(place.map(|place| (stream, caller, place)))
}

/// One connection's life.
async fn live<A, F>(stream: Stream, caller: Caller, place: Place, mut stop: watch::Receiver<bool>, answer: A)
where
    A: Fn(Request<Incoming>, Arc<Caller>, Arc<Place>) -> F,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let (place, caller) = (Arc::new(place), Arc::new(caller));
    let service = service_fn(|request: Request<Incoming>| {
        let may_change = !request.method().is_safe();
        finished(answer(request, Arc::clone(&caller), Arc::clone(&place)), may_change)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(Progress::new(stream)), service);
    let mut connection = pin!(connection);
    // How it ended does not matter here: who asked has seen it.
    let ended = tokio::select! {
        _ = connection.as_mut() => true,
        () = place.evicted() => true,
        () = sleep(LIFE) => false,
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = place.evicted() => {}
            () = sleep(LIFE) => {}
        }
    }
}

/// hyper leaves an answer, even one that is not begun, as soon as it sees that the client has gone. What that client asked
/// to change is changed all the same, and leaves its trace.
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

/// For a request's head to arrive, and for the next one to begin.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 64 * 1024;
/// A connection serves requests for so long, and may then take as long again for the last answer.
const LIFE: Duration = Duration::from_secs(60);
const AFTER_FAILURE: Duration = Duration::from_millis(100);
