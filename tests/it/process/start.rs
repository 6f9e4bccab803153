//! A start that fails gives the reason in one line, has the documented exit code, and leaves nothing half-started.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::bare::Bare;
use crate::support::proxy::PROGRAM;
use crate::support::stage::{Lines, certified, config};
use crate::support::tool;

#[test]
fn a_configuration_that_cannot_be_used_ends_with_one_and_says_where() {
    let pki = certified();
    let server = [([127, 0, 0, 1], 9).into()];
    let with = |top, listener| config(&server, Lines { top, listener, backend: "" });
    let rows = [
        ("no TOML", "[[listener]\n".to_owned(), "not valid TOML"),
        ("an unknown table", with("[colour]\nred = 1", ""), "colour"),
        ("an unknown key", with("[log]\ncolour = \"red\"", ""), "unknown key \"colour\""),
        ("a number without a unit", with("", "idle_timeout = 10"), "idle_timeout"),
        (
            "a backend that is not there",
            config(&server, Lines::default()).replace("[backend.", "[backend.un"),
            "servers",
        ),
        (
            "a certificate that is not there",
            config(&server, Lines::default()).replace("[\"certs\"]", "[\"gone\"]"),
            "gone",
        ),
        ("a log in no folder", with("[log]\naccess = \"/nowhere/at/all.log\"", ""), "access"),
    ];
    for (what, text, expected) in rows {
        let path = pki.folder().join("bad.toml");
        fs::write(&path, text).unwrap();
        let output = tool::run(PROGRAM, &["run", "-c", path.to_str().unwrap()], b"");
        let shown = tool::shown(&output);
        assert_eq!(output.status.code(), Some(1), "{what}: {shown}");
        assert!(shown.contains(expected) && shown.contains("bad.toml"), "{what}: {shown}");
        assert!(!shown.contains("listening") && !shown.contains("panicked"), "{what}: {shown}");
    }
    let output = tool::run(PROGRAM, &["run", "-c", "/nowhere/at/all.toml"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(tool::shown(&output).contains("/nowhere/at/all.toml"), "{}", tool::shown(&output));
}

#[test]
fn wrong_usage_ends_with_two() {
    for arguments in [&[][..], &["run"], &["frobnicate"], &["run", "-c"], &["run", "-c", "x.toml", "--faster"]] {
        let output = tool::run(PROGRAM, arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", tool::shown(&output));
    }
}

#[test]
fn an_address_that_cannot_be_had_ends_the_start_with_one_line_that_names_it() {
    let pki = certified();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // 192.0.2.1 is for documentation (RFC 5737): no machine has it.
    for address in [taken.as_str(), "192.0.2.1:4433"] {
        let second = format!(
            "[[listener]]\nname = \"second\"\nlisten = \"{address}\"\ncertificates = [\"certs\"]\nbackend = \"servers\"\n"
        );
        let text = config(&[([127, 0, 0, 1], 9).into()], Lines { top: "", listener: &second, backend: "" });
        let path = pki.folder().join("taken.toml");
        fs::write(&path, text).unwrap();
        let output = tool::run(PROGRAM, &["run", "-c", path.to_str().unwrap()], b"");
        let shown = tool::shown(&output);
        assert_eq!(output.status.code(), Some(1), "{shown}");
        let errors: Vec<String> = String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect();
        let errors: Vec<&String> = errors.iter().filter(|line| !line.contains(" INFO ")).collect();
        assert_eq!(errors.len(), 1, "{shown}");
        assert!(errors[0].contains("\"second\"") && errors[0].contains(address), "{shown}");
        assert!(!shown.contains("listening"), "nothing is half-started: {shown}");
    }
}

/// Ports below 1024 on a machine with the default setting; without a network of its own the test could not know.
#[test]
fn a_port_that_needs_a_right_ends_the_start_with_one_line_that_says_how_to_get_it() {
    let pki = certified();
    let text = config(&[([127, 0, 0, 1], 9).into()], Lines::default()).replace("127.0.0.1:0", "0.0.0.0:636");
    let path = pki.folder().join("low.toml");
    fs::write(&path, text).unwrap();
    let without =
        ["--net", "setpriv", "--bounding-set=-net_bind_service", PROGRAM, "run", "-c", path.to_str().unwrap()];
    let output = tool::run("unshare", &without, b"");
    let shown = tool::shown(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    let errors: Vec<String> = String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect();
    let errors: Vec<&String> = errors.iter().filter(|line| !line.contains(" INFO ")).collect();
    let [error] = errors[..] else { panic!("{shown}") };
    let expected = ["\"main\"", "0.0.0.0:636", "CAP_NET_BIND_SERVICE", "ip_unprivileged_port_start", "1024"];
    assert!(expected.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn the_limit_of_open_files_is_raised_and_reported() {
    let pki = certified();
    let text = config(&[Backend::echo().address], Lines::default());
    let bare = Bare::start(pki.folder(), &text, "ulimit -Sn 200; ulimit -Hn 3000");
    let limits = fs::read_to_string(format!("/proc/{}/limits", bare.pid())).unwrap();
    let raised = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(raised.split_whitespace().nth(3), Some("3000"), "{raised}");
    let reported = bare.first_lines.lines().any(|line| line.contains("200") && line.contains("3000"));
    assert!(reported, "{}", bare.first_lines);
}

#[test]
fn a_service_manager_is_notified_when_it_accepts_and_when_it_stops() {
    let pki = certified();
    let path = pki.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut message = [0; 256];
    let mut next = || {
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let text = config(&[Backend::echo().address], Lines::default());
    let bare = Bare::start(pki.folder(), &text, &format!("export NOTIFY_SOCKET={}", path.display()));
    let ready = next();
    assert!(ready.starts_with(&format!("READY=1\nMAINPID={}\n", bare.pid())), "{ready}");
    assert!(Command::new("kill").arg(bare.pid().to_string()).status().unwrap().success());
    let stopping = next();
    assert!(stopping.lines().any(|line| line == "STOPPING=1"), "{stopping}");
}
