//! The same through the monitor where there is one, and in this process otherwise. Must not know: why there is none, what
//! sockets and programs are for.

use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::monitor::handle::Monitor;
use crate::monitor::program::{self, Output};
use crate::net::address::Address;
use crate::net::listen::{FileId, Handed, Listening, Remover};

/// Binds a socket to the address and listens. A Unix socket gets the permissions `mode`.
pub fn bind(monitor: Option<&Monitor>, address: &Address, mode: u32) -> io::Result<Listening> {
    let listening = bind_suspended(monitor, address, mode)?;
    listening.resume()?;
    Ok(listening)
}

/// The same, but nobody can connect until [`Listening::resume`].
pub fn bind_suspended(monitor: Option<&Monitor>, address: &Address, mode: u32) -> io::Result<Listening> {
    match monitor {
        Some(monitor) => {
            monitor.bind(address, mode).map(|bound| Listening::handed(bound, address, Some(remover(monitor))))
        }
        None => Listening::bind_suspended(address, mode),
    }
}

/// Continues with a socket that another process has bound to that address, or binds one where that is of no use any longer.
pub fn inherited(monitor: Option<&Monitor>, handed: Handed, address: &Address, mode: u32) -> io::Result<Listening> {
    match Listening::inherited(handed, address, monitor.map(remover)) {
        Some(listening) => Ok(listening),
        None => bind(monitor, address, mode),
    }
}

/// Runs a program, and waits until it ends. At the limit, and where the future is dropped, it is killed.
pub async fn run(
    monitor: Option<&Monitor>,
    program: &Path,
    arguments: &[OsString],
    limit: Duration,
) -> io::Result<Output> {
    match monitor {
        Some(monitor) => monitor.run(program, arguments, limit).await,
        None => program::run(program, arguments, limit, None, pending()).await,
    }
}

/// The same, blocking the thread, which must not belong to a runtime.
pub fn run_and_wait(
    monitor: Option<&Monitor>,
    program: &Path,
    arguments: &[OsString],
    limit: Duration,
) -> io::Result<Output> {
    match monitor {
        Some(monitor) => monitor.run_and_wait(program, arguments, limit),
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(program::run(program, arguments, limit, None, pending()))
        }
    }
}

fn remover(monitor: &Monitor) -> Remover {
    let monitor = monitor.clone();
    Remover(Arc::new(move |path: &Path, file: FileId| monitor.remove(&Address::Unix(path.to_owned()), file)))
}
