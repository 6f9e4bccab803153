//! Accepts connections and limits each: the time for a handshake, for a request's head, for its answer, and for its whole
//! life. Must not know: what is requested, which connection is closed for another one.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::{JoinError, yield_now};
use tokio::time::{Instant, sleep, timeout_at};

use crate::admin::connection::caller::Caller;
use crate::admin::connection::door::Door;
use crate::admin::connection::permits::{Doing, Permit, Permits};
use crate::admin::connection::progress::Progress;
use crate::admin::connection::secure;
use crate::admin::connection::secure::Failure;
use crate::admin::connection::wire::Wire;
use crate::gate::{Gate, Pace};
use crate::net::listen::Acceptor;
use crate::net::stream::Stream;
use crate::tls::handshake::Terminator;
use crate::tls::stream::TlsStream;

/// What a door does with its connections and requests.
pub(in crate::admin) trait Handler: Send + Sync + 'static {
    /// What TLS is terminated with on a connection that was accepted just now at that door; `None` where it is plain. It may
    /// have to wait for that.
    fn tls(&self, door: &Door) -> impl Future<Output = Option<Arc<Terminator>>> + Send;

    /// To be called when a handshake has failed.
    fn handshake_failed(&self, caller: &Caller, failure: &Failure);

    /// The answer to one request.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        caller: Arc<Caller>,
        permit: Arc<Permit>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send + 'static;

    /// Waits until nothing is under way that must not be cut off.
    fn idle(&self) -> impl Future<Output = ()> + Send;
}

/// Serves until `stop` is true; requests that are being answered then are still finished.
pub(in crate::admin) async fn serve<H: Handler>(
    socket: &Acceptor,
    door: &Arc<Door>,
    permits: &Arc<Permits>,
    gate: &Arc<Gate>,
    mut stop: watch::Receiver<bool>,
    handler: Arc<H>,
) {
    let mut failing = false;
    while let Some(accepted) = tokio::select! {
        next = next(socket, door, permits) => Some(next),
        _ = stop.wait_for(|stop| *stop) => None,
    } {
        let failed_before = std::mem::replace(&mut failing, accepted.is_err());
        match accepted {
            Ok(Some((stream, caller, permit))) => {
                let handler = Arc::clone(&handler);
                tokio::spawn(live(stream, caller, permit, stop.clone(), Arc::clone(gate), handler));
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
async fn next(
    socket: &Acceptor,
    door: &Arc<Door>,
    permits: &Arc<Permits>,
) -> std::io::Result<Option<(Stream, Caller, Permit)>> {
    let (parked, address) = socket.accept().await?;
    let stream = parked.resume()?;
    let caller = Caller::new(&stream, &address, Arc::clone(door));
    let permit = permits.enter(caller.peer).await;
    Ok(permit.map(|permit| (stream, caller, permit)))
}

/// Serves one connection to its end.
async fn live<H: Handler>(
    stream: Stream,
    mut caller: Caller,
    permit: Permit,
    mut stop: watch::Receiver<bool>,
    gate: Arc<Gate>,
    handler: Arc<H>,
) {
    let permit = Arc::new(permit);
    // Whether a first request has arrived.
    let asked = AtomicBool::new(false);
    let begun = tokio::select! {
        // Here and below, the connection is polled first: one whose request has arrived need not give way to another one.
        biased;
        begun = Box::pin(begin(Progress::new(stream), &mut caller, &permit, &gate, &*handler)) => begun,
        () = permit.evicted() => None,
        () = over(&mut stop, &asked) => None,
    };
    let Some(wire) = begun else { return };
    let caller = Arc::new(caller);
    let service = service_fn(|request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let may_change = !request.method().is_safe();
        let answer = Arc::clone(&handler).answer(request, Arc::clone(&caller), Arc::clone(&permit));
        finished(answer, may_change)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(wire), service);
    let mut connection = pin!(connection);
    // An error only means that the client has gone or broke the protocol.
    let ended = tokio::select! {
        biased;
        _ = connection.as_mut() => true,
        () = permit.evicted() => true,
        () = sleep(LIFE) => false,
        () = over(&mut stop, &asked) => false,
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

/// Returns when the server ends. Who has only just come has a moment more: its first request may be on its way, and the
/// connection would end without an answer.
async fn over(stop: &mut watch::Receiver<bool>, asked: &AtomicBool) {
    // An error means that the server has gone.
    let _ = stop.wait_for(|stop| *stop).await;
    if !asked.load(Ordering::Relaxed) {
        sleep(FIRST).await;
    }
}

/// What requests arrive on: after a handshake where there is TLS. `None` where that has failed.
async fn begin<H: Handler>(
    mut stream: Progress,
    caller: &mut Caller,
    permit: &Permit,
    gate: &Gate,
    handler: &H,
) -> Option<Wire> {
    let pace = Pace { gate, deadline: Instant::now() + HANDSHAKE };
    let Some(terminator) = timeout_at(pace.deadline, handler.tls(&caller.door)).await.ok()? else {
        return Some(Wire::Plain(stream));
    };
    let shaken = timeout_at(pace.deadline, secure::handshake(&mut stream, &terminator, pace, permit)).await;
    match shaken.unwrap_or(Err(Failure::Late)) {
        Ok((session, secured)) => {
            permit.becomes(Doing::Receiving);
            caller.secured = Some(secured);
            Some(Wire::Tls(Box::new(TlsStream::new(stream, session))))
        }
        Err(failure) => {
            handler.handshake_failed(caller, &failure);
            secure::farewell(stream, &failure).await;
            None
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

/// How long a handshake may take, from accept to its end.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a request's head may take to arrive, also after the request before it.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 64 * 1024;
/// How long the first request may take to arrive when the server ends.
const FIRST: Duration = Duration::from_millis(500);
/// How long a connection serves requests. After that, the last answer may take as long again.
const LIFE: Duration = Duration::from_secs(60);
/// How long to wait after a failure to accept.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
