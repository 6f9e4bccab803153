//! Every verb with an output that cannot be written: no verb panics, whether a pipe is closed or a disk is full.

use std::fs::{self, File};
use std::io::pipe;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::PROGRAM;
use crate::support::tool;

/// The arguments, and the exit code if all output is read. The folder has `good.toml`, `bad.toml` and `certs`.
const VERBS: [(&str, i32); 27] = [
    ("check -c good.toml", 0),
    ("check -c good.toml --format json", 0),
    ("check -c bad.toml", 1),
    ("check -c bad.toml --format json", 1),
    ("explain -c good.toml --sni a.test --client openssl3", 0),
    ("explain -c good.toml --client openssl3 --format json", 0),
    ("cert list -c good.toml", 0),
    ("cert list -c good.toml --format json", 0),
    ("cert show certs", 0),
    ("cert show certs --format json", 0),
    ("policy list", 0),
    ("policy list --format json", 0),
    ("policy show FS-1-2-Res-2020-10", 0),
    ("policy show FS-1-2-Res-2020-10 --format json", 0),
    ("probe 127.0.0.1:1 --timeout 1s --format json", 1),
    ("ticket-key new", 0),
    ("schema", 0),
    ("completion bash", 0),
    ("manpage", 0),
    ("version", 0),
    ("--version", 0),
    ("--help", 0),
    ("help check", 0),
    ("probe --help", 0),
    ("ca issue --help", 0),
    ("init --help", 0),
    ("convert --help", 0),
];

/// Arguments that print on standard error alone, and the exit code.
const COMPLAINTS: [(&str, i32); 13] = [
    ("run -c bad.toml", 1),
    ("explain -c bad.toml", 1),
    ("explain -c good.toml --client netscape", 2),
    ("cert show nowhere", 1),
    ("ca list nowhere", 1),
    ("policy show nothing", 2),
    ("policy list -c bad.toml", 1),
    ("probe 127.0.0.1:1 --timeout 1s", 1),
    ("reload -c good.toml", 1),
    ("check", 2),
    ("nonsense", 2),
    ("init --kind tcp", 2),
    ("convert nowhere", 1),
];

struct Folder {
    pki: Pki,
}

impl Folder {
    fn new() -> Self {
        let pki = Pki::new();
        pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
        let good = "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\n\
                    backend = \"b\"\n[backend.b]\nservers = [\"127.0.0.1:9\"]\n";
        fs::write(pki.folder().join("good.toml"), good).unwrap();
        fs::write(pki.folder().join("bad.toml"), good.replace("\"b\"", "\"c\"")).unwrap();
        Self { pki }
    }

    fn run(&self, typed: &str, out: impl Into<Stdio>, err: impl Into<Stdio>) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(typed.split(' ')).current_dir(self.pki.folder()).stdin(Stdio::null());
        command.stdout(out).stderr(err).spawn().unwrap().wait_with_output().unwrap()
    }
}

/// The writing end of a pipe that nothing reads.
fn unread() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn a_reader_that_has_gone_is_no_fault_and_the_exit_code_is_the_verbs_own() {
    let folder = Folder::new();
    for (typed, code) in VERBS {
        let read = folder.run(typed, Stdio::piped(), Stdio::piped());
        assert_eq!(read.status.code(), Some(code), "{typed}: {}", tool::shown(&read));
        assert!(!read.stdout.is_empty(), "{typed}: it prints nothing");
        let gone = folder.run(typed, unread(), Stdio::piped());
        assert_eq!(gone.status.code(), Some(code), "{typed}: {}", tool::shown(&gone));
        assert_eq!(gone.stderr, read.stderr, "{typed}: {}", tool::shown(&gone));
        // `2>&1 | head`
        assert_eq!(folder.run(typed, unread(), unread()).status.code(), Some(code), "{typed}");
    }
}

#[test]
fn a_disk_that_is_full_is_an_error() {
    let folder = Folder::new();
    for (typed, _) in VERBS {
        let output = folder.run(typed, full(), Stdio::piped());
        assert_eq!(output.status.code(), Some(1), "{typed}: {}", tool::shown(&output));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("cannot write to standard output: "), "{typed}: {message}");
        assert_eq!(folder.run(typed, full(), full()).status.code(), Some(1), "{typed}");
    }
}

#[test]
fn errors_that_nobody_reads_leave_the_exit_code_as_it_is() {
    let folder = Folder::new();
    for (typed, code) in COMPLAINTS {
        let read = folder.run(typed, Stdio::piped(), Stdio::piped());
        assert_eq!(read.status.code(), Some(code), "{typed}: {}", tool::shown(&read));
        assert!(!read.stderr.is_empty(), "{typed}: it says nothing");
        for nowhere in [unread(), full()] {
            assert_eq!(folder.run(typed, Stdio::null(), nowhere).status.code(), Some(code), "{typed}");
        }
    }
}

#[test]
fn a_demo_that_nobody_sees_ends_and_leaves_nothing_behind() {
    let (folder, temporary) = (Folder::new(), TempDir::new().unwrap());
    let mut demo = Command::new(PROGRAM);
    demo.arg("demo").env("TMPDIR", temporary.path()).current_dir(folder.pki.folder()).stdin(Stdio::null());
    let output = demo.stdout(unread()).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", tool::shown(&output));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left behind");
}
