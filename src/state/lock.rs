//! The lock of a folder. It ends with its process, whatever ends that. Must not know: what it protects.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, ftruncate, openat};
use rustix::io::Errno;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock(File);

/// The file that is locked; it has the id of the process in it.
pub(super) const FILE: &str = "lock";

/// `None` if it is locked already.
pub(super) fn take(folder: &OwnedFd) -> io::Result<Option<Lock>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, FILE, flags, PRIVATE)?);
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    fchmod(&file, PRIVATE)?;
    ftruncate(&file, 0)?;
    // It is for people. A full file system, which can be why they look for the process, must not prevent the lock.
    let _ = write!(file, "{}", std::process::id());
    Ok(Some(Lock(file)))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock ends, so that it cannot be the next owner's.
        let _ = ftruncate(&self.0, 0);
    }
}

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
