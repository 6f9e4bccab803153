//! Which file a thread is reading at this moment, for another thread that waits for it.
//! Must not know: what the files contain, who waits.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a thread reads, as seen by another one. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    place: Mutex<Place>,
    given_up: AtomicBool,
}

/// How far a thread has got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file or folder that it has accessed last.
    pub path: Option<PathBuf>,
    /// How many it has accessed.
    pub steps: u64,
    /// It waits for what a person or another program writes into a pipe, which has no time limit.
    pub waits_for_writer: bool,
}

impl Progress {
    /// Runs `work` on this thread, and notes here which files it reads.
    pub fn watch<T>(&self, work: impl FnOnce() -> T) -> T {
        OWN.set(Some(self.clone()));
        let result = work();
        OWN.set(None);
        result
    }

    /// How far the thread has got.
    pub fn place(&self) -> Place {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No other thread waits any longer: each further access to a file is an error, so that the thread ends soon.
    pub fn give_up(&self) {
        self.0.given_up.store(true, Ordering::Relaxed);
    }

    fn step(&self, path: &Path, waits_for_writer: bool) -> io::Result<()> {
        if self.0.given_up.load(Ordering::Relaxed) {
            return Err(io::Error::other("given up: no thread waits for it any longer"));
        }
        // Locked only here, and never during an access to a file: the waiting thread must not be blocked by it.
        let mut place = self.0.place.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Place { path: Some(path.to_owned()), steps: place.steps + 1, waits_for_writer };
        Ok(())
    }
}

/// Notes that this thread is about to access `path`. It has to be called before every system call that can wait for a
/// remote file server. An error if the work was given up.
pub fn begin(path: &Path) -> io::Result<()> {
    step(path, false)
}

/// The same before a pipe is read.
pub(super) fn begin_pipe(path: &Path) -> io::Result<()> {
    step(path, true)
}

fn step(path: &Path, waits_for_writer: bool) -> io::Result<()> {
    OWN.with_borrow(|own| own.as_ref().map_or(Ok(()), |own| own.step(path, waits_for_writer)))
}

thread_local! {
    // Thread-local, so that the many functions that read files need no parameter for it.
    /// `None` if no other thread watches this one: then nothing is noted.
    static OWN: RefCell<Option<Progress>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_thread_sees_what_is_read_until_nobody_watches() {
        let progress = Progress::default();
        assert_eq!(progress.place(), Place::default());
        progress.watch(|| {
            begin(Path::new("/a")).unwrap();
            begin_pipe(Path::new("/b")).unwrap();
        });
        begin(Path::new("/c")).unwrap();
        assert_eq!(progress.place(), Place { path: Some("/b".into()), steps: 2, waits_for_writer: true });
    }

    #[test]
    fn what_nobody_waits_for_reads_nothing_more() {
        let progress = Progress::default();
        progress.give_up();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "contents").unwrap();
        assert!(progress.watch(|| crate::files::read(&path, 100)).is_err());
        assert!(crate::files::read(&path, 100).is_ok());
    }
}
