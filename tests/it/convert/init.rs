//! `tlsgate init`: options, questions, and a file that exists.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

fn init(folder: &std::path::Path, options: &[&str]) -> Output {
    Command::new(PROGRAM).arg("init").args(options).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn every_kind_is_written_and_passes_its_check() {
    for kind in ["ldaps", "tcp", "postgres"] {
        let pki = Pki::new();
        pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
        let options = ["--kind", kind, "--listen", "127.0.0.1:0", "--certificate", "certs", "--backend", "127.0.0.1:9"];
        let output = init(pki.folder(), &options);
        assert!(output.status.success(), "{}", tool::shown(&output));
        let file = pki.folder().join("tlsgate.toml");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777 & !0o640, 0);
        let text = fs::read_to_string(&file).unwrap();
        drop(Proxy::start(pki.folder(), &text));
        let again = init(pki.folder(), &options);
        assert_eq!(again.status.code(), Some(1), "{}", tool::shown(&again));
        let forced = init(pki.folder(), &[&options[..], &["--force"]].concat());
        assert!(forced.status.success(), "{}", tool::shown(&forced));
    }
    let folder = TempDir::new().unwrap();
    let output = init(folder.path(), &["--kind", "passthrough", "--name", "*.a.test", "--backend", "127.0.0.1:9"]);
    assert!(output.status.success(), "{}", tool::shown(&output));
}

#[test]
fn without_a_terminal_what_is_missing_is_named() {
    let folder = TempDir::new().unwrap();
    let output = init(folder.path(), &["--kind", "tcp"]);
    assert_eq!(output.status.code(), Some(2), "{}", tool::shown(&output));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("--backend") && message.contains("--certificate"), "{message}");
    assert!(!folder.path().join("tlsgate.toml").exists());
}

#[test]
fn at_a_terminal_what_is_missing_is_asked_for() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let file = pki.folder().join("tlsgate.toml");
    let command = format!("'{PROGRAM}' init -o '{}'", file.display());
    // `script` gives the command a terminal, and types what it is given.
    let typed = b"tcp\n127.0.0.1:0\ncerts\n127.0.0.1:9\n";
    let output = tool::run("script", &["-qec", &command, "/dev/null"], typed);
    assert!(output.status.success(), "{}", tool::shown(&output));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("certificates = [\"certs\"]"), "{text}");
    drop(Proxy::start(pki.folder(), &text));
}
