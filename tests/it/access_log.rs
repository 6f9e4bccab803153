//! The access log in a file: rotated while it is written, and in the format of an AWS load balancer.

use std::fs;
use std::path::Path;

use crate::support::PATIENCE;
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki};
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
fn lines(path: &Path, count: usize) -> Vec<String> {
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
    assert_eq!(lines(&old, 2).len(), 2, "until it is told, it writes to the file that it has");
    proxy.signal("USR1");
    // The signal is handled some time: it has been when a new file is there.
    lines(&log, 0);
    while !log.exists() {
        std::thread::yield_now();
    }
    connect(&proxy);
    assert_eq!(lines(&log, 1).len(), 1);
    assert_eq!(lines(&old, 2).len(), 2);
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
