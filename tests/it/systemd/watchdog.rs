//! The watchdog: the service manager is notified as long as every worker makes progress.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::Manager;
use crate::process::upgrade::Successor;
use crate::support::backend::Backend;
use crate::support::client::Tls;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{Lines, certified, config};

const INTERVAL: Duration = Duration::from_secs(1);

fn started(manager: &Manager, pid: Option<&str>) -> (Proxy, crate::support::pki::Pki, Backend) {
    let (pki, backend) = (certified(), Backend::echo());
    let path = pki.folder().join("tlsgate.toml");
    let lines = Lines { top: "[runtime]\nworkers = 3\n", ..Lines::default() };
    fs::write(&path, config(&[backend.address], lines)).unwrap();
    let mut command = Command::new("sh");
    // systemd sets WATCHDOG_PID to the process that it has started.
    let set = format!("WATCHDOG_PID={} exec \"$0\" run -c \"$1\"", pid.unwrap_or("$$"));
    command.args(["-c", &set, PROGRAM]).arg(&path);
    command.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", INTERVAL.as_micros().to_string());
    (Proxy::spawn(command, 1).unwrap(), pki, backend)
}

/// The thread of that name in a process.
pub(super) fn thread_of(pid: u32, name: &str) -> Pid {
    let found = fs::read_dir(format!("/proc/{pid}/task")).unwrap().find_map(|task| {
        let task = task.unwrap();
        let own = fs::read_to_string(task.path().join("comm")).unwrap();
        (own.trim() == name).then(|| task.file_name().to_str().unwrap().parse().unwrap())
    });
    Pid::from_raw(found.unwrap())
}

/// A thread that is stopped for as long as this lives. Only the thread that has stopped it can let it go on; a process whose
/// thread is stopped cannot even be killed.
pub(super) struct Held(Pid);

impl Held {
    pub(super) fn of(thread: Pid) -> Self {
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        let held = Self(thread);
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        held
    }

    /// Lets it go on. One that was still traced would stop for good at the next signal.
    fn release(self) {
        ptrace::detach(self.0, None).unwrap();
        std::mem::forget(self);
    }

    /// Whether the thread has ended, which is so only after this has seen it.
    pub(super) fn has_ended(&self) -> bool {
        matches!(
            waitpid(self.0, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)),
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_)
        )
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // An error means that the thread has ended.
        let _ = ptrace::detach(self.0, None);
    }
}

/// Three times the interval passes without a notification.
fn is_silent(manager: &Manager) -> bool {
    while manager.next_within(Duration::from_millis(1)).is_some() {}
    manager.next_within(INTERVAL * 3).is_none()
}

#[test]
fn a_worker_that_hangs_ends_the_notifications_until_it_goes_on() {
    let manager = Manager::new();
    let (proxy, _pki, _backend) = started(&manager, None);
    manager.until("READY=1");
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    // A debugger stops this one thread. All others go on.
    let held = Held::of(thread_of(proxy.pid(), "worker-1"));
    // On a busy machine others may be late as well. The worker's listener has been asked on its own, and may have answered.
    let line = proxy.log_line("worker 1");
    assert!(line.contains("no progress: the service manager is not notified"), "{line}");
    assert!(is_silent(&manager));
    held.release();
    manager.until("WATCHDOG=1");
    // A process that was stopped as a whole goes on as well.
    proxy.signal("STOP");
    assert!(is_silent(&manager));
    proxy.signal("CONT");
    manager.until("WATCHDOG=1");
}

#[test]
fn the_watchdog_of_another_process_is_left_to_it() {
    let manager = Manager::new();
    let (_proxy, _pki, _backend) = started(&manager, Some("1"));
    manager.until("READY=1");
    assert!(is_silent(&manager));
}

/// The service manager would otherwise not see that the new process hangs, as long as the old one has connections.
#[test]
fn after_an_upgrade_only_the_new_process_notifies() {
    let manager = Manager::new();
    let (mut proxy, pki, _backend) = started(&manager, None);
    let address = proxy.address("main");
    let trust = std::sync::Arc::new(crate::support::client::trusting(&pki.ca(), Tls::V13));
    let mut client = crate::support::client::Client::silent(address, &trust, crate::support::stage::NAME);
    client.handshake().unwrap();
    manager.until("WATCHDOG=1");
    let successor = Successor::of(&proxy);
    let its_main = Pid::from_raw(successor.pid().parse().unwrap());
    manager.until("WATCHDOG=1");
    nix::sys::signal::kill(its_main, nix::sys::signal::Signal::SIGSTOP).unwrap();
    assert!(is_silent(&manager), "the old process has a connection, and is silent");
    nix::sys::signal::kill(its_main, nix::sys::signal::Signal::SIGCONT).unwrap();
    manager.until("WATCHDOG=1");
    client.close_notify().unwrap();
    assert_eq!(proxy.ended().code(), Some(0));
}
