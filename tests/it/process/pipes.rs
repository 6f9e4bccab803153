//! A configuration that can be read only once: from standard input, or from a shell's pipe.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use crate::support::backend::Backend;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::stage::{Lines, NAME, certified, config};
use crate::support::tool;

/// Its relative paths start from the working directory.
fn written(pki: &Pki, backend: &Backend) {
    let lines = Lines { top: "[admin]\nlisten = \"unix:admin.sock\"", ..Lines::default() };
    fs::write(pki.folder().join("given.toml"), config(&[backend.address], lines)).unwrap();
}

fn from_standard_input(pki: &Pki) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-c", "-"]).stdin(File::open(pki.folder().join("given.toml")).unwrap());
    command
}

fn from_a_shells_pipe(_: &Pki) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", "exec \"$0\" run -c <(cat given.toml)", PROGRAM]).stdin(Stdio::null());
    command
}

#[test]
fn the_configuration_is_kept_and_its_certificates_are_read_again() {
    let backend = Backend::echo();
    for (how, given) in [("-", from_standard_input as fn(&Pki) -> Command), ("/dev/fd/", from_a_shells_pipe)] {
        let pki = certified();
        written(&pki, &backend);
        let mut command = given(&pki);
        command.current_dir(pki.folder());
        let mut proxy = Proxy::spawn(command, 1).unwrap_or_else(|log| panic!("{how}: {log}"));
        assert!(proxy.log_line("can be read only once").contains(how), "{how}");
        pki.write("certs", "main", &[NAME], Key::P256, &Extra::default());
        proxy.log_line("main.crt replaced");
        // The answer to a reload names what it could not do.
        let answer = Door::unix(pki.folder()).ask("POST", "/api/v1/reload", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let changes = answer.json()["changes"].to_string();
        assert!(changes.contains(how) && changes.contains("not the configuration"), "{how}: {changes}");
        // Another process could not read it.
        proxy.signal("USR2");
        proxy.log_line("no other process is started");
        assert_eq!(Door::unix(pki.folder()).get("/readyz").status, 200);
        proxy.signal("TERM");
        assert_eq!(proxy.wait().code(), Some(0), "{how}");
    }
}

#[test]
fn every_verb_reads_a_configuration_from_standard_input() {
    let (pki, backend) = (certified(), Backend::echo());
    let absolute = pki.folder().join("certs").display().to_string();
    let text = config(&[backend.address], Lines::default()).replace("\"certs\"", &format!("{absolute:?}"));
    let rows: [(&[&str], &str); 4] = [
        (&["check", "-c", "-"], "-: ok"),
        (&["cert", "list", "-c", "-"], "main.crt"),
        (&["explain", "-c", "-", "--sni", NAME], "main.crt"),
        (&["policy", "list", "-c", "-"], "TLS13-1-2-Res-PQ-2025-09"),
    ];
    for (arguments, expected) in rows {
        let output = tool::run(PROGRAM, arguments, text.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", tool::shown(&output));
        assert!(tool::shown(&output).contains(expected), "{arguments:?}: {}", tool::shown(&output));
    }
    let both = tool::run(PROGRAM, &["explain", "-c", "-", "--hello", "-"], text.as_bytes());
    assert_eq!(both.status.code(), Some(2), "{}", tool::shown(&both));
}

#[test]
fn what_has_no_end_is_no_configuration() {
    for how in ["-c - < /dev/zero", "-c <(cat /dev/zero)"] {
        for verb in ["check", "run"] {
            let output = tool::run("bash", &["-c", &format!("exec \"$0\" {verb} {how}"), PROGRAM], b"");
            assert_eq!(output.status.code(), Some(1), "{verb} {how}: {}", tool::shown(&output));
            assert!(tool::shown(&output).contains("is larger than 16 MiB"), "{verb} {how}: {}", tool::shown(&output));
        }
    }
}
