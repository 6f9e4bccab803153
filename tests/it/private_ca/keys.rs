//! Keys with a passphrase: what OpenSSL and GnuTLS read of them, and where the passphrase comes from.

use std::fs;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{Ca, run};
use crate::support::pki::write_private;
use crate::support::proxy::PROGRAM;
use crate::support::tool::{self, shown};

const PASSPHRASE: &str = "correct horse battery staple";

fn sealed() -> Ca {
    let ca = Ca { folder: TempDir::new().unwrap() };
    write_private(&ca.path("passphrase"), &format!("{PASSPHRASE}\n"));
    ca.does(&["new", "ca", "--passphrase-file", "passphrase"]);
    ca
}

/// Runs `tlsgate ca` without a terminal, and with this passphrase in the environment.
fn with_environment(ca: &Ca, passphrase: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new("setsid");
    command.args(["--wait", PROGRAM, "ca"]).args(arguments).current_dir(ca.folder.path()).stdin(Stdio::null());
    command.env_remove("TLSGATE_CA_PASSPHRASE");
    command.envs(passphrase.map(|passphrase| ("TLSGATE_CA_PASSPHRASE", passphrase)));
    command.output().unwrap()
}

#[test]
fn openssl_and_gnutls_read_the_keys_with_the_passphrase_only() {
    let ca = sealed();
    let issuing = fs::read_dir(ca.path("ca/issuing")).unwrap().map(|entry| entry.unwrap().path());
    let issuing = issuing.filter(|path| path.extension().is_some_and(|ending| ending == "key")).collect::<Vec<_>>();
    assert_eq!(issuing.len(), 1);
    for key in [ca.path("ca/ca.key"), issuing[0].clone()] {
        let key = key.to_str().unwrap();
        let openssl = |passphrase: &str| {
            let from = format!("pass:{passphrase}");
            tool::run("openssl", &["pkey", "-in", key, "-passin", &from, "-noout"], b"").status.success()
        };
        assert!(openssl(PASSPHRASE) && !openssl("wrong"));
        let gnutls = |passphrase: &str| {
            tool::run("certtool", &["--key-info", "--infile", key, "--password", passphrase], b"").status.success()
        };
        assert!(gnutls(PASSPHRASE) && !gnutls("wrong"));
    }
}

#[test]
fn keys_that_openssl_encrypted_are_read() {
    let ca = Ca::new(&[]);
    let key = ca.text("ca/ca.key");
    let plain = fs::read(&key).unwrap();
    for (cipher, prf) in
        [("aes-256-cbc", "hmacWithSHA256"), ("aes-128-cbc", "hmacWithSHA1"), ("aes-192-cbc", "hmacWithSHA512")]
    {
        let pass = format!("pass:{PASSPHRASE}");
        let arguments = ["pkcs8", "-topk8", "-v2", cipher, "-v2prf", prf, "-passout", &pass];
        let encrypted = tool::run("openssl", &arguments, &plain);
        assert!(encrypted.status.success(), "{}", shown(&encrypted));
        write_private(&ca.path("ca/ca.key"), &String::from_utf8(encrypted.stdout).unwrap());
        let renewed = with_environment(&ca, Some(PASSPHRASE), &["renew", "ca"]);
        assert!(renewed.status.success(), "{cipher} {prf}: {}", shown(&renewed));
    }
    let scrypt = ["pkcs8", "-topk8", "-scrypt", "-passout", &format!("pass:{PASSPHRASE}")];
    let encrypted = tool::run("openssl", &scrypt, &plain);
    assert!(encrypted.status.success(), "{}", shown(&encrypted));
    write_private(&ca.path("ca/ca.key"), &String::from_utf8(encrypted.stdout).unwrap());
    let renewed = with_environment(&ca, Some(PASSPHRASE), &["renew", "ca"]);
    assert!(renewed.status.success(), "{}", shown(&renewed));
}

#[test]
fn a_passphrase_comes_from_a_file_or_the_environment() {
    let ca = sealed();
    ca.does(&["issue", "ca", "a.test", "--passphrase-file", "passphrase", "--out", "certs"]);
    let issue = ["issue", "ca", "b.test", "--out", "certs"];
    let output = with_environment(&ca, Some(PASSPHRASE), &issue);
    assert!(output.status.success(), "{}", shown(&output));
    for (passphrase, words) in [
        (Some("wrong"), "cannot be decrypted with this passphrase"),
        (Some(""), "empty passphrase in TLSGATE_CA_PASSPHRASE"),
        (None, "--passphrase-file"),
    ] {
        let output = with_environment(&ca, passphrase, &issue);
        let error = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(output.status.code() == Some(1) && error.contains(words), "{}", shown(&output));
    }
    // No key is needed to look.
    assert_eq!(ca.list().len(), 2);
    let error = ca.refuses(&["crl", "ca", "--passphrase-file", "absent"]);
    assert!(error.contains("absent: no such file"), "{error}");
    let keyed = ca.path("certs/a.test.ecdsa-p256/tls.key");
    assert!(fs::read_to_string(keyed).unwrap().contains("BEGIN PRIVATE KEY"), "a server reads it without a person");
    // A new issuing key is encrypted as the root's is.
    ca.does(&["renew", "ca", "--passphrase-file", "passphrase"]);
    let keys =
        fs::read_dir(ca.path("ca/issuing")).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    assert_eq!(keys.filter(|text| text.contains("BEGIN ENCRYPTED PRIVATE KEY")).count(), 2);
}

#[test]
fn a_person_is_asked_at_the_terminal_and_what_is_typed_is_not_shown() {
    let ca = Ca { folder: TempDir::new().unwrap() };
    // The typed line has a mistake and a key that removes it.
    let typed = |what: &[&str], arguments: &[&str]| {
        let mut all = vec!["-c", TERMINAL, what[0], what[1], ca.folder.path().to_str().unwrap(), PROGRAM, "ca"];
        all.extend(arguments);
        let output = tool::run("/usr/bin/python3", &all, b"");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let with_mistake = format!("{PASSPHRASE}x\u{7f}\n");
    let line = format!("{PASSPHRASE}\n");
    let (code, shown) = typed(&[&with_mistake, &line], &["new", "ca", "--encrypt"]);
    assert!(code == Some(0) && !shown.contains("horse"), "{code:?} {shown}");
    let (code, shown) = typed(&[&line, "never\n"], &["issue", "ca", "a.test", "--out", "certs"]);
    assert!(code == Some(0) && !shown.contains("horse"), "{code:?} {shown}");
    let (code, shown) = typed(&[&line, "another\n"], &["new", "other", "--encrypt"]);
    assert!(code == Some(1) && shown.contains("differ"), "{code:?} {shown}");
    let (code, _) = typed(&["half\u{3}", "never\n"], &["new", "other", "--encrypt"]);
    assert_eq!(code, Some(1));
    assert!(!ca.path("other").exists());
    let output = run(ca.folder.path(), &["list", "ca"]);
    assert!(output.status.success(), "{}", shown_of(&output));
}

fn shown_of(output: &Output) -> String {
    shown(output)
}

/// Runs a command at a terminal of its own, types a line at each of the first two questions, and prints what it shows.
const TERMINAL: &str = r#"
import os, pty, sys
lines, folder, command = sys.argv[1:3], sys.argv[3], sys.argv[4:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.pop("TLSGATE_CA_PASSPHRASE", None)
    os.chdir(folder)
    os.execv(command[0], command)
shown = b""
while True:
    try:
        part = os.read(terminal, 1000)
    except OSError:
        break
    if not part:
        break
    shown += part
    if part.endswith(b": ") and lines:
        os.write(terminal, lines.pop(0).encode())
print(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
