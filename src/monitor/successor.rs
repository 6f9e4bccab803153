//! How this program is started again, to take over. Must not know: what is handed over, who starts it.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The command that starts it, with these arguments; `channel` is its standard input.
pub fn command(program: &Path, arguments: &[OsString], channel: OwnedFd) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env(VARIABLE, "1").stdin(Stdio::from(channel));
    for name in NOT_FOR_OTHERS {
        command.env_remove(name);
    }
    command
}

/// The path from which this process was started. A file that was replaced there since is the new version.
pub fn own_path() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // Linux appends this to the link in /proc where the file was replaced (proc_pid_exe(5)).
    Ok(match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(bare) => OsString::from_vec(bare.to_vec()).into(),
        None => path,
    })
}

/// Whether this process is a successor: its standard input is the channel to its predecessor.
pub fn is_this_one() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// What this successor has to give up at least. `None` where the process before it gave up nothing.
pub fn floor() -> Option<String> {
    let floor = is_this_one().then(|| std::env::var_os(FLOOR)).flatten()?;
    Some(floor.to_string_lossy().into_owned())
}

/// The environment variable of the monitor, and so of successors, that says what a successor has to give up at least.
pub(super) const FLOOR: &str = "TLSGATE_FLOOR";

/// What the service manager has set for the first process only: the sockets that it has passed, which the successor receives
/// on the channel, and whose watchdog it is (sd_watchdog_enabled(3)), which the successor's is from then on.
const NOT_FOR_OTHERS: [&str; 5] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "WATCHDOG_PID"];

/// The environment variable that says so.
const VARIABLE: &str = "TLSGATE_HANDOVER";
