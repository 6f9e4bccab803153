//! Standard output and standard error, for every verb. `println!` panics where it cannot write; nothing here does.
//!
//! A reader that has seen enough (`tlsgate check … | head -1`) is no fault: nothing more is printed, and the exit code is
//! the verb's own, so that under `set -o pipefail` it still shows whether the configuration is good. Any other failure
//! to write, a full disk for one, is reported on standard error, and the exit code is 1.
//! Must not know: what is printed.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::cli::answer::exit::FAILED;

/// Why nothing more is written to standard output. There is one for the process, as there is one standard output.
static ENDED: OnceLock<io::Error> = OnceLock::new();

/// Writes a text to standard output, as it is.
pub(in crate::cli) fn say(text: &str) {
    if ENDED.get().is_some() {
        return;
    }
    let mut out = io::stdout().lock();
    ended(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// A text in which nothing steers a terminal or ends a line: names of files and certificates are whoever's made them.
pub(in crate::cli) fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|letter| if letter.is_control() { letter.escape_default().collect() } else { vec![letter] })
        .collect()
}

/// Writes lines to standard error, with nothing in them that steers a terminal. Where nobody reads them, they are
/// lost.
pub(in crate::cli) fn complain(text: &str) {
    let lines: Vec<String> = text.split('\n').map(visible).collect();
    let _ = writeln!(io::stderr().lock(), "{}", lines.join("\n"));
}

/// Whether the reader of standard output has gone.
pub(in crate::cli) fn nobody_reads() -> bool {
    ENDED.get().is_some_and(has_gone)
}

/// Prints the help that was asked for, or what is wrong with what was typed, in colours on a terminal.
pub(in crate::cli) fn help(found: &clap::Error) -> ExitCode {
    let printed = found.print();
    if !found.use_stderr() {
        ended(printed.and_then(|()| io::stdout().flush()));
    }
    ExitCode::from(u8::try_from(found.exit_code()).unwrap_or(FAILED))
}

/// The exit code of the process, given the verb's.
pub(in crate::cli) fn exit_code(verb: ExitCode) -> ExitCode {
    match ENDED.get() {
        Some(error) if !has_gone(error) => {
            complain(&format!("standard output cannot be written: {error}"));
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
