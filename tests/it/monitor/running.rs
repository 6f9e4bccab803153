//! `tlsgate run` with its monitor: upgrades, and the end of one or the other.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{is_running, monitor_of, parent_of, signal};
use crate::process::upgrade::Successor;
use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::client::{Client, Tls, trusting};
use crate::support::http::Door;
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{Lines, NAME, Stage, certified, config};

const ADMIN: &str = "[admin]\nlisten=\"unix:admin.sock\"\n";

fn stage(backend: &Backend) -> Stage {
    Stage::new(&[backend.address], Lines { top: ADMIN, ..Lines::default() })
}

fn exchange(client: &mut Client) {
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping");
}

/// The program in that folder, before and after `prepare` has changed the command.
fn run(folder: &Path, program: &Path, backend: &Backend, prepare: impl FnOnce(&mut Command)) -> Proxy {
    let path = folder.join("tlsgate.toml");
    fs::write(&path, config(&[backend.address], Lines { top: ADMIN, ..Lines::default() })).unwrap();
    let mut command = Command::new(program);
    command.args(["run", "-c"]).arg(&path).stdin(Stdio::null());
    prepare(&mut command);
    Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("tlsgate did not start:\n{log}"))
}

/// The successor is a child of the monitor. It has the service manager's socket for messages, and not its sockets for
/// listening.
#[test]
fn the_monitor_starts_the_successor_with_the_environment_of_the_start() {
    let (pki, backend) = (certified(), Backend::echo());
    let notified = pki.folder().join("notify.sock");
    let manager = UnixDatagram::bind(&notified).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut proxy = run(pki.folder(), Path::new(PROGRAM), &backend, |command| {
        // The number is that of another process, for which the sockets are.
        command.env("NOTIFY_SOCKET", &notified).env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    });
    let receive = || {
        let mut message = [0; 1000];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    assert!(receive().contains(&format!("MAINPID={}", proxy.pid())));
    let mut old = Client::silent(proxy.address("main"), &trusting(&pki.ca(), Tls::V13).into(), NAME);
    old.handshake().unwrap();
    let monitor = monitor_of(proxy.pid());
    let successor = Successor::of(&proxy);
    let pid = successor.0.parse().unwrap();
    assert_eq!(parent_of(pid), Some(monitor.to_string()));
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let has = |name: &str| environment.split('\0').any(|variable| variable.starts_with(&format!("{name}=")));
    assert!(has("NOTIFY_SOCKET") && !has("LISTEN_FDS") && !has("LISTEN_PID"), "{environment:?}");
    while !receive().contains(&format!("MAINPID={pid}")) {}
    // Each has a monitor of its own, and the first one ends with its process.
    assert_ne!(monitor_of(pid), monitor);
    exchange(&mut old);
    drop(old);
    assert_eq!(proxy.ended().code(), Some(0));
    eventually("the first monitor is gone", || (!is_running(monitor)).then_some(()));
    assert!(is_running(pid));
}

/// What is at the path of the program at the time of the upgrade is started, though the file that runs is gone.
#[test]
fn a_program_file_that_was_replaced_is_the_one_that_is_started() {
    let (pki, backend) = (certified(), Backend::echo());
    let (program, next) = (pki.folder().join("tlsgate"), pki.folder().join("next"));
    let copy = |to: &Path| assert!(Command::new("cp").arg(PROGRAM).arg(to).status().unwrap().success());
    copy(&program);
    let proxy = run(pki.folder(), &program, &backend, |_| ());
    monitor_of(proxy.pid());
    copy(&next);
    fs::rename(&next, &program).unwrap();
    let successor = Successor::of(&proxy);
    let runs = fs::metadata(format!("/proc/{}/exe", successor.0)).unwrap();
    assert_eq!(runs.ino(), fs::metadata(&program).unwrap().ino());
}

#[test]
fn without_its_monitor_the_service_goes_on_and_an_upgrade_is_refused() {
    let backend = Backend::echo();
    let stage = stage(&backend);
    let monitor = monitor_of(stage.proxy.pid());
    let mut old = stage.client(Tls::V13);
    signal("KILL", monitor);
    let line = stage.proxy.log_line("no other address can be bound");
    assert!(line.contains("signal: 9"), "{line}");
    exchange(&mut old);
    exchange(&mut stage.client(Tls::V12));
    stage.proxy.signal("USR2");
    let line = stage.proxy.log_line("cannot start another process");
    assert!(line.contains("monitor") && line.contains("signal: 9") && line.contains("restart"), "{line}");
    // A reload that binds nothing works, and one that binds is refused as a whole.
    let door = Door::unix(stage.pki.folder());
    let reload = || door.ask("POST", "/api/v1/reload", &[], "");
    assert_eq!(reload().status, 200);
    let path = stage.pki.folder().join("tlsgate.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"127.0.0.2:0\"]")).unwrap();
    let answer = reload();
    let error = answer.json()["errors"][0]["text"].as_str().unwrap().to_owned();
    assert!(answer.status == 422 && error.contains("127.0.0.2:0") && error.contains("monitor"), "{error}");
    exchange(&mut stage.client(Tls::V13));
    // It was collected, and left no zombie.
    assert!(!Path::new(&format!("/proc/{monitor}")).exists());
}

#[test]
fn a_reload_adds_an_address_with_the_help_of_the_monitor() {
    let backend = Backend::echo();
    let stage = stage(&backend);
    let door = Door::unix(stage.pki.folder());
    let path = stage.pki.folder().join("tlsgate.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"127.0.0.2:0\", \"unix:more.sock\"]"))
        .unwrap();
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    stage.proxy.log_line("listening listener=main address=127.0.0.2:");
    assert!(stage.pki.folder().join("more.sock").exists());
    fs::write(&path, text).unwrap();
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    eventually("the socket's file is gone", || (!stage.pki.folder().join("more.sock").exists()).then_some(()));
}

#[test]
fn where_the_serving_process_is_killed_the_monitor_ends() {
    let backend = Backend::echo();
    let mut stage = stage(&backend);
    let monitor = monitor_of(stage.proxy.pid());
    stage.proxy.signal("KILL");
    stage.proxy.ended();
    eventually("the monitor is gone", || (!is_running(monitor)).then_some(()));
}

/// As systemd does it to all processes of a service, and a terminal to those in the foreground.
#[test]
fn signals_to_all_processes_do_what_they_do_to_the_first() {
    let (pki, backend) = (certified(), Backend::echo());
    let mut proxy = run(pki.folder(), Path::new(PROGRAM), &backend, |command| {
        command.process_group(0);
    });
    let (pid, monitor) = (proxy.pid(), monitor_of(proxy.pid()));
    let group = format!("-{pid}");
    let mut client = Client::silent(proxy.address("main"), &trusting(&pki.ca(), Tls::V13).into(), NAME);
    client.handshake().unwrap();
    for name in ["HUP", "USR1"] {
        signal(name, &group);
        exchange(&mut client);
    }
    signal("TERM", &group);
    proxy.log_line("no longer accepting");
    assert!(is_running(monitor));
    exchange(&mut client);
    client.close_notify().unwrap();
    client.read_to_end();
    // Both have ended: nothing has its outputs any longer.
    assert_eq!(proxy.wait().code(), Some(0));
    // A process closes its files a moment before it is gone.
    eventually("the monitor is gone", || (!is_running(monitor)).then_some(()));
    assert!(!pki.folder().join("admin.sock").exists());
}

#[test]
fn with_the_sandbox_off_there_is_none() {
    let backend = Backend::echo();
    let top = format!("{ADMIN}[process]\nsandbox = \"off\"\n");
    let stage = Stage::new(&[backend.address], Lines { top: &top, ..Lines::default() });
    assert!(super::children(stage.proxy.pid()).is_empty());
    let successor = Successor::of(&stage.proxy);
    assert_eq!(parent_of(successor.0.parse().unwrap()), Some(stage.proxy.pid().to_string()));
}
