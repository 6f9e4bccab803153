//! A relative path → an open folder, step by step and never through a link. Must not know: what is in it.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchmod, fsync, mkdirat, openat};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// Opens a folder in another one. A link is an error.
pub(super) fn open(folder: &OwnedFd, name: impl Arg) -> Result<OwnedFd> {
    openat(folder, name, FOLDER, Mode::empty())
}

/// Opens a folder below another one.
pub(super) fn enter(top: &OwnedFd, folder: &Path) -> Result<OwnedFd> {
    folder.components().try_fold(open(top, ".")?, |here, step| open(&here, step.as_os_str()))
}

/// The same, and makes what does not exist.
pub(super) fn make(top: &OwnedFd, folder: &Path) -> Result<OwnedFd> {
    folder.components().try_fold(open(top, ".")?, |here, step| match open(&here, step.as_os_str()) {
        Err(Errno::NOENT) => {
            let made = create(&here, step.as_os_str())?;
            fsync(&here)?;
            Ok(made)
        }
        other => other,
    })
}

/// Makes a folder for this user alone. One that another process has made at the same time is as good.
pub(super) fn create(folder: &OwnedFd, name: impl Arg + Copy) -> Result<OwnedFd> {
    match mkdirat(folder, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let made = open(folder, name)?;
    // The umask can remove permissions that are needed.
    fchmod(&made, Mode::RWXU)?;
    Ok(made)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
