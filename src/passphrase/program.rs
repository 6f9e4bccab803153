//! A program that prints a passphrase → what it has printed. Must not know: what the passphrase opens, how a program is run.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;
use std::{io, thread};

use zeroize::Zeroizing;

use crate::files::{self, progress};
use crate::monitor::{self, Output};

/// The standard output of the program, which gets `argument`. The thread waits until it ends; at the limit it is killed,
/// with the programs that it has started.
pub(super) fn output(program: &Path, argument: &OsStr) -> Result<Zeroizing<Vec<u8>>, String> {
    progress::begin(program).map_err(|error| files::reason(&error))?;
    let ran = || monitor::run_and_wait(monitor::shared(), program, &[argument.to_owned()], LIMIT);
    // On a thread of its own, since the caller's may run a runtime already.
    let ran = thread::scope(|scope| match thread::Builder::new().name("passphrase".into()).spawn_scoped(scope, ran) {
        Ok(thread) => thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that ran it has failed"))),
        Err(error) => Err(error),
    });
    let Output { status, stdout, stderr } = ran.map_err(|error| files::reason(&error))?;
    let failed = |how: String| Err(format!("{how}{}", shown(&stderr)));
    let Some(status) = status else {
        let limit = humantime::format_duration(LIMIT);
        return failed(format!("it did not end within {limit}, and was killed"));
    };
    match (status.code(), status.signal()) {
        (Some(0), _) if stdout.len() > LONGEST => failed(format!("its output is too long, expected {LONGEST} bytes")),
        (Some(0), _) if stdout.is_empty() => failed("it has written nothing to its standard output".into()),
        (Some(0), _) => Ok(stdout),
        (Some(code), _) => failed(format!("it ended with exit code {code}, expected 0")),
        (None, Some(signal)) => failed(format!("it was killed by signal {signal}")),
        (None, None) => failed("it ended without an exit code".into()),
    }
}

fn shown(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.trim() {
        "" => String::new(),
        text => format!("; its standard error: {text:?}"),
    }
}

/// Of a program's output, in bytes.
const LONGEST: usize = 4096;

const LIMIT: Duration = Duration::from_secs(10);
