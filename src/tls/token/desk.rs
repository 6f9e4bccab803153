//! Where the signatures of one token are made: threads of its own, a queue that ends, and sessions that are opened again
//! after the token was away. Must not know: modules' calls, handshakes, certificates.
//!
//! A call into a module cannot be interrupted. So whoever needs a signature waits elsewhere, for as long as it likes, and
//! what nobody waits for any longer is not begun. A thread lives only as long as there is work: none of them is there when
//! a process gives up its rights, and none costs anything while nobody connects.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::files::progress;
use crate::tls::token::error::TokenError;
use crate::tls::token::sessions::{Sessions, locked};

/// The desk of one token.
pub(super) struct Desk {
    pub(super) sessions: Sessions,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    threads: usize,
}

/// Work, and whether somebody still waits for its result.
struct Job {
    is_wanted: Box<dyn Fn() -> bool + Send>,
    work: Box<dyn FnOnce() + Send>,
}

impl Desk {
    pub(super) fn new(sessions: Sessions) -> Arc<Self> {
        Arc::new(Self { sessions, queue: Mutex::default() })
    }

    /// Runs the work on a thread of the desk, and waits for it without holding up the thread. At the limit the work goes
    /// on, and its result is dropped.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TokenError> {
        let (reply, mut answer) = oneshot::channel();
        let reply = Arc::new(Mutex::new(Some(reply)));
        let asked = Arc::clone(&reply);
        self.submit(Job {
            is_wanted: Box::new(move || locked(&asked).as_ref().is_some_and(|reply| !reply.is_closed())),
            work: Box::new(move || {
                let done = work();
                if let Some(reply) = locked(&reply).take() {
                    // Fails where nobody waits any longer.
                    let _ = reply.send(done);
                }
            }),
        })?;
        match tokio::time::timeout(limit, &mut answer).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(TokenError::Failed(BROKEN.into())),
            Err(_) => Err(TokenError::Slow(limit)),
        }
    }

    /// The same for a thread that may wait. Whoever waits for that thread sees that it does.
    pub(super) fn wait<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TokenError> {
        progress::begin(self.sessions.module()).map_err(|error| TokenError::Failed(error.to_string()))?;
        let (reply, answer) = mpsc::channel();
        let work = move || drop(reply.send(work()));
        self.submit(Job { is_wanted: Box::new(|| true), work: Box::new(work) })?;
        answer.recv_timeout(limit).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => TokenError::Slow(limit),
            mpsc::RecvTimeoutError::Disconnected => TokenError::Failed(BROKEN.into()),
        })
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<(), TokenError> {
        let mut queue = locked(&self.queue);
        if queue.waiting.len() >= LONGEST_QUEUE {
            return Err(TokenError::Busy);
        }
        queue.waiting.push_back(job);
        if queue.threads >= THREADS {
            return Ok(());
        }
        queue.threads += 1;
        drop(queue);
        let place = Place { desk: Arc::clone(self), is_left: false };
        // The place is given back where there is no thread. Another one, if it is there, does the work as well.
        match thread::Builder::new().name("token".into()).spawn(move || place.serve()) {
            Err(error) if locked(&self.queue).threads == 0 => {
                locked(&self.queue).waiting.clear();
                Err(TokenError::Failed(format!("no thread can be started: {error}")))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// A thread's place at the desk. Dropping it gives the place back, also in a panic.
struct Place {
    desk: Arc<Desk>,
    is_left: bool,
}

impl Place {
    fn serve(mut self) {
        AT_DESK.set(true);
        while let Some(job) = self.next() {
            if (job.is_wanted)() {
                (job.work)();
            }
        }
    }

    /// `None` where the place was given back: at one moment with the look at the queue, so that nothing is put there which
    /// no thread would see.
    fn next(&mut self) -> Option<Job> {
        let mut queue = locked(&self.desk.queue);
        let next = queue.waiting.pop_front();
        if next.is_none() {
            queue.threads -= 1;
            self.is_left = true;
        }
        next
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_left {
            locked(&self.desk.queue).threads -= 1;
        }
    }
}

/// Whether this thread is one of a desk, and may wait for a token.
pub(super) fn is_here() -> bool {
    AT_DESK.get()
}

thread_local! {
    static AT_DESK: Cell<bool> = const { Cell::new(false) };
}

const BROKEN: &str = "the thread that signs has failed, which is a fault of tlsgate";

/// Of one token. More do not make a token faster: most do one thing after the other.
const THREADS: usize = 4;

/// Handshakes that wait for one token; each holds some kilobytes.
const LONGEST_QUEUE: usize = 1024;
