//! Other tools. A missing one is a failure, never a skipped test.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use super::proxy::PROGRAM;

/// Runs `program` with `input` on standard input (which is then closed), for two minutes at most.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    run_for(Duration::from_secs(120), program, arguments, input)
}

/// The same for a tool that may take longer, bounded by coreutils' `timeout`.
pub(crate) fn run_for(limit: Duration, program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new("timeout")
        .args(["--kill-after=5", &limit.as_secs().to_string(), program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // In a thread, since a tool that prints before it has read everything would block on a full pipe. The error is
    // ignored, since a tool may end without having read everything.
    let feeder = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert_ne!(output.status.code(), Some(127), "{program} is not installed; tests/run installs it");
    assert_ne!(output.status.code(), Some(126), "{program} cannot be run:\n{}", shown(&output));
    assert_ne!(output.status.code(), Some(124), "{program} {arguments:?} did not end:\n{}", shown(&output));
    output
}

/// The environment in which a program's OpenSSL offers only these signature schemes, for programs without an option for
/// them. The file for that is written next to `beside`.
pub(crate) fn openssl_offering(schemes: &str, beside: &Path) -> String {
    let config = beside.with_file_name(format!("{}.cnf", schemes.replace([':', '+'], "-")));
    let head = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\nSignatureAlgorithms = ";
    fs::write(&config, format!("{head}{schemes}\n")).unwrap();
    format!("OPENSSL_CONF={}", config.display())
}

/// Status, standard output and standard error, for a failure's message.
pub(crate) fn shown(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\nstdout:\n{out}\nstderr:\n{err}", output.status)
}

/// A program from PyPI.
pub(crate) fn from_pypi(name: &str) -> PathBuf {
    beside(&format!("test-tools/bin/{name}"))
}

/// A file of a package from npm.
pub(crate) fn from_npm(path: &str) -> PathBuf {
    beside(&format!("test-tools/node_modules/{path}"))
}

/// The files of a Debian that has systemd and nothing else that is not essential.
pub(crate) fn clean_debian() -> PathBuf {
    beside("test-debian")
}

/// What `tests/run` installs beside what cargo builds.
fn beside(path: &str) -> PathBuf {
    let found = Path::new(PROGRAM).ancestors().nth(2).unwrap().join(path);
    assert!(found.exists(), "{} is missing; tests/run installs it", found.display());
    found
}
