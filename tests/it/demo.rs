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
