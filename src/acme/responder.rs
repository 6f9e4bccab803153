//! Answers http-01 (RFC 8555 section 8.3) on the addresses that are for it, and redirects everything else to https: a small
//! HTTP server on a thread and a runtime of its own, so that neither an order nor a busy worker delays an answer.
//! Must not know: who orders certificates, which addresses these are.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::net::listen::{Acceptor, Listening};

mod answer;
mod crowd;
mod serve;
mod tokens;

use serve::{Shared, serve};
pub use tokens::Tokens;

/// The running server. Dropping it ends it, after the answers that are being sent.
#[derive(Debug)]
pub struct Responder {
    shared: Option<Shared>,
    /// The thread ends when this is dropped.
    running: Option<watch::Sender<()>>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Starts the thread, with no socket yet; `most` is the largest number of connections at one time. An error where the
    /// system has no thread or descriptor left.
    pub fn start(tokens: Tokens, most: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, mut ended) = watch::channel(());
        let (alive, mut all_ended) = mpsc::channel(1);
        let serving = move || {
            runtime.block_on(async {
                // The only news is that the sender is gone.
                while ended.changed().await.is_ok() {}
                let _ = timeout(LAST_WORDS, all_ended.recv()).await;
            });
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("http-01".into()).spawn(serving)?;
        Ok(Self {
            shared: Some(Shared::new(tokens, most, alive)),
            running: Some(running),
            handle,
            thread: Some(thread),
        })
    }

    /// Prepares to answer on this socket.
    pub fn register(&self, socket: &Listening) -> io::Result<Acceptor> {
        let _inside = self.handle.enter();
        Acceptor::new(socket)
    }

    /// Answers on a socket that was registered here, until `stop` is true or its sender is dropped.
    pub fn open(&self, acceptor: Acceptor, stop: watch::Receiver<bool>) {
        if let Some(shared) = self.shared.clone() {
            self.handle.spawn(serve(acceptor, shared, stop));
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // It holds a sender of the channel whose end means that every connection has ended.
        self.shared = None;
        self.running = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the server for http-01 has panicked");
        }
    }
}

/// The largest number of connections at one time; fewer where descriptors are scarce. An authority asks from several places at
/// the same time, and everybody may be redirected.
pub const MOST_CONNECTIONS: usize = 256;
/// For the answers that are being sent when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
