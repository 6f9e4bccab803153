//! The thread of one door, with a runtime of its own: from the socket to the last answer. Must not know: what is served.

use std::io::Result;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::admin::connection::door::Door;
use crate::admin::connection::permits::Permits;
use crate::admin::connection::serve;
use crate::admin::connection::serve::Handler;
use crate::gate::Gate;
use crate::net::endpoint::Endpoint;
use crate::net::listen::{Acceptor, Listening};

/// A door that is served. Dropping it ends that, after the answers that are being made.
#[derive(Debug)]
pub(super) struct Serving {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    /// As configured.
    pub(super) listen: Endpoint,
    /// The listening sockets, for a process that takes over.
    pub(super) sockets: Vec<Listening>,
}

impl Serving {
    /// Serves what arrives on the sockets.
    pub(super) fn start<H: Handler>(
        name: &str,
        listen: &Endpoint,
        sockets: Vec<Listening>,
        permits: Arc<Permits>,
        handler: Arc<H>,
    ) -> Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let accepting = |socket| {
            let _inside = runtime.enter();
            Ok((Acceptor::new(socket)?, Arc::new(Door::of(socket)?)))
        };
        let doors = sockets.iter().map(accepting).collect::<Result<Vec<_>>>()?;
        let (stop, stopped) = watch::channel(false);
        let serving = move || {
            runtime.block_on(served(doors, permits, handler, stopped));
            // Does not wait for threads that read from a disk that does not answer.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name(name.into()).spawn(serving)?;
        Ok(Self { stop, thread: Some(thread), listen: listen.clone(), sockets })
    }

    /// Asks it to end, without waiting for that.
    pub(super) fn end(&self) {
        // It fails only if the thread has ended.
        let _ = self.stop.send(true);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.end();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the admin server has panicked");
        }
    }
}

/// Answers until it has to stop, and then waits a moment for the answers that are being made.
async fn served<H: Handler>(
    doors: Vec<(Acceptor, Arc<Door>)>,
    permits: Arc<Permits>,
    handler: Arc<H>,
    stopped: watch::Receiver<bool>,
) {
    let gate = Arc::new(Gate::default());
    let mut serving = JoinSet::new();
    for (acceptor, door) in doors {
        let (permits, gate) = (Arc::clone(&permits), Arc::clone(&gate));
        let (handler, stopped) = (Arc::clone(&handler), stopped.clone());
        serving.spawn(async move { serve::serve(&acceptor, &door, &permits, &gate, stopped, handler).await });
    }
    while serving.join_next().await.is_some() {}
    let all_ended = async {
        permits.all_free().await;
        handler.idle().await;
    };
    if timeout(LAST_WORDS, all_ended).await.is_err() {
        tracing::warn!("a connection to the admin server is cut");
    }
}

/// For the answers that are being made when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
