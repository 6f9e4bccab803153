//! Runs a program that the configuration names, with a limit. Must not know: what the program is for.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{env, io};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::monitor::allowed::Ids;

/// What became of a program.
#[derive(Debug)]
pub struct Output {
    /// `None` where it was killed at the limit.
    pub status: Option<ExitStatus>,
    /// The beginning of its standard output, at most 16 KiB. Wiped from memory when it is dropped.
    pub stdout: Zeroizing<Vec<u8>>,
    /// The end of its standard error, at most 500 bytes.
    pub stderr: Vec<u8>,
}

/// Runs the program as this user, and waits until it ends. At the limit, when `stop` is complete, and where the future is
/// dropped, it is killed with the programs that it has started.
pub(super) async fn run(
    path: &Path,
    arguments: &[OsString],
    limit: Duration,
    user: Option<Ids>,
    stop: impl Future<Output = ()>,
) -> io::Result<Output> {
    let mut child = command(path, arguments, user)?.spawn()?;
    let group = Group::of(&child);
    let mut kept = Kept { pipes: (child.stdout.take(), child.stderr.take()), ..Kept::default() };
    let ended = {
        // A program may close its outputs before it ends: then there is only its end to wait for.
        let reading = async {
            kept.keep_reading().await;
            std::future::pending().await
        };
        tokio::select! {
            ended = child.wait() => Some(ended),
            ended = reading => Some(ended),
            () = sleep(limit) => None,
            () = stop => None,
        }
    };
    let status = match ended {
        Some(ended) => {
            // It has ended and is collected: its number may already belong to another process.
            group.let_go();
            Some(ended?)
        }
        None => {
            drop(group);
            // Collects it. A killed process ends as soon as the kernel lets it.
            let _ = timeout(KILLED, child.wait()).await;
            None
        }
    };
    // What is still in the pipes. Something that the program has left running may hold them open.
    let _ = timeout(REST, kept.keep_reading()).await;
    Ok(Output { status, stdout: kept.first, stderr: kept.last })
}

fn command(path: &Path, arguments: &[OsString], user: Option<Ids>) -> io::Result<Command> {
    // A relative path is one from the folder of this process, and the program runs in another.
    let mut command = Command::new(std::path::absolute(path)?);
    // A shell is not involved, and nothing of this process's environment or files is passed on but the search path.
    command
        .args(arguments)
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(user) = user {
        // This also leaves all other groups.
        command.gid(user.gid).uid(user.uid);
    }
    Ok(command)
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

/// What the program writes. All of it is read, so that it never waits.
#[derive(Default)]
struct Kept {
    pipes: (Option<ChildStdout>, Option<ChildStderr>),
    first: Zeroizing<Vec<u8>>,
    last: Vec<u8>,
}

impl Kept {
    /// Ends when the program, and all that it has started, have closed both.
    async fn keep_reading(&mut self) {
        let (stdout, stderr) = &mut self.pipes;
        let (first, last) = (&mut self.first, &mut self.last);
        // A vector that grows leaves copies of a secret behind.
        let room = KEPT_STDOUT.saturating_sub(first.len());
        first.reserve_exact(room);
        let stdout = each_piece(stdout.as_mut(), |piece| {
            let room = KEPT_STDOUT.saturating_sub(first.len());
            first.extend_from_slice(&piece[..piece.len().min(room)]);
        });
        let stderr = each_piece(stderr.as_mut(), |piece| {
            last.extend_from_slice(piece);
            let excess = last.len().saturating_sub(KEPT_STDERR);
            last.drain(..excess);
        });
        tokio::join!(stdout, stderr);
    }
}

async fn each_piece(pipe: Option<&mut (impl AsyncRead + Unpin)>, mut keep: impl FnMut(&[u8])) {
    let Some(pipe) = pipe else { return };
    let mut piece = Zeroizing::new([0; PIECE]);
    while let Ok(count @ 1..) = pipe.read(&mut *piece).await {
        keep(&piece[..count]);
    }
}

const PIECE: usize = 1024;

/// In bytes: enough for any secret.
const KEPT_STDOUT: usize = 16 * 1024;

/// In bytes: enough for the error message at the end.
const KEPT_STDERR: usize = 500;

const REST: Duration = Duration::from_millis(100);
const KILLED: Duration = Duration::from_secs(5);
