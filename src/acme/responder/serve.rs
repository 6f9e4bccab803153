//! Accepts connections for http-01, and limits each: one request, of bounded length, in bounded time. Must not know: what is
//! answered.

use std::convert::Infallible;
use std::io;
use std::mem;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::answer::answer;
use super::crowd::Crowd;
use super::tokens::Tokens;
use crate::net::close;
use crate::net::listen::Acceptor;
use crate::net::stream::Stream;

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    tokens: Tokens,
    crowd: Crowd,
    /// When all clones are dropped, all connections have ended.
    _alive: mpsc::Sender<()>,
}

impl Shared {
    pub(super) fn new(tokens: Tokens, most: usize, alive: mpsc::Sender<()>) -> Self {
        Self { tokens, crowd: Crowd::new(most), _alive: alive }
    }
}

/// Serves until `stop` is true or its sender is dropped. Connections that are open then are still answered.
pub(super) async fn serve(socket: Acceptor, shared: Shared, mut stop: watch::Receiver<bool>) {
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = next(&socket) => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let failed_before = mem::replace(&mut failing, accepted.is_err());
        match accepted {
            Ok(stream) => shared.crowd.enter(tokio::spawn(live(stream, shared.clone())).abort_handle()),
            Err(error) => {
                // Most likely no descriptor is free: an immediate retry would fail again, and a second warning is of no
                // use.
                if !failed_before {
                    tracing::warn!(%error, "connections for http-01 cannot be accepted at the moment");
                }
                shared.crowd.make_room();
                tokio::select! {
                    () = sleep(AFTER_FAILURE) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
    }
}

async fn next(socket: &Acceptor) -> io::Result<Stream> {
    socket.accept().await?.0.resume()
}

/// Answers one request.
async fn live(stream: Stream, shared: Shared) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request, &shared.tokens);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .without_shutdown();
    // An error only means that the client has gone or broke the protocol.
    if let Ok(Ok(parts)) = timeout(LIFE, connection).await {
        // The client may still be sending a body that nobody reads, and a reset could overtake the answer.
        close::with_last_words(&mut parts.io.into_inner(), &[]).await;
    }
}

/// How long a request's head may take to arrive.
const HEAD: Duration = Duration::from_secs(5);
/// Bytes of a request's head. What the longest URL that browsers send needs, and more than enough for an authority.
const LONGEST_HEAD: usize = 16 * 1024;
/// How long a connection may take until it is answered.
const LIFE: Duration = Duration::from_secs(10);
/// How long to wait after a failure to accept.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
