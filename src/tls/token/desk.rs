//! Where the signatures of one token are made: threads of its own, a queue that ends, and sessions that are opened again
//! after the token was away. Must not know: modules' calls, handshakes, certificates.
//!
//! A call into a module cannot be interrupted. So whoever needs a signature waits elsewhere, for as long as it likes, and
//! what nobody waits for any longer is not begun. A thread lives only as long as there is work: none of them is there when
//! a process gives up its rights, and none costs anything while nobody connects.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::tls::token::error::TokenError;
use crate::tls::token::sessions::locked;

/// The desk of one token, and what is kept there for it.
pub(super) struct Desk<K> {
    pub(super) kept: K,
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

impl<K: Send + Sync + 'static> Desk<K> {
    pub(super) fn new(kept: K) -> Arc<Self> {
        Arc::new(Self { kept, queue: Mutex::default() })
    }

    /// How much work waits for a thread of the desk.
    pub(super) fn waiting(&self) -> usize {
        locked(&self.queue).waiting.len()
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

    /// The same for a thread that may wait.
    pub(super) fn wait<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TokenError> {
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
        let desk = Arc::clone(self);
        let Err(error) = thread::Builder::new().name("token".into()).spawn(move || desk.serve()) else { return Ok(()) };
        let mut queue = locked(&self.queue);
        queue.threads -= 1;
        // Another thread, if there is one, does the work as well.
        match queue.threads {
            0 => {
                queue.waiting.clear();
                Err(TokenError::Failed(format!("no thread can be started: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Does what waits, until nothing does.
    fn serve(&self) {
        AT_DESK.set(true);
        while let Some(job) = self.next() {
            if (job.is_wanted)() {
                // Whoever waits for the result sees that there is none.
                let _ = panic::catch_unwind(AssertUnwindSafe(job.work));
            }
        }
    }

    /// `None` where the thread must end: at one moment with the look at the queue, so that nothing is put there which no
    /// thread would see.
    fn next(&self) -> Option<Job> {
        let mut queue = locked(&self.queue);
        let next = queue.waiting.pop_front();
        queue.threads -= usize::from(next.is_none());
        next
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Keeps all threads of the desk busy until the sender is dropped.
    fn busy(desk: &Arc<Desk<()>>) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel::<()>();
        let (held, all) = (Arc::new(Mutex::new(held)), Arc::new(Barrier::new(THREADS + 1)));
        for _ in 0..THREADS {
            let (held, all) = (Arc::clone(&held), Arc::clone(&all));
            let work = move || {
                all.wait();
                // All of them end when the sender is dropped.
                let _ = locked(&held).recv();
            };
            desk.submit(Job { is_wanted: Box::new(|| true), work: Box::new(work) }).unwrap();
        }
        all.wait();
        release
    }

    #[test]
    fn work_is_done_at_the_desk_and_no_thread_stays() {
        let desk = Desk::new(());
        assert!(!is_here());
        assert_eq!(desk.wait(LONG, is_here), Ok(true));
        while locked(&desk.queue).threads > 0 {
            thread::yield_now();
        }
        assert_eq!(desk.wait(LONG, || 1), Ok(1));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_longer_is_not_begun() {
        let (desk, begun) = (Desk::new(()), Arc::new(AtomicUsize::new(0)));
        let release = busy(&desk);
        let count = |begun: &Arc<AtomicUsize>| {
            let begun = Arc::clone(begun);
            move || begun.fetch_add(1, Ordering::Relaxed)
        };
        assert_eq!(desk.run(Duration::ZERO, count(&begun)).await, Err(TokenError::Slow(Duration::ZERO)));
        drop(release);
        assert_eq!(desk.run(LONG, count(&begun)).await, Ok(0));
    }

    #[test]
    fn the_queue_ends() {
        let desk = Desk::new(());
        let release = busy(&desk);
        let job = || Job { is_wanted: Box::new(|| true), work: Box::new(|| {}) };
        assert!((0..LONGEST_QUEUE).all(|_| desk.submit(job()).is_ok()));
        assert_eq!(desk.submit(job()), Err(TokenError::Busy));
        assert_eq!(desk.waiting(), LONGEST_QUEUE);
        drop(release);
        while !locked(&desk.queue).waiting.is_empty() {
            thread::yield_now();
        }
        assert_eq!(desk.wait(LONG, || 1), Ok(1));
    }

    #[tokio::test]
    async fn a_panic_ends_one_piece_of_work_alone() {
        let desk = Desk::new(());
        let broken = Err(TokenError::Failed(BROKEN.into()));
        assert_eq!(desk.run(LONG, || -> usize { panic!("as asked for") }).await, broken);
        assert_eq!(desk.wait(LONG, || -> usize { panic!("as asked for") }), broken);
        assert_eq!(desk.wait(LONG, || 1), Ok(1));
    }
}
