//! The state folder is full, or cannot be written: what is served goes on, nothing is ordered that could not be kept, and the
//! reason names the folder. The folder is a file system of its own, in a mount namespace of the program.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::scene::{Plan, Scene};
use crate::support::acme::kinds::Kind;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

/// Starts the program with a small file system for its state, and without root's right to write where it may not.
fn start(folder: &Path, config: &str) -> Proxy {
    let (state, path) = (folder.join("state"), folder.join("tlsgate.toml"));
    fs::create_dir(&state).unwrap();
    fs::write(&path, config).unwrap();
    let mut command = Command::new("unshare");
    // Who is not root may do so in a user namespace of its own.
    command.arg(if is_root() { "-m" } else { "-rm" });
    command.args(["sh", "-c", SCRIPT]).arg(state).arg(PROGRAM).arg(path);
    Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("tlsgate did not start:\n{log}"))
}

/// With the folder, the program and its configuration as arguments.
const SCRIPT: &str = r#"mount -t tmpfs -o size=256k,mode=700 tmpfs "$0" &&
exec setpriv --bounding-set=-dac_override "$1" run -c "$2""#;

/// The folder as the program sees it.
fn state(scene: &Scene) -> PathBuf {
    let state = scene.path("state");
    Path::new("/proc").join(scene.proxy.pid().to_string()).join("root").join(state.strip_prefix("/").unwrap())
}

/// Runs a shell command, in which `$0` is the state folder, in the program's namespaces.
fn inside(scene: &Scene, command: &str) {
    let (pid, state) = (scene.proxy.pid().to_string(), scene.path("state"));
    // Root has made no user namespace.
    let user: &[&str] = if is_root() { &[] } else { &["-U", "--preserve-credentials"] };
    let arguments = [&["-t", &pid, "-m"], user, &["sh", "-ec", command, state.to_str().unwrap()]].concat();
    let output = tool::run("nsenter", &arguments, b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_folder_that_is_full_or_cannot_be_written_costs_no_certificate_and_no_order() {
    let scene = Scene::with(&Plan::simple(), |_, _| {}, start);
    let old = scene.issued("a");
    let orders = scene.between.count(Kind::NewOrder);
    let path = scene.path("state");
    let path = path.to_str().unwrap();
    // The file system itself cannot be made read-only while the program has a file open in it.
    inside(&scene, "find \"$0\" -type d -exec chmod 500 {} +");
    scene.fails("not writable", &[path]);
    inside(&scene, "find \"$0\" -type d -exec chmod 700 {} +");

    let fill = state(&scene).join("fill");
    let mut file = fs::File::create(&fill).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    drop(file);
    scene.fails("full", &[path]);
    fs::remove_file(fill).unwrap();
    assert_eq!(scene.between.count(Kind::NewOrder), orders);
    scene.mended(&old);
}
