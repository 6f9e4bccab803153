//! Standard output and standard error, for every verb. `println!` panics where it cannot write; nothing here does.
//!
//! A reader that closes the pipe early (`tlsgate check … | head -1`) is not an error: nothing more is printed, and the exit
//! code is the verb's own, so that under `set -o pipefail` it still shows whether the configuration is good. Any other
//! failure to write, such as a full disk, is reported on standard error, and the exit code is 1.
//! Must not know: what is printed.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::cli::answer::exit::FAILED;

/// Why nothing more is written to standard output. Static, since a process has one standard output.
static ENDED: OnceLock<io::Error> = OnceLock::new();

/// Writes a text to standard output, as it is.
pub(in crate::cli) fn say(text: &str) {
    if ENDED.get().is_some() {
        return;
    }
    let mut out = io::stdout().lock();
    ended(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// The text with control characters escaped. Names of files and certificates may come from anyone, and must not control a
/// terminal or end a line.
pub(in crate::cli) fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|letter| if letter.is_control() { letter.escape_default().collect() } else { vec![letter] })
        .collect()
}

/// Writes lines to standard error, with control characters escaped. An error in writing is ignored.
pub(in crate::cli) fn complain(text: &str) {
    // Split first: a line break between lines is ours, and everything else is escaped.
    let lines: Vec<String> = text.split('\n').map(visible).collect();
    let _ = writeln!(io::stderr().lock(), "{}", lines.join("\n"));
}

/// Whether the reader of standard output has closed it.
pub(in crate::cli) fn reader_has_gone() -> bool {
    ENDED.get().is_some_and(has_gone)
}

/// Prints the requested help, or what is wrong with the arguments, in colours on a terminal. Returns the exit code.
pub(in crate::cli) fn help(found: &clap::Error) -> ExitCode {
    let printed = found.print();
    if !found.use_stderr() {
        ended(printed.and_then(|()| io::stdout().flush()));
    }
    ExitCode::from(u8::try_from(found.exit_code()).unwrap_or(FAILED))
}

/// The exit code of the process, given the verb's: that one, unless writing to standard output has failed.
pub(in crate::cli) fn exit_code(verb: ExitCode) -> ExitCode {
    match ENDED.get() {
        Some(error) if !has_gone(error) => {
            complain(&format!("cannot write to standard output: {error}"));
            FAILED.into()
        }
        _ => verb,
    }
}

fn ended(written: io::Result<()>) {
    if let Err(error) = written {
        // The first one counts.
        let _ = ENDED.set(error);
    }
}

fn has_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}
