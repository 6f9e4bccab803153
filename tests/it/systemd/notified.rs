//! What the service manager is notified of: the start, reloads, upgrades, the end.

use super::{Manager, value};
use crate::process::upgrade::Successor;
use crate::support::backend::Backend;
use crate::support::client::Tls;
use crate::support::pki::Pki;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{Lines, NAME, certified, config};
use crate::support::tool;

fn start(manager: &Manager, pki: &Pki, text: &str) -> Proxy {
    let path = pki.folder().join("tlsgate.toml");
    std::fs::write(&path, text).unwrap();
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(&path).env("NOTIFY_SOCKET", &manager.path);
    Proxy::spawn(command, 1).unwrap()
}

fn microseconds(message: &[String], name: &str) -> u64 {
    value(message, name).parse().unwrap()
}

/// The clock that systemd compares with, in microseconds.
fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    u64::try_from(now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000).unwrap()
}

#[test]
fn it_reports_the_start_every_reload_and_the_end() {
    let (manager, pki, backend) = (Manager::new(), certified(), Backend::echo());
    let lines = Lines { top: "[runtime]\nshutdown_timeout = \"2h\"\n", ..Lines::default() };
    let text = config(&[backend.address], lines);
    let mut proxy = start(&manager, &pki, &text);
    let ready = manager.next();
    assert_eq!((value(&ready, "READY"), value(&ready, "MAINPID")), ("1", &*proxy.pid().to_string()));
    assert_eq!(value(&ready, "STATUS"), "listening on 1 socket");
    let path = pki.folder().join("tlsgate.toml");
    let second = text.replace("listen = \"127.0.0.1:0\"", "listen = [\"127.0.0.1:0\", \"127.0.0.2:0\"]");
    for (text, expected) in [
        (second, "listening on 2 sockets; reloaded at "),
        ("[[listener]]\n".to_owned(), "listening on 2 sockets; the reload at "),
        (text, "listening on 1 socket; reloaded at "),
    ] {
        std::fs::write(&path, text).unwrap();
        let signalled = now();
        proxy.signal("HUP");
        let begun = manager.until("RELOADING=1");
        let stated = microseconds(&begun, "MONOTONIC_USEC");
        assert!((signalled..=now()).contains(&stated), "{begun:?}");
        // It ends also where it was refused, since the service goes on.
        let ended = manager.until("READY=1");
        assert!(value(&ended, "STATUS").starts_with(expected), "{ended:?}");
    }
    let mut client = crate::support::client::Client::silent(
        proxy.address("main"),
        &std::sync::Arc::new(crate::support::client::trusting(&pki.ca(), Tls::V13)),
        NAME,
    );
    client.handshake().unwrap();
    proxy.signal("TERM");
    let stopping = manager.until("STOPPING=1");
    assert!(microseconds(&stopping, "EXTEND_TIMEOUT_USEC") >= 2 * 3600 * 1_000_000, "{stopping:?}");
    assert!(value(&stopping, "STATUS").contains("2h"), "{stopping:?}");
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
}

/// Who asks for the end means the service, not only the process that serves it now.
#[test]
fn an_end_that_is_asked_for_in_an_upgrade_ends_both() {
    let (manager, pki, backend) = (Manager::new(), certified(), Backend::echo());
    let lines = Lines { top: "[runtime]\nshutdown_timeout = \"2h\"\n", ..Lines::default() };
    let text = config(&[backend.address], lines)
        .replace("listen = \"127.0.0.1:0\"", "listen = [\"127.0.0.1:0\", \"unix:main.sock\"]");
    let mut proxy = start(&manager, &pki, &text);
    manager.until("READY=1");
    let trust = std::sync::Arc::new(crate::support::client::trusting(&pki.ca(), Tls::V13));
    let mut client = crate::support::client::Client::silent(proxy.address("main"), &trust, NAME);
    client.handshake().unwrap();
    let path = pki.folder().join("tlsgate.toml");
    std::fs::remove_file(&path).unwrap();
    // The other process waits for ever in a pipe that has no writer.
    assert!(tool::run("mkfifo", &[path.to_str().unwrap()], b"").status.success());
    proxy.signal("USR2");
    let line = proxy.log_line("starting another process to take over");
    let other = Successor(line.rsplit_once("pid=").unwrap().1.trim().to_owned());
    proxy.signal("TERM");
    let stopping = manager.until("STOPPING=1");
    assert!(microseconds(&stopping, "EXTEND_TIMEOUT_USEC") >= 2 * 3600 * 1_000_000, "{stopping:?}");
    assert!(!std::path::Path::new("/proc").join(other.pid()).exists(), "the other process is still there");
    // Its connections go on meanwhile.
    client.send(b"ping").unwrap();
    assert_eq!(client.read_exact(4), b"ping");
    client.close_notify().unwrap();
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(!pki.folder().join("main.sock").exists(), "nobody listens there");
}

#[test]
fn after_an_upgrade_the_new_process_is_the_main_one_and_nothing_has_stopped() {
    let (manager, pki, backend) = (Manager::new(), certified(), Backend::echo());
    let mut proxy = start(&manager, &pki, &config(&[backend.address], Lines::default()));
    manager.until("READY=1");
    // One that cannot take over changes nothing but the status.
    let path = pki.folder().join("tlsgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "[[listener]]\n").unwrap();
    proxy.signal("USR2");
    let status = |message: &[String]| value(message, "STATUS").to_owned();
    assert!(status(&manager.next()).contains("is about to take over"));
    // The file was read again meanwhile, or not.
    let failed = loop {
        let message = manager.next();
        assert!(!message.iter().any(|line| line.starts_with("READY") || line.starts_with("MAINPID")), "{message:?}");
        if status(&message).contains("no other process") {
            break message;
        }
    };
    assert_eq!(failed.len(), 1, "{failed:?}");
    std::fs::write(&path, text).unwrap();
    let successor = Successor::of(&proxy);
    let ready = manager.until("READY=1");
    assert_eq!(value(&ready, "MAINPID"), successor.pid());
    assert_eq!(proxy.ended().code(), Some(0));
    while let Some(message) = manager.next_within(std::time::Duration::from_millis(1)) {
        assert!(!message.iter().any(|line| line == "STOPPING=1"), "{message:?}");
    }
}
