//! The serving process's side: starts the monitor, and asks it. Must not know: what the monitor allows, what is asked for.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::time::timeout;

use crate::monitor::allowed::{Allowed, Ids};
use crate::monitor::channel::{self, Packet};
use crate::monitor::message::{Answer, Item, Request};
use crate::monitor::program::Output;
use crate::monitor::started::Started;
use crate::monitor::successor;
use crate::net::address::Address;
use crate::net::listen::{FileId, Handed};
use crate::net::socket;

/// The way to the monitor. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Monitor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    channel: OwnedFd,
    process: Mutex<Child>,
}

impl Monitor {
    /// Starts the monitor: this program once more, with the rights that this process has now. `allowed` is what it does
    /// without reading the configuration again; `user` is who owns Unix sockets, as whom programs run, and who may read what
    /// is opened. A successor gets the arguments of this process, and has to give up `floor` at least; none is started without
    /// `config`, the file that the monitor reads again. It does not wait until the monitor is ready.
    pub fn start(allowed: Allowed, config: Option<&Path>, user: Option<Ids>, floor: &str) -> io::Result<Self> {
        // A link to the very file that runs, also where it was replaced since.
        let arguments = std::env::args_os().skip(1).collect();
        Self::start_program(Path::new("/proc/self/exe"), arguments, allowed, config, user, floor)
    }

    /// The same with another program file, and with these arguments for a successor.
    pub fn start_program(
        program: &Path,
        arguments: Vec<OsString>,
        allowed: Allowed,
        config: Option<&Path>,
        user: Option<Ids>,
        floor: &str,
    ) -> io::Result<Self> {
        let (channel, theirs) = channel::pair()?;
        // A monitor that reads nothing must not hold up this process for ever.
        set_socket_timeout(&channel, Timeout::Send, Some(PATIENCE))?;
        let mut command = Command::new(program);
        // Successors inherit the floor from the monitor, out of reach of the serving process.
        command.arg0("tlsgate").arg(VERB).env(successor::FLOOR, floor).stdin(Stdio::from(theirs));
        let process = command.spawn()?;
        let monitor = Self(Arc::new(Inner { channel, process: Mutex::new(process) }));
        let arguments = arguments.into_iter().map(Item::Argument);
        let configuration = config.map(|config| Item::Configuration(config.to_owned()));
        let addresses = allowed.addresses.into_iter().map(Item::Address);
        let programs = allowed.programs.into_iter().map(Item::Program);
        let places = allowed.places.into_iter().map(Item::Place);
        let named = addresses.chain(programs).chain(places);
        let items = arguments.chain(configuration).chain(user.map(Item::User)).chain(named);
        for message in Request::start(items.collect()) {
            monitor.send(&message, &[])?;
        }
        Ok(monitor)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.process.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// A listening socket, to which nobody can connect until it is resumed. A Unix socket gets the permissions `mode`, and
    /// belongs to the user of the start. Blocks until
    /// the monitor has answered, which may wait for a file system: at most some seconds.
    pub fn bind(&self, address: &Address, mode: u32) -> io::Result<Handed> {
        let request = Request::Bind { address: address.clone(), mode };
        let (answer, mut descriptors) = self.answer(&request)?;
        match (answer, descriptors.pop()) {
            (Answer::Bound(file), Some(socket)) => Ok(Handed { socket, file }),
            (other, _) => Err(unexpected(other)),
        }
    }

    /// Removes the file of a Unix socket, if it still is that file. Blocks as [`Monitor::bind`] does.
    pub fn remove(&self, address: &Address, file: FileId) -> io::Result<()> {
        match self.answer(&Request::Remove { address: address.clone(), file })?.0 {
            Answer::Removed => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// A file or folder, opened for reading; the path has no links. Blocks as [`Monitor::bind`] does.
    pub fn open(&self, path: &Path) -> io::Result<OwnedFd> {
        let (answer, mut descriptors) = self.answer(&Request::Open { path: path.to_owned() })?;
        match (answer, descriptors.pop()) {
            (Answer::Opened, Some(opened)) => Ok(opened),
            (other, _) => Err(unexpected(other)),
        }
    }

    /// Starts this program again, as it was started at first; `channel` is its standard input. Blocks as [`Monitor::bind`]
    /// does.
    pub fn start_successor(&self, channel: OwnedFd) -> io::Result<Started> {
        let reply = self.ask(&Request::Successor, Some(channel.as_fd()))?;
        let (answer, _) = self.received(channel::receive_until(&reply, Instant::now() + PATIENCE))?;
        match answer {
            Answer::Started(pid) => Ok(Started::new(pid, reply)),
            other => Err(unexpected(other)),
        }
    }

    /// Runs a program, and kills it at the limit, and where the future is dropped.
    pub async fn run(&self, program: &Path, arguments: &[OsString], limit: Duration) -> io::Result<Output> {
        let reply = self.ask(&run_request(program, arguments, limit)?, None)?;
        let reply = socket::watch(reply, Interest::READABLE)?;
        let answer = reply.async_io(Interest::READABLE, |reply| channel::receive(reply, RecvFlags::DONTWAIT));
        let received = timeout(limit.saturating_add(PATIENCE), answer).await;
        self.output(received.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())))
    }

    /// The same, blocking the thread.
    pub fn run_and_wait(&self, program: &Path, arguments: &[OsString], limit: Duration) -> io::Result<Output> {
        let reply = self.ask(&run_request(program, arguments, limit)?, None)?;
        let deadline = Instant::now() + limit.saturating_add(PATIENCE);
        self.output(channel::receive_until(&reply, deadline))
    }

    /// Waits until the monitor has ended, and returns why. Must be called within a runtime.
    pub async fn ended(self) -> io::Result<Error> {
        let channel = socket::watch(self.0.channel.try_clone()?, Interest::READABLE)?;
        // It sends nothing unasked: this is the end.
        let _ = channel.async_io(Interest::READABLE, |channel| channel::receive(channel, RecvFlags::DONTWAIT)).await;
        Ok(self.gone())
    }

    fn output(&self, received: io::Result<Option<Packet>>) -> io::Result<Output> {
        match self.received(received)?.0 {
            Answer::Output { status, stdout, stderr } => {
                Ok(Output { status: status.map(ExitStatus::from_raw), stdout, stderr })
            }
            other => Err(unexpected(other)),
        }
    }

    fn answer(&self, request: &Request) -> io::Result<(Answer, Vec<OwnedFd>)> {
        let reply = self.ask(request, None)?;
        self.received(channel::receive_until(&reply, Instant::now() + PATIENCE))
    }

    /// Asks, and returns where the answer comes.
    fn ask(&self, request: &Request, descriptor: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
        let (reply, theirs) = channel::pair()?;
        let descriptors: Vec<_> = std::iter::once(theirs.as_fd()).chain(descriptor).collect();
        self.send(request, &descriptors)?;
        Ok(reply)
    }

    fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let sent = channel::send(&self.0.channel, &request.encode(), descriptors, SendFlags::empty());
        sent.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => self.gone(),
            ErrorKind::WouldBlock => silent(),
            _ => error,
        })
    }

    fn received(&self, received: io::Result<Option<Packet>>) -> io::Result<(Answer, Vec<OwnedFd>)> {
        match received {
            Ok(Some(packet)) => {
                let answer =
                    Answer::decode(&packet.bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
                Ok((answer, packet.descriptors))
            }
            Ok(None) => Err(self.gone()),
            Err(error) => Err(match error.kind() {
                ErrorKind::TimedOut => silent(),
                _ => error,
            }),
        }
    }

    /// The error where the monitor is gone; collects the process.
    fn gone(&self) -> Error {
        let mut process = self.0.process.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + COLLECTED;
        let status: Option<ExitStatus> = loop {
            match process.try_wait() {
                // Its end of the channel is closed a moment before it can be collected.
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                ended => break ended.ok().flatten(),
            }
        };
        let how: Box<dyn Display> = match &status {
            Some(status) => Box::new(status),
            None => Box::new("how is not known"),
        };
        let message = format!(
            "the monitor process, which binds addresses and starts programs, has ended ({how}); restart tlsgate for a new one"
        );
        Error::new(ErrorKind::BrokenPipe, message)
    }
}

fn run_request(program: &Path, arguments: &[OsString], limit: Duration) -> io::Result<Request> {
    // The monitor compares it with what the configuration names, whatever the working directory is.
    let path = std::path::absolute(program)?;
    Ok(Request::Program { path, arguments: arguments.to_vec(), limit })
}

fn silent() -> Error {
    Error::new(ErrorKind::TimedOut, "the monitor process has not answered in time")
}

fn unexpected(answer: Answer) -> Error {
    match answer {
        Answer::Failed(reason) => Error::other(reason),
        _ => Error::new(ErrorKind::InvalidData, "the monitor process has answered another question"),
    }
}

/// The verb of the command line with which the monitor is started.
const VERB: &str = "monitor";

/// For an answer that needs no program. The monitor itself waits less for a file system.
const PATIENCE: Duration = Duration::from_secs(20);

const COLLECTED: Duration = Duration::from_millis(500);
