//! A path without a regular file, or with a file that takes long to read: an error or a wait, but never an unresponsive
//! process.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::client::Tls;
use crate::support::http::{Door, Response};
use crate::support::pki::Pki;
use crate::support::procfs::eventually;
use crate::support::proxy::PROGRAM;
use crate::support::stage::{Lines, Stage, certified, config};
use crate::support::tool;

fn fifo(path: &Path) {
    assert!(tool::run("mkfifo", &["-m", "600", path.to_str().unwrap()], b"").status.success());
}

/// Something without an end in the place of a file.
const NEVER_ENDING: [(&str, fn(&Path)); 2] = [("FIFO", fifo), ("device", |path| symlink("/dev/zero", path).unwrap())];

#[test]
fn every_file_that_is_named_must_be_a_regular_one() {
    let pki = certified();
    let plain = Lines::default();
    let listener = |listener| Lines { listener, ..plain };
    let backend = |backend| Lines { backend, ..plain };
    let rows = [
        ("a client CA", listener("client_auth = { mode = \"require\", ca = \"x.crt\" }")),
        ("a list", listener("client_auth = { mode = \"require\", ca = \"ca.pem\", crl = \"x.crt\" }")),
        ("ticket keys", listener("ticket_keys = \"x.crt\"")),
        ("a certificate", listener("certificates = [\"x.crt\"]")),
        ("a key", listener("certificates = [{ cert = \"certs/main.crt\", key = \"x.crt\" }]")),
        ("a backend's CA", backend("tls = { ca = \"x.crt\", server_name = \"b.test\" }")),
        (
            "a certificate for a backend",
            backend("tls = { ca = \"ca.pem\", server_name = \"b.test\", cert = \"x.crt\", key = \"certs/main.key\" }"),
        ),
        ("a health check's CA", backend("health = { type = \"tls\", ca = \"x.crt\" }")),
        ("a password", backend("health = { type = \"ldap\", bind_dn = \"cn=a\", password_file = \"x.crt\" }")),
        ("a token", Lines { top: "[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"x.crt\"", ..plain }),
    ];
    for (what, lines) in rows {
        let text = config(&[([127, 0, 0, 1], 9).into()], lines);
        // If a name has two keys, the key of the row counts.
        let own = lines.listener.starts_with("certificates");
        let text = if own { text.replacen("certificates = [\"certs\"]\n", "", 1) } else { text };
        let (path, file) = (pki.folder().join("tlsgate.toml"), pki.folder().join("x.crt"));
        fs::write(&path, text).unwrap();
        for (kind, put) in NEVER_ENDING {
            put(&file);
            for verb in ["check", "run"] {
                is_refused(&[verb, "-c", path.to_str().unwrap()], kind, what);
            }
            fs::remove_file(&file).unwrap();
        }
    }
    for verb in ["check", "run"] {
        is_refused(&[verb, "-c", "/dev/zero"], "device", "the configuration");
    }
}

fn is_refused(arguments: &[&str], kind: &str, what: &str) {
    let output = tool::run_for(PATIENCE, PROGRAM, arguments, b"");
    let shown = tool::shown(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {what}: {shown}");
    assert!(shown.contains(&format!("is a {kind}, expected a regular file")), "{arguments:?}: {what}: {shown}");
}

/// A folder that takes minutes to read: one large file under many names.
fn long_to_read(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let large = folder.join("n.crt");
    let file = File::create(&large).unwrap();
    file.set_len(16 << 20).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    for number in 0..20_000 {
        fs::hard_link(&large, folder.join(format!("n{number}.crt"))).unwrap();
    }
}

/// Waits until a thread of that name exists: it reads.
fn reads(pid: u32, thread: &str) {
    eventually("it reads", || {
        let mut threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        threads.find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == thread))
    });
}

/// A proxy that has begun to read such a folder, and needs minutes for it.
fn reading(backend: &Backend) -> Stage {
    let stage = Stage::of(&format!("\"{}\"", backend.address), "");
    long_to_read(&stage.pki.folder().join("long"));
    let text = fs::read_to_string(stage.pki.folder().join("tlsgate.toml")).unwrap();
    let text = text.replace("[\"certs\"]", "[\"certs\", \"long\"]");
    fs::write(stage.pki.folder().join("tlsgate.toml"), text).unwrap();
    stage.proxy.signal("HUP");
    reads(stage.proxy.pid(), "reload");
    stage
}

#[test]
fn while_files_are_read_it_serves_answers_and_ends_when_asked_to() {
    let backend = Backend::echo();
    for signal in ["TERM", "QUIT"] {
        let mut stage = reading(&backend);
        let mut client = stage.client(Tls::V13);
        client.send(b"served").unwrap();
        assert_eq!(client.read_exact(6), b"served");
        assert_eq!(stage.door().get("/readyz").status, 200);
        assert_eq!(stage.door().get("/api/v1/status").status, 200);
        drop(client);
        reads(stage.proxy.pid(), "reload");
        stage.proxy.signal(signal);
        assert_eq!(stage.proxy.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_client_that_waits_for_a_reload_during_a_drain_gets_an_answer() {
    let backend = Backend::echo();
    let mut stage = reading(&backend);
    let mut asking = stage.door().connect();
    asking.write_all(b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    // Connections are accepted in order: when this one is answered, the other one is accepted.
    assert_eq!(stage.door().get("/readyz").status, 200);
    let drained = stage.door().ask("POST", "/api/v1/drain", &[], "").status;
    assert!((200..300).contains(&drained), "{drained}");
    assert_eq!(stage.proxy.wait().code(), Some(0));
    assert_eq!(Response::read(asking).status, 503);
}

/// The program with files that it has begun to read and needs minutes for.
fn starting(folder: &Path, text: &str) -> Child {
    fs::write(folder.join("tlsgate.toml"), text).unwrap();
    let path = folder.join("tlsgate.toml");
    let command = ["run", "-c", path.to_str().unwrap()];
    let quiet = Stdio::null;
    let child = Command::new(PROGRAM).args(command).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().unwrap();
    reads(child.id(), "start");
    child
}

fn ends(child: &mut Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    let ended = eventually("it ends", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0), "{signal}");
}

#[test]
fn a_start_that_takes_long_ends_when_asked_to() {
    let pki = certified();
    long_to_read(&pki.folder().join("long"));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = config(&[free], Lines::default()).replace("[\"certs\"]", "[\"certs\", \"long\"]");
    for signal in ["TERM", "INT", "QUIT"] {
        ends(&mut starting(pki.folder(), &text), signal);
    }
}

#[test]
fn a_configuration_that_nobody_writes_can_be_waited_for_no_longer() {
    let pki = Pki::new();
    let path = pki.folder().join("fifo.toml");
    fifo(&path);
    let mut child = Command::new(PROGRAM).args(["run", "-c"]).arg(&path).stdin(Stdio::null()).spawn().unwrap();
    reads(child.id(), "start");
    ends(&mut child, "TERM");
}

#[test]
fn a_pipe_in_the_place_of_the_configuration_is_an_error_and_nothing_waits_for_it() {
    let backend = Backend::echo();
    let stage = Stage::with("", &format!("\"{}\"", backend.address), "");
    let path = stage.pki.folder().join("tlsgate.toml");
    let text = fs::read(&path).unwrap();
    let door = stage.door();
    let reload = || door.ask("POST", "/api/v1/reload", &[], "");
    fs::remove_file(&path).unwrap();
    fifo(&path);
    let answer = reload();
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(answer.body.contains("is a FIFO, expected a regular file"), "{answer:?}");
    fs::remove_file(&path).unwrap();
    fs::write(&path, text).unwrap();
    assert_eq!(reload().status, 200);
}

/// How many reloads have succeeded or failed.
fn attempts(door: &Door) -> u64 {
    let metrics = door.get("/metrics").body;
    let lines = metrics.lines().filter(|line| line.starts_with("tlsgate_config_reloads_total"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

#[test]
fn a_socket_among_certificates_causes_no_reload() {
    let backend = Backend::echo();
    let lines = "listen = [\"127.0.0.1:0\", \"unix:certs/x.sock\"]";
    let stage = Stage::with("", &format!("\"{}\"", backend.address), "");
    let (door, path) = (stage.door(), stage.pki.folder().join("tlsgate.toml"));
    let text = fs::read_to_string(&path).unwrap().replacen("listen = \"127.0.0.1:0\"", lines, 1);
    fs::write(&path, text).unwrap();
    assert_eq!(door.ask("POST", "/api/v1/reload", &[], "").status, 200);
    eventually("the socket is there", || stage.pki.folder().join("certs/x.sock").exists().then_some(()));
    // Files that are new to the watch are read again, a few times at most.
    let before = attempts(&door);
    std::thread::sleep(Duration::from_secs(4));
    let more = attempts(&door) - before;
    assert!(more <= 4, "{more} reloads");
}

#[test]
fn lines_of_logs_cause_no_reload() {
    let backend = Backend::echo();
    let top = "[log]\naccess = \"certs/access.log\"\n";
    let stage = Stage::with(top, &format!("\"{}\"", backend.address), "");
    let (door, folder) = (stage.door(), stage.pki.folder());
    // Files that are new to the watch are read again, once.
    eventually("the first re-read", || (attempts(&door) > 0).then_some(()));
    let before = attempts(&door);
    for _ in 0..20 {
        drop(stage.client(Tls::V13));
        let mut other = fs::OpenOptions::new().create(true).append(true).open(folder.join("other.log")).unwrap();
        other.write_all(b"a line\n").unwrap();
        // Far apart, so that each would be a reload of its own.
        std::thread::sleep(Duration::from_millis(160));
    }
    let text = fs::read_to_string(folder.join("tlsgate.toml")).unwrap();
    fs::write(
        folder.join("tlsgate.toml"),
        text.replace("backend = \"servers\"", "backend = \"servers\"\nidle_timeout = \"5m\""),
    )
    .unwrap();
    stage.proxy.log_line("idle_timeout = \"5m\"");
    let more = attempts(&door) - before;
    assert!(more <= 5, "{more} reloads for one change");
}
