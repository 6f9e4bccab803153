//! The filter of system calls (seccomp). Must not know: files, which Landlock restricts.

use std::io;
use std::thread;

use seccompiler::{BpfProgram, apply_filter, apply_filter_all_threads, sock_filter};

mod calls;
mod program;

use program::Rules;

/// Applies the filter to all threads. `false` where the kernel does not have filters.
pub(super) fn apply() -> io::Result<bool> {
    let Some(program) = program() else { return Ok(false) };
    match apply_filter_all_threads(&program) {
        Ok(()) => Ok(true),
        Err(seccompiler::Error::Seccomp(error)) if is_unknown(&error) => Ok(false),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

/// Whether the kernel has filters.
pub(super) fn offered() -> bool {
    // A thread of its own tries one that allows everything.
    let all = [sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW }];
    program().is_some() && thread::spawn(move || apply_filter(&all).is_ok()).join().unwrap_or(false)
}

/// `None` on an architecture whose system calls nobody has listed.
fn program() -> Option<BpfProgram> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => 0xC000_003E,
        "aarch64" => 0xC000_00B7,
        _ => return None,
    };
    let rules = Rules { architecture, first: calls::first(), calls: calls::rules(), unknown: UNKNOWN };
    Some(rules.program())
}

/// A kernel without filters, or a sandbox around this one that allows none.
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EPERM | libc::EACCES))
}

/// One more than the last number of Linux 6.12. On x86_64 it also ends the calls of the x32 ABI.
const UNKNOWN: u32 = 467;
