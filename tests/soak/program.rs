//! The program under test: its processes, one after the other, and what they write. Must not know: the load.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::log::{Follower, Log, follow};
use crate::support::proxy::PROGRAM;

pub(crate) struct Program {
    first: Mutex<Child>,
    /// The process that accepts.
    serving: AtomicU32,
    /// All processes that have not been seen to end.
    alive: Mutex<Vec<u32>>,
    addresses: HashMap<String, SocketAddr>,
    log: Arc<Log>,
    followers: Mutex<Vec<Follower>>,
}

impl Program {
    /// Starts it with `folder/tlsgate.toml`, which has that many addresses to listen on. `record` gets each line of the
    /// access log.
    pub(crate) fn start(
        folder: &Path,
        wanted: usize,
        log: Arc<Log>,
        record: impl FnMut(String) + Send + 'static,
    ) -> Self {
        // Where a process is replaced and ends, the next one becomes a child of this one, so that its exit code is seen.
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["run", "-c"])
            .arg(folder.join("tlsgate.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let access = follow(child.stdout.take().unwrap(), record);
        let lines = Arc::clone(&log);
        let diagnostic = follow(child.stderr.take().unwrap(), move |line| lines.add(line));
        let pid = child.id();
        let program = Self {
            first: Mutex::new(child),
            serving: AtomicU32::new(pid),
            alive: Mutex::new(vec![pid]),
            addresses: HashMap::new(),
            log,
            followers: Mutex::new(vec![access, diagnostic]),
        };
        program.listening(wanted)
    }

    fn listening(mut self, wanted: usize) -> Self {
        while self.addresses.len() < wanted {
            let known = &self.addresses;
            let found = self.log.wait(0, PATIENCE, |line| {
                let (name, address) = line.split_once("listening listener=")?.1.split_once(" address=")?;
                let name = name.trim_matches('"').to_owned();
                (!known.contains_key(&name)).then(|| address.trim().parse().ok().map(|address| (name, address)))?
            });
            let (name, address) = found.unwrap_or_else(|| panic!("it does not listen:\n{}", self.whole_log()));
            self.addresses.insert(name, address);
        }
        self
    }

    /// The address of the listener of that name.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.addresses[listener]
    }

    /// The process that accepts.
    pub(crate) fn pid(&self) -> u32 {
        self.serving.load(Ordering::Acquire)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill(number(self.pid()), signal);
    }

    /// Another process takes over; returns the one before, which has still to end.
    pub(crate) fn upgrade(&self) -> Result<u32, String> {
        let (from, before) = (self.log.end(), self.pid());
        self.signal(Signal::SIGUSR2);
        let answer = self.log.wait(from, PATIENCE, |line| {
            if line.contains("another process has taken over") {
                return Some(line.rsplit_once("pid=")?.1.trim().parse().map_err(|_| line.to_owned()));
            }
            let refused = ["no other process has taken over", "cannot start another process", "no other process is"];
            refused.iter().any(|text| line.contains(text)).then(|| Err(line.to_owned()))
        });
        let after: u32 = answer.ok_or("no process has taken over in time")??;
        self.alive.lock().unwrap().push(after);
        self.serving.store(after, Ordering::Release);
        Ok(before)
    }

    /// How a process has ended; `None` while it lives.
    pub(crate) fn ended(&self, pid: u32) -> Option<Exit> {
        let mut first = self.first.lock().unwrap();
        let ended = if first.id() == pid {
            first.try_wait().unwrap().map(|status| status.code().map_or(Exit::Signalled, Exit::Code))
        } else {
            match waitpid(number(pid), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(Exit::Code(code)),
                Ok(WaitStatus::Signaled(..)) => Some(Exit::Signalled),
                // Its parent still lives.
                Err(Errno::ECHILD) if Path::new(&format!("/proc/{pid}")).exists() => None,
                Err(_) => Some(Exit::Unseen),
                Ok(_) => None,
            }
        };
        if ended.is_some() {
            self.alive.lock().unwrap().retain(|alive| *alive != pid);
        }
        ended
    }

    /// Waits for the last line of each of its logs. Its processes must have ended.
    pub(crate) fn finish(&self) {
        for follower in std::mem::take(&mut *self.followers.lock().unwrap()) {
            follower.join();
        }
        self.log.close();
    }

    fn whole_log(&self) -> String {
        self.log.around(std::time::Instant::now(), PATIENCE)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for pid in self.alive.lock().unwrap().iter() {
            let _ = kill(number(*pid), Signal::SIGKILL);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signalled,
    /// It has ended, and another process has its exit code.
    Unseen,
}

fn number(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap())
}

const PATIENCE: Duration = Duration::from_secs(90);
