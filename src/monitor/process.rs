//! The monitor's own life: what it learns at the start, then one task for each request, until the serving process has ended.
//! Must not know: how a configuration is read, what the serving process does.

use std::io::{self, Error, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::net::RecvFlags;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::monitor::channel::{self, Packet};
use crate::monitor::message::Request;
use crate::net::socket;

mod grants;
mod reopen;
mod serve;

pub use grants::LookUp;

use grants::Grants;
use serve::{Job, refuse};

/// Runs the monitor; standard input is the channel to the serving process. Returns when that process has ended, and kills
/// the programs that still run. `look_up` reads the configuration file.
pub fn run(look_up: LookUp) -> io::Result<()> {
    close_inherited();
    // For `ps`; it fails only where /proc is read-only.
    let _ = std::fs::write("/proc/self/comm", "tlsgate-monitor");
    // No other process of the same user may look into it or stop it, and the output of a program may be a secret.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve_all(look_up));
    // Drops the tasks, which kills their programs. A thread may wait for a file system that does not answer.
    runtime.shutdown_background();
    ended
}

async fn serve_all(look_up: LookUp) -> io::Result<()> {
    swallow_signals()?;
    let channel = rustix::stdio::stdin().try_clone_to_owned()?;
    let channel = socket::watch(channel, Interest::READABLE)?;
    let Some(grants) = start(&channel, look_up).await? else { return Ok(()) };
    let grants = Arc::new(grants);
    let (short, programs, successor) = (SHORT, PROGRAMS, 1);
    let [short, programs, successor] = [short, programs, successor].map(|most| Arc::new(Semaphore::new(most)));
    while let Some(Packet { bytes, descriptors }) = receive(&channel).await? {
        let request = decode(&bytes)?;
        let mut descriptors = descriptors.into_iter();
        let Some(reply) = descriptors.next() else {
            return Err(misfit("a request without a descriptor for its answer"));
        };
        if !channel::is_end_of_pair(&reply) {
            return Err(misfit("a descriptor for an answer that is no end of a pair of sockets"));
        }
        if matches!(request, Request::Remove { .. }) && successor.available_permits() == 0 {
            refuse(&reply, "a successor may listen there".to_owned());
            continue;
        }
        let (places, busy) = match &request {
            Request::Bind { .. } | Request::Remove { .. } | Request::Open { .. } => {
                (&short, "too many other requests wait for an answer")
            }
            Request::Program { .. } => (&programs, "too many programs run already"),
            Request::Successor => (&successor, "another successor runs already"),
            Request::Start { .. } => return Err(misfit("what is known at the start, after the start")),
        };
        match Arc::clone(places).try_acquire_owned() {
            Ok(place) => {
                let job = Job { request, reply, extra: descriptors.next(), grants: Arc::clone(&grants), _place: place };
                tokio::spawn(job.run());
            }
            Err(_) => refuse(&reply, busy.to_owned()),
        }
    }
    Ok(())
}

/// What is known at the start. `None` where the serving process has ended meanwhile.
async fn start(channel: &AsyncFd<OwnedFd>, look_up: LookUp) -> io::Result<Option<Grants>> {
    let mut grants = Grants::new(look_up)?;
    while let Some(packet) = receive(channel).await? {
        let Request::Start { items, last } = decode(&packet.bytes)? else {
            return Err(misfit("a request before the end of what is known at the start"));
        };
        items.into_iter().try_for_each(|item| grants.add(item))?;
        if last {
            return Ok(Some(grants));
        }
    }
    Ok(None)
}

async fn receive(channel: &AsyncFd<OwnedFd>) -> io::Result<Option<Packet>> {
    channel.async_io(Interest::READABLE, |channel| channel::receive(channel, RecvFlags::DONTWAIT)).await
}

fn decode(bytes: &[u8]) -> io::Result<Request> {
    Request::decode(bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

/// The serving process does not send this: whoever did cannot be served.
fn misfit(found: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("received {found}"))
}

/// Signals for the whole process group, or from a service manager for all processes, are for the serving process. When that
/// one ends, the monitor ends.
fn swallow_signals() -> io::Result<()> {
    let kinds = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::hangup(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ];
    // The handler stays when this is dropped. A signal that is ignored instead would be ignored in programs as well.
    kinds.into_iter().try_for_each(|kind| signal(kind).map(drop))
}

/// Closes what the serving process itself has inherited: only standard input and output and errors are for the monitor.
fn close_inherited() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<i32> = numbers.filter(|number| *number > 2).collect();
    // Nothing else of this process is open yet. The folder itself is among them, and is closed already.
    for number in numbers {
        let _ = nix::unistd::close(number);
    }
}

/// Requests at one time that take no longer than a file system needs.
const SHORT: usize = 64;

/// Programs at one time.
const PROGRAMS: usize = 128;
