//! The serving process's side of a successor that the monitor has started. Must not know: what the successor does.

use std::io::{self, Error, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::net::SendFlags;

use crate::monitor::channel;
use crate::monitor::message::Answer;

/// A successor. Dropping this leaves it alone.
#[derive(Debug)]
pub struct Started {
    pid: u32,
    reply: OwnedFd,
}

impl Started {
    pub(super) fn new(pid: u32, reply: OwnedFd) -> Self {
        Self { pid, reply }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// Kills it. An error means that the monitor is gone.
    pub fn kill(&self) -> io::Result<()> {
        channel::send(&self.reply, KILL, &[], SendFlags::DONTWAIT)
    }

    /// Waits until it has ended: it was killed, or ends by itself.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        let packet = channel::receive_until(&self.reply, Instant::now() + PATIENCE)?;
        match packet.map(|packet| Answer::decode(&packet.bytes)) {
            Some(Ok(Answer::Ended(status))) => Ok(ExitStatus::from_raw(status)),
            Some(_) => Err(ErrorKind::InvalidData.into()),
            None => Err(Error::new(ErrorKind::BrokenPipe, "the monitor process has ended")),
        }
    }
}

/// Any packet asks for it.
const KILL: &[u8] = b"kill";

/// A killed process ends as soon as the kernel lets it.
const PATIENCE: Duration = Duration::from_secs(10);
