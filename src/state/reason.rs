//! A failed system call → why, as the part of a message that follows the path. Must not know: what was tried.

use std::io;

use rustix::io::Errno;

/// In the words of the operator, where the system's are not enough.
pub(super) fn of(error: &io::Error) -> String {
    let known = match Errno::from_io_error(error) {
        Some(Errno::NOSPC) => "the file system is full",
        Some(Errno::DQUOT) => "this user's quota of the file system is used up",
        Some(Errno::ROFS) => "the file system is read-only",
        Some(Errno::ACCESS | Errno::PERM) => "not permitted for this user",
        Some(Errno::LOOP) => "found a link, expected a file",
        Some(Errno::NOTDIR) => "found a file or a link in place of a folder",
        Some(Errno::ISDIR) => "found a folder, expected a file",
        Some(Errno::NOENT) => "no such file or folder",
        _ => return error.to_string(),
    };
    known.into()
}
