//! Publishes with a program: `PROGRAM present|cleanup FQDN VALUE`, with a dot at the end of the name. Must not know: what is
//! published, how the program does it, who runs it.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::files;
use crate::monitor::{self, Monitor};

/// Runs the program, and waits until it ends. At the limit it is killed, with the programs that it has started.
pub(super) async fn run(
    path: &Path,
    [verb, fqdn, value]: [&str; 3],
    limit: Duration,
    monitor: Option<&Monitor>,
) -> Result<(), String> {
    let at = |error: String| format!("dns.program {:?}: {error}", path.display());
    let arguments = [OsString::from(verb), format!("{fqdn}.").into(), value.into()];
    let ended = monitor::run(monitor, path, &arguments, limit).await;
    let output = ended.map_err(|error| at(files::reason(&error)))?;
    let shown = shown(&output.stderr);
    match output.status {
        Some(status) => judge(status, verb, &shown).map_err(at),
        None => {
            let limit = humantime::format_duration(limit);
            Err(at(format!("`{verb}` did not end within {limit}, and was killed{shown}")))
        }
    }
}

fn judge(status: ExitStatus, verb: &str, shown: &str) -> Result<(), String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("`{verb}` ended with exit code {code}, expected 0{shown}")),
        (None, Some(signal)) => Err(format!("`{verb}` was killed by signal {signal}{shown}")),
        (None, None) => Err(format!("`{verb}` ended without an exit code{shown}")),
    }
}

fn shown(stderr: &[u8]) -> String {
    match String::from_utf8_lossy(stderr).trim() {
        "" => "; it wrote nothing to its standard error".into(),
        text => format!("; the end of its standard error: {text:?}"),
    }
}
