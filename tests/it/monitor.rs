//! The monitor: the process that keeps the rights of the start. Most tests take the place of the serving process, so that
//! they can ask for what that one never asks for.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg, socketpair,
};
use tempfile::TempDir;
use tlsgate::monitor::{Allowed, Ids, Monitor};
use tlsgate::net::address::Address;

use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;

mod files;
mod forged;
mod life;
mod programs;
mod rights;
mod running;

/// A monitor whose serving process is the test, and its configuration file.
struct Scene {
    monitor: Monitor,
    folder: TempDir,
}

impl Scene {
    /// With a configuration that names these addresses; the monitor has not read it.
    fn new(named: &[&str], allowed: Allowed) -> Self {
        Self::of(named, allowed, None)
    }

    fn of(named: &[&str], allowed: Allowed, user: Option<Ids>) -> Self {
        Self::inside(tempfile::tempdir().unwrap(), named, allowed, user)
    }

    /// With an address and a program that were named at the start: a shell script, in which FOLDER is the scene's folder.
    fn with_program(text: &str) -> (Self, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), &text.replace("FOLDER", folder.path().to_str().unwrap()));
        let allowed = Allowed { programs: vec![program.clone()], ..addresses(&["127.0.0.1:0"]) };
        (Self::inside(folder, &["127.0.0.1:0"], allowed, None), program)
    }

    fn inside(folder: TempDir, named: &[&str], allowed: Allowed, user: Option<Ids>) -> Self {
        let path = folder.path().join("tlsgate.toml");
        fs::write(&path, config(named, "")).unwrap();
        let arguments = vec![OsString::from("version")];
        let monitor =
            Monitor::start_program(Path::new(PROGRAM), arguments, allowed, Some(&path), user, "- - auto").unwrap();
        Self { monitor, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the configuration.
    fn names(&self, addresses: &[&str], more: &str) {
        fs::write(self.path("tlsgate.toml"), config(addresses, more)).unwrap();
    }

    fn bind(&self, address: &str) -> Result<(), String> {
        self.monitor.bind(&at(address), 0o600).map(drop).map_err(|error| error.to_string())
    }
}

/// An executable shell script.
pub(crate) fn script(folder: &Path, text: &str) -> PathBuf {
    let (draft, path) = (folder.join("draft"), folder.join("program"));
    fs::write(&draft, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    // Another process copies it, so that it is never open for writing here while others are started (ETXTBSY).
    assert!(Command::new("cp").arg("-p").args([&draft, &path]).status().unwrap().success());
    fs::remove_file(&draft).unwrap();
    path
}

fn at(address: &str) -> Address {
    Address::parse(address).unwrap()
}

fn addresses(addresses: &[&str]) -> Allowed {
    Allowed { addresses: addresses.iter().map(|address| at(address)).collect(), ..Allowed::default() }
}

/// A configuration whose listener has these addresses.
fn config(addresses: &[&str], more: &str) -> String {
    format!(
        "[[listener]]\nname = \"main\"\nlisten = {addresses:?}\ncertificates = [\"certs\"]\nbackend = \"b\"\n\
         [backend.b]\nservers = [\"127.0.0.1:1\"]\n{more}"
    )
}

/// Whether there is such a process that is no zombie.
fn is_running(pid: impl std::fmt::Display) -> bool {
    state(&pid).is_some_and(|state| state != 'Z')
}

fn state(pid: &impl std::fmt::Display) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The processes whose parent it is, zombies included.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let parent = parent.to_string();
    processes.filter(|pid: &u32| parent_of(*pid).is_some_and(|its| its == parent)).collect()
}

fn parent_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
}

/// The monitor of that `tlsgate run`.
pub(crate) fn monitor_of(pid: u32) -> u32 {
    eventually("it has a monitor", || {
        let named = |child: &u32| {
            fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name == "tlsgate-monitor\n")
        };
        children(pid).into_iter().find(named)
    })
}

fn signal(name: &str, pid: impl std::fmt::Display) {
    let sent = Command::new("kill").args([&format!("-{name}"), "--", &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A monitor to which nothing was sent, and its channel.
fn bare() -> (Child, OwnedFd) {
    let (channel, theirs) = pair();
    let mut command = Command::new(PROGRAM);
    let child = command.arg("monitor").stdin(Stdio::from(theirs)).stderr(Stdio::piped()).spawn().unwrap();
    (child, channel)
}

/// The two ends of a channel.
fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// Sends a packet, with a descriptor where one is given.
fn send(channel: &OwnedFd, packet: &[u8], descriptor: Option<OwnedFd>) {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = descriptor.iter().map(AsFd::as_fd).collect();
    assert!(descriptors.is_empty() || rights.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(channel, &[std::io::IoSlice::new(packet)], &mut rights, SendFlags::NOSIGNAL).unwrap();
}
