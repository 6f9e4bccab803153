//! Files and folders → a signal when something in them changes. Must not know: what is in them.
//!
//! Folders are watched rather than files: files are replaced by rename, and Kubernetes swaps a link. All of it happens on a
//! thread of its own, since a path may lead to a file system that does not answer.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::sync::mpsc;

use crate::background;

pub mod interests;
mod places;

use interests::Interests;
use places::{Names, Places};

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    /// `None` where the system cannot watch.
    shared: Option<Arc<Shared>>,
}

/// What the owner passes to the thread.
#[derive(Debug)]
struct Shared {
    next: Mutex<Option<Interests>>,
    ended: AtomicBool,
    /// Wakes the thread.
    wake: OwnedFd,
}

impl Watch {
    /// Signals changes through `nudge`; where its queue is full, the signals in it are enough. Where the system cannot
    /// watch, a warning is logged, and the periodic read finds changes.
    pub fn new(nudge: mpsc::Sender<()>) -> Self {
        let shared = start(nudge)
            .inspect_err(|error| tracing::warn!(%error, "files cannot be watched, changes are noticed by re-reading"));
        Self { shared: shared.ok() }
    }

    /// Watches these and no others. Signals a change where something was not watched before, since a change before that was
    /// missed.
    pub fn follow(&self, interests: Interests) {
        let Some(shared) = &self.shared else { return };
        *shared.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(interests);
        shared.wake();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.ended.store(true, Ordering::Relaxed);
            shared.wake();
        }
    }
}

impl Shared {
    fn wake(&self) {
        // It fails only where the counter is full, and then the thread wakes anyway.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

fn start(nudge: mpsc::Sender<()>) -> io::Result<Arc<Shared>> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let shared = Arc::new(Shared { next: Mutex::default(), ended: AtomicBool::new(false), wake });
    let its = Arc::clone(&shared);
    let mut watcher = Watcher { inotify, watched: HashMap::new(), warned: false };
    let run = move || {
        // After each reload it lists whole folders, which nobody waits for.
        background::step_back();
        watcher.run(&its, &nudge);
    };
    thread::Builder::new().name("watch".into()).spawn(run)?;
    Ok(shared)
}

/// The state of the thread.
struct Watcher {
    inotify: OwnedFd,
    /// By the kernel's watch descriptor: a folder that was removed and made again has another one.
    watched: HashMap<i32, Names>,
    warned: bool,
}

impl Watcher {
    fn run(&mut self, shared: &Shared, nudge: &mpsc::Sender<()>) {
        while !shared.ended.load(Ordering::Relaxed) {
            let mut changed = self.events();
            let next = shared.next.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(interests) = next {
                changed |= self.follow(&interests);
            }
            if changed {
                // A full queue already holds a signal.
                let _ = nudge.try_send(());
            }
            let mut ready = [PollFd::new(&self.inotify, PollFlags::IN), PollFd::new(&shared.wake, PollFlags::IN)];
            match poll(&mut ready, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "files are no longer watched, changes are noticed by re-reading");
                    return;
                }
            }
            // Resets the wake-up; nothing is there to read where an event of inotify woke the thread.
            let _ = rustix::io::read(&shared.wake, &mut [0; 8]);
        }
    }

    /// Takes all pending events. True if one of them matters.
    fn events(&mut self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut matters = false;
        while let Ok(event) = events.next() {
            let kinds = event.events();
            // The kernel dropped events, and any of them may have mattered.
            if kinds.contains(ReadFlags::QUEUE_OVERFLOW) {
                matters = true;
                continue;
            }
            // Events of a folder can still arrive after its watch was removed.
            let Some(names) = self.watched.get(&event.wd()) else { continue };
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            // An event without a name is about the folder itself, which was moved or removed.
            matters |= name.is_none_or(|name| names.matter(name));
            if kinds.contains(ReadFlags::IGNORED) {
                self.watched.remove(&event.wd());
            }
        }
        matters
    }

    /// True where a folder, or a name in one, was not watched before.
    fn follow(&mut self, interests: &Interests) -> bool {
        let mut now: HashMap<i32, Names> = HashMap::new();
        for (folder, names) in Places::of(interests).into_iter() {
            match inotify::add_watch(&self.inotify, &folder, KINDS) {
                Ok(number) => now.entry(number).or_default().add(names),
                // The reload itself reports what is missing.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                // The folder can be entered but not read. Paths may lead through it all the same, so this is no reason to
                // warn.
                Err(Errno::ACCESS) => tracing::debug!(folder = %folder.display(), "cannot be watched: not readable"),
                Err(error) if self.warned => tracing::debug!(folder = %folder.display(), %error, "cannot be watched"),
                Err(error) => {
                    self.warned = true;
                    let more = if error == Errno::NOSPC { " (fs.inotify.max_user_watches is the limit)" } else { "" };
                    tracing::warn!(
                        folder = %folder.display(),
                        "not every folder can be watched, changes there are noticed within a minute: {error}{more}"
                    );
                }
            }
        }
        for number in self.watched.keys().filter(|number| !now.contains_key(number)) {
            // A folder that was removed is no longer watched anyway.
            let _ = inotify::remove_watch(&self.inotify, *number);
        }
        let fresh = now.iter().any(|(number, names)| !self.watched.get(number).is_some_and(|old| old.cover(names)));
        self.watched = now;
        fresh
    }
}

/// The changes in a folder that count. A file counts when its writer closes it, since it is not complete before; so a log
/// that another program keeps open causes no events. A link is created without being closed, and a change of permissions
/// can make a file readable.
const KINDS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

#[cfg(test)]
mod tests;
