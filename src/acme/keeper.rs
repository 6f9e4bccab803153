//! Keeps certificates: its own thread and runtime, so that neither the data path nor a reload waits for an authority. Must not
//! know: listeners, who shows the status.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use crate::acme::clock::Clock;
use crate::acme::responder::Tokens;
use crate::acme::settings::Settings;
use crate::acme::share::Share;
use crate::backend::discover::settings::Settings as Resolver;
use crate::background;
use crate::monitor::Monitor;
use crate::tls::handshake::challenge::Challenges;
use board::Board;
use house::{Plan, Tools};

mod asked;
mod attempt;
mod board;
mod handle;
mod house;
mod line;
mod next;
mod one;
mod post;
mod question;
mod request;

pub use asked::{Outcome, Refused, Which};
pub use handle::Handle;

/// Keeps certificates until it is dropped.
#[derive(Debug)]
pub struct Keeper {
    handle: Handle,
    /// The thread ends when this is dropped.
    running: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread, with nothing to keep; `monitor` runs programs, where there is one, and `share` is for where other
    /// processes serve the same certificates. An error where the system has no thread or descriptor left.
    pub fn start(
        challenges: Arc<Challenges>,
        tokens: Tokens,
        monitor: Option<Monitor>,
        share: Option<Share>,
    ) -> io::Result<Self> {
        Self::start_at(challenges, tokens, (monitor, share), Clock::default())
    }

    /// The same, with another clock.
    pub fn start_at(
        challenges: Arc<Challenges>,
        tokens: Tokens,
        (monitor, share): (Option<Monitor>, Option<Share>),
        clock: Clock,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (messages, coming) = mpsc::unbounded_channel();
        let (running, stopped) = oneshot::channel();
        let board = Arc::new(Board::default());
        let handle = Handle::new(Arc::clone(&board), messages);
        let tools = Tools { challenges, tokens, clock, board, monitor, share };
        let keep = move || {
            // Keys and signatures take the processor's time, and clients must not wait for it.
            background::step_back();
            runtime.block_on(post::run(tools, coming, stopped));
            // A look-up of a name or the making of a key may still run, and nobody needs its result.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("acme".into()).spawn(keep)?;
        Ok(Self { handle, running: Some(running), thread: Some(thread) })
    }

    /// Keeps these certificates from now on, and no others. Orders that are under way go on. It looks at the clock again, too.
    pub fn follow(&self, settings: Arc<Settings>, resolver: Arc<Resolver>) {
        self.handle.follow(Plan { settings, resolver });
    }

    /// For those who show the status, or ask for something.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of certificates has panicked");
        }
    }
}

#[cfg(test)]
mod tests;
