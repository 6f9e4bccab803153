//! `tlsgate demo`, as a new user runs it: the printed commands are run unchanged.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::proxy::PROGRAM;
use crate::support::tool;

#[test]
fn its_commands_work_as_printed_and_it_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = Command::new(PROGRAM)
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let introduction: Vec<String> = lines.by_ref().take_while(|line| line != "The access log:").collect();
    let commands: Vec<&String> =
        introduction.iter().filter(|line| line.starts_with("printf ") || line.starts_with("curl ")).collect();
    assert_eq!(commands.len(), 3, "{introduction:#?}");
    let ca = introduction.iter().find(|line| line.starts_with("The CA")).unwrap();
    assert!(ca.contains(temporary.path().to_str().unwrap()), "{ca}");

    // The commands fail if a certificate does not verify.
    let expected = ["ldap.demo.test.rsa.crt", "ldap.demo.test.ecdsa.crt", "any.apps.demo.test"];
    for (command, certificate) in commands.iter().zip(expected) {
        let output = tool::run("bash", &["-c", command], b"");
        let shown = tool::shown(&output);
        assert!(output.status.success(), "{command}\n{shown}");
        let logged = lines.next().unwrap();
        assert!(logged.contains(certificate) && logged.contains(" completed"), "{logged}\n{shown}");
    }

    let status = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(lines.last().as_deref(), Some("The folder has been removed."));
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left behind");
}

#[test]
fn the_tour_shows_who_gets_which_certificate_and_ends_by_itself() {
    let temporary = tempfile::tempdir().unwrap();
    let tour = Command::new(PROGRAM).args(["demo", "--tour"]).env("TMPDIR", temporary.path()).output().unwrap();
    let text = tool::shown(&tour);
    assert_eq!(tour.status.code(), Some(0), "{text}");
    let shown = String::from_utf8(tour.stdout).unwrap();
    let lines: Vec<&str> = shown.lines().map(str::trim).collect();
    let tls: Vec<&&str> = lines.iter().filter(|line| line.starts_with("TLS ")).collect();
    let log: Vec<&&str> = lines.iter().filter(|line| line.starts_with("log ")).collect();
    let expected = [
        ("rsa_pss_rsae_sha256", "ldap.demo.test.rsa.crt"),
        ("ecdsa_secp256r1_sha256", "ldap.demo.test.ecdsa.crt"),
        ("ecdsa_secp256r1_sha256", "any.apps.demo.test.ecdsa.crt"),
    ];
    assert_eq!((tls.len(), log.len()), (3, 3), "{text}");
    for ((tls, log), (scheme, certificate)) in tls.iter().zip(&log).zip(expected) {
        assert!(tls.contains("TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768"), "{tls}");
        assert!(tls.ends_with(scheme) && log.contains(certificate) && log.contains(" completed"), "{text}");
    }
    assert!(!shown.contains('\u{1b}'), "no colours in a file");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left behind");
}
