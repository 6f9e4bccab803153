//! Accepts connections and bounds what each may take: their number, the time for a request's head, their whole life.
//! Must not know: what is asked for.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::admin::{Shared, service};
use crate::net::listen::Acceptor;
use crate::net::stream::Stream;

/// Serves until told to stop; then what is being answered may come to its end.
pub(super) async fn serve(socket: Acceptor, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS as usize));
    let mut failing = false;
    while let Some((place, accepted)) = tokio::select! {
        // Who finds no place waits in the kernel's queue.
        next = async { (Arc::clone(&places).acquire_owned().await, socket.accept().await) } => Some(next),
        _ = stop.wait_for(|stop| *stop) => None,
    } {
        let failed_before = std::mem::replace(&mut failing, accepted.is_err());
        match accepted {
            Ok((stream, _)) => spawn(stream, &shared, &stop, place),
            Err(error) => {
                // Out of descriptors, most likely: to try again at once would not help, nor to say it again.
                if !failed_before {
                    tracing::warn!(%error, "the admin server cannot accept for now");
                }
                sleep(AFTER_FAILURE).await;
            }
        }
    }
    let all_ended = async {
        // Neither is wanted for more than knowing that it is free.
        drop(places.acquire_many(CONNECTIONS).await);
        drop(shared.changing.lock().await);
    };
    if timeout(LAST_WORDS, all_ended).await.is_err() {
        tracing::warn!("a connection to the admin server is cut");
    }
}

fn spawn(stream: Stream, shared: &Arc<Shared>, stop: &watch::Receiver<bool>, place: impl Send + 'static) {
    let (shared, stop) = (Arc::clone(shared), stop.clone());
    tokio::spawn(async move {
        live(stream, shared, stop).await;
        drop(place);
    });
}

/// One connection's life.
async fn live(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async { Ok::<_, Infallible>(service::answer(shared, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // How it ended does not matter here: who asked has seen it.
    let ended = tokio::select! {
        _ = connection.as_mut() => true,
        _ = sleep(LIFE) => false,
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LIFE, connection).await;
    }
}

/// Connections at one time.
const CONNECTIONS: u32 = 64;
/// For a request's head to arrive, and for the next one to begin.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 64 * 1024;
/// A connection serves requests for so long, and may then take as long again for the last answer.
const LIFE: Duration = Duration::from_secs(60);
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// For what is being answered when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
