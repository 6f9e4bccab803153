//! The access log in a file: rotated while it is written, and in the format of an AWS load balancer.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::procfs::eventually;
use crate::support::proxy::Proxy;
use crate::support::tool;

fn start(pki: &Pki, backend: &Backend, format: &str) -> Proxy {
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let config = format!(
        "[log]\naccess = \"access.log\"\naccess_format = \"{format}\"\n\n[[listener]]\nname = \"main\"\n\
         listen = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"echo\"\n\n[backend.echo]\nservers = [\"{}\"]\n",
        backend.address
    );
    Proxy::start(pki.folder(), &config)
}

fn connect(proxy: &Proxy) {
    let address = proxy.address("main").to_string();
    tool::run("openssl", &["s_client", "-connect", &address, "-servername", "a.test"], b"");
}

/// Waits until the file has that many lines.
pub(crate) fn lines(path: &Path, count: usize) -> Vec<String> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(std::time::Instant::now() < deadline, "{} has {} lines", path.display(), lines.len());
        std::thread::yield_now();
    }
}

#[test]
fn a_log_that_was_moved_away_is_begun_anew_on_usr1_and_no_line_is_lost() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    let proxy = start(&pki, &backend, "json");
    let (log, old) = (pki.folder().join("access.log"), pki.folder().join("access.log.1"));
    connect(&proxy);
    lines(&log, 1);
    fs::rename(&log, &old).unwrap();
    connect(&proxy);
    assert_eq!(lines(&old, 2).len(), 2, "without a signal, it keeps writing to the same file");
    proxy.signal("USR1");
    // The proxy handles the signal a little later; the new file shows that it has.
    lines(&log, 0);
    while !log.exists() {
        std::thread::yield_now();
    }
    connect(&proxy);
    assert_eq!(lines(&log, 1).len(), 1);
    assert_eq!(lines(&old, 2).len(), 2);
}

#[test]
fn a_fifo_loses_lines_while_nobody_reads_it_and_nothing_else() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    let fifo = pki.folder().join("access.log");
    assert!(tool::run("mkfifo", &["-m", "600", fifo.to_str().unwrap()], b"").status.success());
    // It starts and serves although nothing reads the log.
    let mut proxy = start(&pki, &backend, "json");
    connect(&proxy);
    for reader in 0..2 {
        let file = fs::File::open(&fifo).unwrap();
        let (sender, lines) = channel();
        let reading = thread::spawn(move || {
            // One reader goes away, and another one opens the pipe.
            for line in BufReader::new(file).lines().map_while(Result::ok).take(3) {
                sender.send(line).unwrap();
            }
        });
        eventually("three whole lines", || {
            connect(&proxy);
            reading.is_finished().then_some(())
        });
        for line in lines {
            assert!(line.starts_with('{') && line.ends_with('}'), "reader {reader}: {line}");
        }
        reading.join().unwrap();
    }
    proxy.signal("USR1");
    connect(&proxy);
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(!proxy.log().contains("ERROR"), "{}", proxy.log());
}

#[test]
fn the_file_is_not_for_everybody() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    let _proxy = start(&pki, &backend, "json");
    let mode = fs::metadata(pki.folder().join("access.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777 & !0o640, 0, "{mode:o}");
}

#[test]
fn check_names_a_log_that_cannot_be_opened() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    for (access, reason) in [("gone/access.log", "its folder does not exist"), ("certs", "is a folder")] {
        let text = format!(
            "[log]\naccess = \"{access}\"\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
             certificates = [\"certs\"]\nbackend = \"echo\"\n[backend.echo]\nservers = [\"{}\"]\n",
            backend.address
        );
        let checked = check(pki.folder(), &text);
        let path = pki.folder().join(access);
        assert_eq!(checked.errors.len(), 1, "{:?}", checked.errors);
        let start = format!("log: access: {}: {reason}", path.display());
        assert!(checked.errors[0].starts_with(&start), "{:?}", checked.errors);
        assert_eq!(checked.report["errors"][0]["line"], 2);
        let failed = Proxy::try_start(pki.folder(), &text).err().unwrap();
        assert!(failed.contains(&format!("log: access: {}: ", path.display())), "{failed}");
    }
}

#[test]
fn the_nlb_format_has_what_the_client_got() {
    let (pki, backend) = (Pki::new(), Backend::echo());
    let proxy = start(&pki, &backend, "nlb");
    connect(&proxy);
    let line = lines(&pki.folder().join("access.log"), 1).remove(0);
    let fields: Vec<&str> = line.split(' ').collect();
    assert_eq!(fields.len(), 22, "{line}");
    assert_eq!((fields[0], fields[1], fields[4]), ("tls", "2.0", "main"));
    assert_eq!(fields[6], backend.address.to_string());
    assert_eq!((fields[14], fields[15], fields[16]), ("TLS_AES_128_GCM_SHA256", "tlsv13", "x25519"));
    assert_eq!(fields[17], "a.test");
}
