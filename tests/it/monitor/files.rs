//! The files of Unix sockets that the monitor binds.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{getegid, geteuid};
use tlsgate::monitor::{Allowed, Ids, Monitor};
use tlsgate::net::listen::FileId;

use super::{Scene, addresses, at, pair};
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;

/// Another user where the tests run as root, and this one otherwise.
fn user() -> Ids {
    match geteuid().is_root() {
        true => Ids { uid: 65534, gid: 65533, groups: Vec::new() },
        false => Ids { uid: geteuid().as_raw(), gid: getegid().as_raw(), groups: Vec::new() },
    }
}

fn scene() -> (Scene, String) {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("main.sock").display());
    (Scene::inside(folder, &[], addresses(&[&address]), Some(user())), address)
}

#[test]
fn a_socket_belongs_to_the_user_and_has_its_mode() {
    let (scene, address) = scene();
    let bound = scene.monitor.bind(&at(&address), 0o620).unwrap();
    let path = scene.path("main.sock");
    let is = fs::symlink_metadata(&path).unwrap();
    assert_eq!((is.uid(), is.gid(), is.mode() & 0o7777), (user().uid, user().gid, 0o620));
    assert_eq!(bound.file, Some(FileId { device: is.dev(), inode: is.ino() }));
    // Nothing else is left in the folder than the configuration.
    assert_eq!(fs::read_dir(scene.folder.path()).unwrap().count(), 2);
    let listener = UnixListener::from(bound.socket);
    let _client = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
    let error = scene.bind(&address).unwrap_err();
    assert!(error.contains("another process listens there"), "{error}");
    // One that is left behind is replaced.
    drop(listener);
    assert_eq!(scene.bind(&address), Ok(()));
    assert_ne!(fs::symlink_metadata(&path).unwrap().ino(), is.ino());
}

#[test]
fn only_the_socket_itself_is_removed() {
    let (scene, address) = scene();
    let bound = scene.monitor.bind(&at(&address), 0o600).unwrap();
    let (file, path, aside) = (bound.file.unwrap(), scene.path("main.sock"), scene.path("aside"));
    let remove = |file| scene.monitor.remove(&at(&address), file).map_err(|error| error.to_string());
    let other = FileId { inode: file.inode + 1, ..file };
    assert!(remove(other).unwrap_err().contains("another file is in its place"));
    let elsewhere = scene.monitor.remove(&at("unix:/tmp/other.sock"), file).unwrap_err().to_string();
    assert!(elsewhere.contains("/tmp/other.sock"), "{elsewhere}");
    // Somebody else's files in its place, also by a link to the socket.
    fs::rename(&path, &aside).unwrap();
    symlink(&aside, &path).unwrap();
    assert!(remove(file).is_err());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "a file").unwrap();
    let is = fs::symlink_metadata(&path).unwrap();
    assert!(remove(FileId { device: is.dev(), inode: is.ino() }).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"a file");
    let error = scene.bind(&address).unwrap_err();
    assert!(error.contains("not a socket"), "{error}");
    fs::remove_file(&path).unwrap();
    assert!(remove(file).is_err());
    fs::rename(&aside, &path).unwrap();
    assert_eq!(remove(file), Ok(()));
    assert!(!path.exists());
}

/// The successor may have taken it over.
#[test]
fn while_a_successor_runs_no_file_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, fifo) = (folder.path().join("main.sock"), folder.path().join("fifo"));
    // The successor waits for ever in a pipe that has no writer.
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let config = folder.path().join("tlsgate.toml");
    fs::write(&config, "").unwrap();
    let address = format!("unix:{}", path.display());
    let arguments = vec!["run".into(), "-c".into(), fifo.clone().into()];
    let monitor =
        Monitor::start_program(Path::new(PROGRAM), arguments, addresses(&[&address]), Some(&config), None, "- - auto")
            .unwrap();
    let file = monitor.bind(&at(&address), 0o600).unwrap().file.unwrap();
    let (_ours, theirs) = pair();
    let successor = monitor.start_successor(theirs).unwrap();
    let (_, another) = pair();
    assert!(monitor.start_successor(another).unwrap_err().to_string().contains("runs already"));
    assert!(monitor.remove(&at(&address), file).unwrap_err().to_string().contains("successor"));
    assert!(path.exists());
    successor.kill().unwrap();
    assert_eq!(successor.wait().unwrap().signal(), Some(9));
    // It is allowed as soon as the monitor has seen the end.
    eventually("it is removed", || monitor.remove(&at(&address), file).ok());
    assert!(!path.exists());
}

#[test]
fn what_was_named_at_the_start_is_opened_again_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap();
    fs::set_permissions(&top, fs::Permissions::from_mode(0o755)).unwrap();
    let (certs, other) = (top.join("certs"), top.join("other"));
    for folder in [&certs, &other] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("a.crt"), "old").unwrap();
    }
    let allowed = Allowed { places: vec![certs.clone()], ..Allowed::default() };
    let scene = Scene::inside(folder, &["127.0.0.1:0"], allowed, Some(user()));
    // Another folder in its place.
    fs::rename(&certs, top.join("before")).unwrap();
    fs::create_dir(&certs).unwrap();
    fs::write(certs.join("a.crt"), "new").unwrap();
    let open = |path: &Path| scene.monitor.open(path).map_err(|error| error.to_string());
    let mut text = String::new();
    fs::File::from(open(&certs.join("a.crt")).unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "new");
    assert!(open(&certs).is_ok());
    for outside in [&top, &other.join("a.crt"), &top.join("certs2"), Path::new("/etc/shadow"), Path::new("certs")] {
        let error = open(outside).unwrap_err();
        assert!(error.contains(&format!("{outside:?}")) && error.contains("expected"), "{error}");
    }
    symlink("/etc/shadow", certs.join("b.crt")).unwrap();
    symlink(&other, certs.join("below")).unwrap();
    fs::write(certs.join("c.crt"), "secret").unwrap();
    fs::set_permissions(certs.join("c.crt"), fs::Permissions::from_mode(0o000)).unwrap();
    for refused in ["b.crt", "below/a.crt", "c.crt", "../other/a.crt", "absent"] {
        let error = open(&certs.join(refused)).unwrap_err();
        assert!(!error.is_empty(), "{refused}");
    }
}
