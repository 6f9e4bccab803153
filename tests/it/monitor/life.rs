//! How the monitor lives: signals, what it has open, its end.

use std::fs;
use std::path::{Path, PathBuf};

use tlsgate::monitor::message::{Item, Request};
use tlsgate::monitor::{Allowed, Monitor};

use super::{Scene, addresses, at, bare, children, is_running, pair, script, send, signal};
use crate::support::bind::wait;
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;

#[test]
fn signals_are_for_the_serving_process() {
    let scene = Scene::new(&[], addresses(&["127.0.0.1:0"]));
    // It is ready.
    assert_eq!(scene.bind("127.0.0.1:0"), Ok(()));
    for name in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "TERM"] {
        signal(name, scene.monitor.id());
        assert_eq!(scene.bind("127.0.0.1:0"), Ok(()), "{name}");
    }
}

#[test]
fn when_the_serving_process_ends_it_ends_with_its_programs() {
    let (mut child, channel) = bare();
    let sleep = PathBuf::from("/bin/sleep");
    let start = Request::Start { items: vec![Item::Program(sleep.clone())], last: true };
    send(&channel, &start.encode(), None);
    let program = Request::Program { path: sleep, arguments: vec!["1000".into()], limit: crate::support::PATIENCE };
    // This end stays open, so that the program is not killed because nobody waits for it.
    let (_reply, theirs) = pair();
    send(&channel, &program.encode(), Some(theirs));
    let program = eventually("it runs", || children(child.id()).pop());
    drop(channel);
    assert_eq!(eventually("the monitor ends", || child.try_wait().unwrap()).code(), Some(0));
    eventually("the program is gone", || (!is_running(program)).then_some(()));
}

#[test]
fn it_has_nothing_open_that_was_open_at_the_start() {
    let scene = Scene::new(&[], Allowed::default());
    let wrapper = script(scene.folder.path(), &format!("exec 7</etc/passwd 9</etc/group\nexec {PROGRAM} \"$@\"\n"));
    let path = scene.path("tlsgate.toml");
    let monitor =
        Monitor::start_program(&wrapper, Vec::new(), addresses(&["127.0.0.1:0"]), Some(&path), None, "- - auto")
            .unwrap();
    monitor.bind(&at("127.0.0.1:0"), 0).unwrap();
    let open = fs::read_dir(format!("/proc/{}/fd", monitor.id())).unwrap();
    let open: Vec<_> = open.map(|entry| fs::read_link(entry.unwrap().path()).unwrap()).collect();
    assert!(open.len() > 3 && !open.iter().any(|path| path.starts_with("/etc")), "{open:?}");
}

#[test]
fn a_killed_monitor_is_missed_with_words() {
    let scene = Scene::new(&[], addresses(&["127.0.0.1:0"]));
    assert_eq!(scene.bind("127.0.0.1:0"), Ok(()));
    signal("KILL", scene.monitor.id());
    let error = wait(scene.monitor.clone().ended()).unwrap().to_string();
    assert!(error.contains("signal: 9") && error.contains("restart"), "{error}");
    assert_eq!(scene.bind("127.0.0.1:0").unwrap_err(), error);
    let (_, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(scene.monitor.start_successor(theirs.into()).unwrap_err().to_string(), error);
    // It is collected.
    assert!(!Path::new(&format!("/proc/{}", scene.monitor.id())).exists());
}

#[test]
fn a_configuration_that_cannot_be_read_any_longer_is_refused_with_its_reason() {
    let scene = Scene::new(&[], Allowed::default());
    fs::remove_file(scene.path("tlsgate.toml")).unwrap();
    let error = scene.bind("127.0.0.1:0").unwrap_err();
    assert!(error.contains("no such file"), "{error}");
}
