//! One request, from whether it is allowed to its answer. Must not know: how requests arrive.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Command;
use tokio::sync::OwnedSemaphorePermit;

use super::grants::Grants;
use super::reopen;
use crate::files;
use crate::monitor::channel;
use crate::monitor::message::{Answer, Request};
use crate::monitor::program;
use crate::monitor::successor;
use crate::net::address::Address;
use crate::net::listen::{self, FileId, Handed};
use crate::net::socket;

/// A request, and where its answer goes.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) reply: OwnedFd,
    /// The successor's channel to the serving process.
    pub(super) extra: Option<OwnedFd>,
    pub(super) grants: Arc<Grants>,
    /// Given back when all is done.
    pub(super) _place: OwnedSemaphorePermit,
}

impl Job {
    pub(super) async fn run(self) {
        let (reply, grants) = (self.reply, &*self.grants);
        match self.request {
            Request::Bind { address, mode } => match bind(grants, address, mode).await {
                Ok(Handed { socket, file }) => answer(&reply, &Answer::Bound(file), Some(&socket)),
                Err(reason) => refuse(&reply, reason),
            },
            Request::Remove { address, file } => match remove(grants, address, file).await {
                Ok(()) => answer(&reply, &Answer::Removed, None),
                Err(reason) => refuse(&reply, reason),
            },
            Request::Open { path } => match open(grants, path).await {
                Ok(opened) => answer(&reply, &Answer::Opened, Some(&opened)),
                Err(reason) => refuse(&reply, reason),
            },
            Request::Program { path, arguments, limit } => {
                run_program(grants, reply, &path, &arguments, limit).await;
            }
            Request::Successor => match self.extra {
                Some(channel) => start_successor(grants, reply, channel).await,
                None => refuse(&reply, "a successor needs a descriptor for its standard input".to_owned()),
            },
            // It is refused before.
            Request::Start { .. } => {}
        }
    }
}

async fn bind(grants: &Grants, address: Address, mode: u32) -> Result<Handed, String> {
    grants.address(&address).await.inspect_err(|reason| report(reason))?;
    let owner = grants.user().map(|user| (user.uid, user.gid));
    in_background(move || listen::bind(&address, mode, owner)).await
}

async fn remove(grants: &Grants, address: Address, file: FileId) -> Result<(), String> {
    grants.address(&address).await.inspect_err(|reason| report(reason))?;
    let owner = grants.user().map(|user| user.uid);
    in_background(move || match &address {
        Address::Unix(path) => listen::remove(path, file, owner),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    })
    .await
}

async fn open(grants: &Grants, path: PathBuf) -> Result<OwnedFd, String> {
    grants.place(&path).inspect_err(|reason| report(reason))?;
    let reader = grants.user().cloned();
    in_background(move || reopen::open(&path, reader.as_ref())).await
}

/// Does what may wait for a file system, while other requests go on.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("it ended without a result, which is a fault of tlsgate".to_owned()),
    }
}

/// Runs a program, until it ends or the serving process no longer waits for it.
async fn run_program(grants: &Grants, reply: OwnedFd, path: &Path, arguments: &[OsString], limit: Duration) {
    let allowed = grants.program(path, arguments).await.inspect_err(|reason| report(reason));
    if let Err(reason) = allowed {
        return refuse(&reply, reason);
    }
    let Ok(reply) = socket::watch(reply, Interest::READABLE) else { return };
    let limit = limit.min(LONGEST);
    // Nothing is sent there: nobody waits any longer.
    let unwanted = async {
        said(&reply).await;
    };
    let ended = program::run(path, arguments, limit, grants.user().cloned(), unwanted).await;
    match ended {
        Ok(program::Output { status, stdout, stderr }) => {
            let status = status.map(ExitStatusExt::into_raw);
            answer(reply.get_ref(), &Answer::Output { status, stdout, stderr }, None);
        }
        Err(error) => refuse(reply.get_ref(), files::reason(&error)),
    }
}

/// Starts a successor, and waits until it has ended, so that it leaves no zombie.
async fn start_successor(grants: &Grants, reply: OwnedFd, channel: OwnedFd) {
    if let Err(reason) = grants.successor().and_then(|()| of_pair(&channel)) {
        report(&reason);
        return refuse(&reply, reason);
    }
    let program = grants.own_path();
    let mut command = Command::from(successor::command(program, grants.arguments(), channel));
    let started = command.spawn();
    // It holds the channel's descriptor.
    drop(command);
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return refuse(&reply, format!("{}: {}", program.display(), files::reason(&error))),
    };
    answer(&reply, &Answer::Started(child.id().unwrap_or_default()), None);
    let Ok(reply) = socket::watch(reply, Interest::READABLE) else { return };
    let mut is_watched = true;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            said = said(&reply), if is_watched => match said {
                // An error means that it has ended just now.
                true => drop(child.start_kill()),
                // The serving process leaves it alone: it has taken over.
                false => is_watched = false,
            },
        }
    };
    if let Ok(status) = status {
        answer(reply.get_ref(), &Answer::Ended(status.into_raw()), None);
    }
}

/// A successor whose configuration is standard input would read the text of whoever asks for it.
fn of_pair(channel: &OwnedFd) -> Result<(), String> {
    let wrong = || "a successor needs an end of a pair of sockets as its standard input".to_owned();
    channel::is_end_of_pair(channel).then_some(()).ok_or_else(wrong)
}

/// Waits for a packet, or for the end of whoever waits for the answer. True for a packet.
async fn said(reply: &AsyncFd<OwnedFd>) -> bool {
    let packet = reply.async_io(Interest::READABLE, |reply| channel::receive(reply, RecvFlags::DONTWAIT)).await;
    matches!(packet, Ok(Some(_)))
}

pub(super) fn refuse(reply: &OwnedFd, reason: String) {
    answer(reply, &Answer::Failed(reason), None);
}

fn answer(reply: &OwnedFd, answer: &Answer, descriptor: Option<&OwnedFd>) {
    let descriptors: Vec<_> = descriptor.iter().map(|descriptor| descriptor.as_fd()).collect();
    // An error means that nobody waits for it any longer, or that it is no socket.
    let _ = channel::send(reply, &answer.encode(), &descriptors, SendFlags::DONTWAIT);
}

/// Reports what the configuration does not name: most likely, somebody else than tlsgate asks for it.
fn report(reason: &str) {
    static REPORTED: AtomicU32 = AtomicU32::new(0);
    if REPORTED
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < MOST_REPORTS).then_some(count + 1))
        .is_ok()
    {
        // Without a standard error there is nobody to report to.
        let _ = writeln!(io::stderr(), "tlsgate monitor: refused: {reason}");
    }
}

/// Nothing else runs that long, and the configuration allows less.
const LONGEST: Duration = Duration::from_secs(3600);

/// More would only fill the log.
const MOST_REPORTS: u32 = 20;
