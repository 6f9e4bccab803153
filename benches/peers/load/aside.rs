//! A thread that precedes the load's on their core: what runs there does not wait for the load's own work. There is one
//! in the process, since its work is small. Must not know: what runs there.

use std::io;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::{Builder, Handle};

/// The runtime of the thread, and why it has no priority, if it has none.
struct Aside {
    runtime: Handle,
    ordinary: Option<String>,
}

/// The runtime of that thread; futures are spawned on it from any other. The first call starts it, on the cores of the
/// thread that calls.
pub(crate) fn runtime() -> io::Result<&'static Handle> {
    Ok(&started()?.runtime)
}

/// Why the thread has no priority, if it has none.
pub(crate) fn warning() -> Option<String> {
    let why = match started() {
        Ok(aside) => aside.ordinary.clone()?,
        Err(error) => error.to_string(),
    };
    Some(format!("the probe has no priority over the load ({why}): its latency includes the load's own work"))
}

fn started() -> io::Result<&'static Aside> {
    static ASIDE: OnceLock<Result<Aside, String>> = OnceLock::new();
    let aside = ASIDE.get_or_init(|| start().map_err(|error| error.to_string()));
    aside.as_ref().map_err(|why| io::Error::other(why.clone()))
}

fn start() -> io::Result<Aside> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("aside".into()).spawn(move || {
        let _ = sender.send(precede().err().map(|error| error.to_string()));
        runtime.block_on(std::future::pending::<()>());
    })?;
    Ok(Aside { runtime: handle, ordinary: receiver.recv().map_err(io::Error::other)? })
}

/// Gives this thread a real-time priority: it runs as soon as it can, whatever else is on its core.
pub(crate) fn precede() -> io::Result<()> {
    let thread = nix::unistd::gettid().to_string();
    let output = Command::new("chrt").args(["--rr", "--pid", "1", &thread]).output()?;
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(io::Error::other(message)) }
}
