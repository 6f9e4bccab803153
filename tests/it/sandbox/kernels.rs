//! On kernels that offer less: it starts all the same and says what is missing, or does not start. Another sandbox around the
//! program takes the kernel's calls away, as an old kernel or a container would.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{CONFIGURATION, Scene, configuration, is_root};
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::{PROGRAM, Proxy};

/// Which calls are taken away, and the words for what is missing then.
const CASES: [(&[libc::c_long], &[&str]); 3] = [
    (&[libc::SYS_landlock_create_ruleset], &["Landlock (files"]),
    (&[libc::SYS_seccomp], &["seccomp (system calls)"]),
    (&[libc::SYS_landlock_create_ruleset, libc::SYS_seccomp], &["Landlock (files", "seccomp (system calls)"]),
];

#[test]
fn it_starts_with_what_there_is_and_names_what_is_missing() {
    for (calls, missing) in CASES {
        let (pki, backend) = written("");
        let proxy = Proxy::spawn(without(pki.folder(), calls, &["run"]), 1).unwrap_or_else(|log| panic!("{log}"));
        let line = proxy.log_line("not offered here: ");
        let (_, named) = line.split_once("not offered here: ").unwrap();
        for part in missing {
            assert!(named.contains(part), "{line}");
        }
        assert_eq!(named.contains("seccomp"), calls.contains(&libc::SYS_seccomp), "{line}");
        let seccomp = fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
        let filters = seccomp.lines().find_map(|line| line.strip_prefix("Seccomp_filters:")).map(str::trim);
        // One is the test's own.
        assert_eq!(filters, Some(if calls.contains(&libc::SYS_seccomp) { "1" } else { "2" }));
        let scene = Scene { pki, backend, proxy };
        assert_eq!(scene.served("a.test"), super::serial(&fs::read(scene.path("certs/a.crt")).unwrap()));
    }
}

#[test]
fn where_all_is_required_it_does_not_start_without() {
    for (calls, missing) in CASES {
        let (pki, _backend) = written("[process]\nsandbox = \"require\"\n");
        for verb in ["run", "check"] {
            let output = without(pki.folder(), calls, &[verb]).output().unwrap();
            assert!(!output.status.success(), "{verb}: {}", shown(&output));
            for part in missing {
                assert!(shown(&output).contains(part), "{verb}: {}", shown(&output));
            }
            let place = if verb == "check" { ", column 11: process: sandbox: " } else { "process: sandbox" };
            assert!(shown(&output).contains(place), "{verb}: {}", shown(&output));
        }
    }
}

fn written(top: &str) -> (Pki, Backend) {
    let (pki, backend) = (Pki::new(), Backend::echo());
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    // Without a name for whom it becomes: this is about the kernel.
    let config = configuration(&backend, top, "\"../certs\"").replace("user = \"nobody\"\n", "");
    fs::create_dir(pki.folder().join("conf")).unwrap();
    fs::write(pki.folder().join(CONFIGURATION), config).unwrap();
    (pki, backend)
}

/// The program, for which the kernel does not have these calls.
fn without(folder: &Path, calls: &[libc::c_long], arguments: &[&str]) -> Command {
    let script = folder.join("without.py");
    fs::write(&script, include_str!("without.py")).unwrap();
    let mut command = Command::new("python3");
    let numbers = calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    command.arg(script).args([&numbers, PROGRAM]).args(arguments).arg("-c").arg(folder.join(CONFIGURATION));
    command.stdin(Stdio::null());
    command
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// As root and without a name for another user, it says that this can be better.
#[test]
fn root_is_warned_about() {
    let (pki, _backend) = written("");
    let mut alone = Command::new(PROGRAM);
    alone.args(["run", "-c"]).arg(pki.folder().join(CONFIGURATION)).stdin(Stdio::null());
    let proxy = Proxy::spawn(alone, 1).unwrap_or_else(|log| panic!("{log}"));
    let line = proxy.log_line("rights given up: ");
    assert_eq!(line.contains("only CAP_DAC_OVERRIDE"), is_root(), "{line}");
    if is_root() {
        proxy.log_line("tlsgate runs as root");
    }
}
