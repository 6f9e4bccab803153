//! Publishes with a program: `PROGRAM present|cleanup FQDN VALUE`, with a dot at the end of the name. Must not know: what is
//! published, how the program does it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{env, io};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::files;

/// Runs the program, and waits until it ends. At the limit it is killed, with the programs that it has started.
pub(super) async fn run(path: &Path, verb: &str, fqdn: &str, value: &str, limit: Duration) -> Result<(), String> {
    let at = |error: String| format!("dns.program {:?}: {error}", path.display());
    // A relative path is one from the folder of this process, and the program runs in another.
    let whole = std::path::absolute(path).map_err(|error| at(files::reason(&error)))?;
    // A shell is not involved, and nothing of this process's environment or files is passed on but the search path.
    let spawned = Command::new(whole)
        .args([verb, &format!("{fqdn}."), value])
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = spawned.map_err(|error| at(files::reason(&error)))?;
    let group = Group::of(&child);
    let mut output = Output { stderr: child.stderr.take(), last: Vec::new() };
    let ended = timeout(limit, async {
        // A program may close its standard error before it ends: then there is only its end to wait for.
        let reading = async {
            output.keep_reading().await;
            std::future::pending().await
        };
        tokio::select! {
            ended = child.wait() => ended,
            ended = reading => ended,
        }
    })
    .await;
    match ended {
        Ok(ended) => {
            // It has ended and is collected: its number may already belong to another process.
            group.let_go();
            output.read_rest().await;
            judge(ended, verb, &output).map_err(at)
        }
        Err(_) => {
            drop(group);
            // Collects it. A killed process ends as soon as the kernel lets it.
            let _ = timeout(KILLED, child.wait()).await;
            output.read_rest().await;
            let limit = humantime::format_duration(limit);
            Err(at(format!("`{verb}` did not end within {limit}, and was killed{}", output.shown())))
        }
    }
}

fn judge(ended: io::Result<ExitStatus>, verb: &str, output: &Output) -> Result<(), String> {
    let status = ended.map_err(|error| format!("cannot be waited for: {error}"))?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("`{verb}` ended with exit code {code}, expected 0{}", output.shown())),
        (None, Some(signal)) => Err(format!("`{verb}` was killed by signal {signal}{}", output.shown())),
        (None, None) => Err(format!("`{verb}` ended without an exit code{}", output.shown())),
    }
}

/// The process group of a program that was started here. Dropping it kills the group, also when nobody waits any longer.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that there is no process left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What the program writes to its standard error: only the end is kept.
struct Output {
    stderr: Option<ChildStderr>,
    last: Vec<u8>,
}

impl Output {
    /// Ends when the program, and all that it has started, have closed it.
    async fn keep_reading(&mut self) {
        let Some(stderr) = &mut self.stderr else { return };
        let mut piece = [0; KEPT];
        while let Ok(count @ 1..) = stderr.read(&mut piece).await {
            self.last.extend_from_slice(&piece[..count]);
            let excess = self.last.len().saturating_sub(KEPT);
            self.last.drain(..excess);
        }
    }

    /// What is still in the pipe. Something that the program has left running may hold it open.
    async fn read_rest(&mut self) {
        let _ = timeout(REST, self.keep_reading()).await;
    }

    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.last);
        match text.trim() {
            "" => "; it wrote nothing to its standard error".into(),
            text => format!("; the end of its standard error: {text:?}"),
        }
    }
}

/// Bytes of standard error that are shown.
const KEPT: usize = 500;

const REST: Duration = Duration::from_millis(100);
const KILLED: Duration = Duration::from_secs(5);
