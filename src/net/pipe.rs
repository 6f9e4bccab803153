//! Pipes through which the kernel moves bytes from one socket to another without copying them; each thread has a small
//! last-in-first-out pool. Must not know: what the bytes are.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;

use crate::net::idle::Idle;
use crate::net::stream::Stream;

/// A pipe from this thread's pool. When it is dropped, it returns there if it is empty; otherwise it is closed.
#[derive(Debug)]
pub struct Pipe {
    /// None only while it is dropped.
    ends: Option<Ends>,
    /// Bytes in it.
    held: usize,
}

#[derive(Debug)]
struct Ends {
    out: OwnedFd,
    into: OwnedFd,
}

impl Pipe {
    /// The size that is requested from the kernel, and the most that one call takes from a socket.
    pub const BYTES: usize = 512 * 1024;

    /// An empty pipe. `None` if the thread has as many as it may have, or the kernel gives only small ones.
    pub fn take() -> Option<Self> {
        POOL.with_borrow_mut(Pool::take).map(|ends| Self { ends: Some(ends), held: 0 })
    }

    /// How many bytes are in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes what the socket has into the pipe, which must be empty. Returns how many bytes; 0 is the end.
    pub fn poll_fill(&mut self, from: &Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // If the pipe were not empty, EAGAIN could mean that the pipe is full. Readiness of the socket would be cleared
        // wrongly, and epoll, which is edge-triggered, would not report it again. The reason for a short splice is not
        // known either, so that it does not clear readiness.
        debug_assert_eq!(self.held, 0);
        let into = &self.ends()?.into;
        loop {
            ready!(from.poll_read_ready(cx))?;
            let spliced = from.try_io(Interest::READABLE, || {
                Ok(retry_on_intr(|| splice(from, None, into, None, Self::BYTES, FLAGS))?)
            });
            match spliced {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(count) => {
                    self.held = count;
                    return Poll::Ready(Ok(count));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Moves as many bytes into the socket as it takes. The pipe must not be empty.
    pub fn poll_empty(&mut self, to: &Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        debug_assert_ne!(self.held, 0);
        let out = &self.ends()?.out;
        loop {
            ready!(to.poll_write_ready(cx))?;
            // Exactly what is there: if more were requested, the kernel would hold the last segment back for the rest.
            let spliced =
                to.try_io(Interest::WRITABLE, || Ok(retry_on_intr(|| splice(out, None, to, None, self.held, FLAGS))?));
            match spliced {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(count) => {
                    self.held = self.held.saturating_sub(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Reads bytes from the pipe, for a socket that cannot be spliced to.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let out = &self.ends()?.out;
        match retry_on_intr(|| rustix::io::read(out, &mut *buffer))? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.held = self.held.saturating_sub(count);
                Ok(count)
            }
        }
    }

    fn ends(&self) -> io::Result<&Ends> {
        self.ends.as_ref().ok_or_else(|| ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take() else { return };
        let empty = self.held == 0;
        // It fails only while the thread ends; then the pipe is closed.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut() {
                pool.give_back(ends, empty);
            }
        });
    }
}

/// Whether the error means that this socket cannot be spliced, or that splice(2) is not available at all. If it has
/// another cause, copying fails as well and shows that.
pub fn cannot_splice(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM))
}

/// The pipes of one thread.
struct Pool {
    idle: Idle<Ends>,
    /// How many pipes exist, idle or in use.
    made: usize,
    /// For this many requests no pipe is created, since the last attempt failed.
    pause: u32,
}

impl Pool {
    fn take(&mut self) -> Option<Ends> {
        if PAUSED.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(ends) = self.idle.take() {
            return Some(ends);
        }
        if self.made >= MOST.load(Ordering::Relaxed) {
            return None;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let ends = make();
        match ends {
            Some(_) => self.made += 1,
            None => self.pause = PAUSE,
        }
        ends
    }

    fn give_back(&mut self, ends: Ends, empty: bool) {
        let keep = empty && !PAUSED.load(Ordering::Relaxed);
        let closed = if keep { self.idle.keep(ends, KEPT) } else { Some(ends) };
        self.made = self.made.saturating_sub(closed.iter().len());
    }
}

/// Creates a pipe. The kernel may allow less than is requested: all pipes of a user share the limit in
/// `/proc/sys/fs/pipe-user-pages-soft` (pipe(7)).
fn make() -> Option<Ends> {
    let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
    let size = fcntl_setpipe_size(&into, Pipe::BYTES).or_else(|_| fcntl_getpipe_size(&into)).ok()?;
    (size >= LEAST).then_some(Ends { out, into })
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { idle: Idle::new(), made: 0, pause: 0 }) };
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

/// Limits how many pipes each thread has. Each takes two descriptors.
pub fn limit(most: usize) {
    MOST.store(most.min(USUAL), Ordering::Relaxed);
}

static MOST: AtomicUsize = AtomicUsize::new(USUAL);

/// Gives no pipe, or gives them again. A full one holds as much memory as two large buffers.
pub fn pause(on: bool) {
    PAUSED.store(on, Ordering::Relaxed);
}

static PAUSED: AtomicBool = AtomicBool::new(false);

/// Closes the idle pipes of this thread.
pub fn free_idle() {
    close(Idle::clear);
}

/// Closes those that were idle all the time since this was called before.
pub fn free_unused() {
    close(Idle::trim);
}

fn close(which: impl Fn(&mut Idle<Ends>) -> Vec<Ends>) {
    let closed = POOL.with_borrow_mut(|pool| {
        let closed = which(&mut pool.idle);
        pool.made = pool.made.saturating_sub(closed.len());
        closed
    });
    drop(closed);
}

/// How many pipes a thread has at most, if descriptors are not scarce. A connection that gets none copies.
pub const USUAL: usize = 64;

/// How many of these are kept while they are idle.
const KEPT: usize = 16;

/// The smallest pipe that is better than a buffer.
const LEAST: usize = 64 * 1024;

/// Long enough that failed attempts cost nothing, short enough to notice when pipes are available again.
const PAUSE: u32 = 1000;

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn number(pipe: &Pipe) -> i32 {
        pipe.ends().unwrap().out.as_raw_fd()
    }

    fn idle() -> usize {
        POOL.with_borrow(|pool| pool.idle.len())
    }

    #[test]
    fn an_empty_pipe_is_used_again_by_the_next_one() {
        let (first, second) = (Pipe::take().unwrap(), Pipe::take().unwrap());
        let last = number(&first);
        drop(second);
        drop(first);
        assert_eq!(number(&Pipe::take().unwrap()), last);
        assert_eq!(idle(), 2);
    }

    #[test]
    fn what_only_a_peak_has_needed_is_closed() {
        drop([(); 3].map(|()| Pipe::take().unwrap()));
        free_unused();
        drop(Pipe::take());
        free_unused();
        assert_eq!(POOL.with_borrow(|pool| (pool.idle.len(), pool.made)), (1, 1));
        free_unused();
        assert_eq!(POOL.with_borrow(|pool| (pool.idle.len(), pool.made)), (0, 0));
    }

    #[test]
    fn a_pipe_with_bytes_in_it_is_closed() {
        let mut pipe = Pipe::take().unwrap();
        rustix::io::write(&pipe.ends().unwrap().into, b"left").unwrap();
        pipe.held = 4;
        drop(pipe);
        assert_eq!(POOL.with_borrow(|pool| (pool.idle.len(), pool.made)), (0, 0));
    }

    #[test]
    fn a_thread_has_and_keeps_no_more_than_said() {
        // Whoever is root has no limit of pages, so that all of them are there; others may get fewer.
        let taken: Vec<Pipe> = (0..USUAL + 10).map_while(|_| Pipe::take()).collect();
        assert!(taken.len() <= USUAL && !taken.is_empty(), "{}", taken.len());
        let count = taken.len();
        drop(taken);
        assert_eq!(POOL.with_borrow(|pool| (pool.idle.len(), pool.made)), (count.min(KEPT), count.min(KEPT)));
        assert!(Pipe::take().is_some());
    }

    #[test]
    fn where_the_kernel_gives_none_it_is_asked_again_only_later() {
        let mut pool = Pool { idle: Idle::new(), made: 0, pause: 2 };
        assert!(pool.take().is_none() && pool.take().is_none());
        assert!(pool.take().is_some());
    }
}
