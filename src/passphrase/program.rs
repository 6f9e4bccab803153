//! A program that prints a passphrase → what it has printed. Must not know: what the passphrase opens.

use std::cell::Cell;
use std::ffi::OsStr;
use std::future::{pending, poll_fn};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::task::Poll;
use std::time::Duration;
use std::{env, io, thread};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::files::{self, progress};

/// What a program has written.
struct Written {
    status: ExitStatus,
    stdout: Zeroizing<Vec<u8>>,
    stderr: Vec<u8>,
}

/// The standard output of the program, which gets `argument`. The thread waits until it ends; at the limit it is killed,
/// with the programs that it has started.
pub(super) fn output(program: &Path, argument: &OsStr) -> Result<Zeroizing<Vec<u8>>, String> {
    progress::begin(program).map_err(|error| files::reason(&error))?;
    let ran = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run(program, argument))
    };
    // On a thread of its own, since the caller's may run a runtime already.
    let ran = thread::scope(|scope| match thread::Builder::new().name("passphrase".into()).spawn_scoped(scope, ran) {
        Ok(thread) => thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that ran it has failed"))),
        Err(error) => Err(error),
    });
    let Written { status, stdout, stderr } = ran.map_err(|error| files::reason(&error))?;
    let failed = |how: String| Err(format!("{how}{}", shown(&stderr)));
    match (status.code(), status.signal()) {
        (Some(0), _) if stdout.len() > LONGEST => failed(format!("its output is too long, expected {LONGEST} bytes")),
        (Some(0), _) if stdout.is_empty() => failed("it has written nothing to its standard output".into()),
        (Some(0), _) => Ok(stdout),
        (Some(code), _) => failed(format!("it ended with exit code {code}, expected 0")),
        (None, Some(signal)) => failed(format!("it was killed by signal {signal}")),
        (None, None) => failed("it ended without an exit code".into()),
    }
}

/// The one place in which a passphrase's program is run.
async fn run(program: &Path, argument: &OsStr) -> io::Result<Written> {
    // A relative path is one from the folder of this process, and the program runs in another.
    let whole = std::path::absolute(program)?;
    // A shell is not involved, and nothing of this process's environment or files is passed on but the search path.
    let mut child = Command::new(whole)
        .arg(argument)
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let group = Group::of(&child);
    let (mut stdout, mut stderr) = (Zeroizing::new(Vec::with_capacity(LONGEST + 1)), Vec::new());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = {
        let all = Cell::new(false);
        // It never completes, so that it can be polled at any time.
        let mut reading = pin!(async {
            tokio::join!(read(out, &mut stdout), read(err, &mut stderr));
            all.set(true);
            pending().await
        });
        // What the program has started may hold its outputs open: what counts is that the program itself has ended.
        let ended = timeout(LIMIT, async {
            tokio::select! {
                ended = child.wait() => ended,
                ended = &mut reading => ended,
            }
        })
        .await;
        match &ended {
            // It has ended and is collected: its number may already belong to another process.
            Ok(_) => group.let_go(),
            Err(_) => {
                drop(group);
                // Collects it. A killed process ends as soon as the kernel lets it.
                let _ = timeout(KILLED, child.wait()).await;
            }
        }
        let rest = poll_fn(|cx| {
            let _ = reading.as_mut().poll(cx);
            if all.get() { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = timeout(REST, rest).await;
        ended
    };
    match ended {
        Ok(status) => Ok(Written { status: status?, stdout, stderr }),
        Err(_) => {
            let limit = humantime::format_duration(LIMIT);
            Err(io::Error::other(format!("it did not end within {limit}, and was killed{}", shown(&stderr))))
        }
    }
}

/// Reads to the end; what exceeds the limit is not kept.
async fn read(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut piece = Zeroizing::new([0; 512]);
    while let Ok(count @ 1..) = from.read(&mut *piece).await {
        let room = (LONGEST + 1).saturating_sub(into.len());
        into.extend_from_slice(&piece[..count.min(room)]);
    }
}

fn shown(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.trim() {
        "" => String::new(),
        text => format!("; its standard error: {text:?}"),
    }
}

/// The process group of a program that was started here. Dropping it kills the group.
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

/// Bytes of each output that are kept.
const LONGEST: usize = 4096;

/// For what is still in the pipes when the program has ended.
const REST: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(10);
const KILLED: Duration = Duration::from_secs(5);
