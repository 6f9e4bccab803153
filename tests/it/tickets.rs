//! Sessions are resumed wherever this is allowed, across reloads and machines, and nowhere else.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind};

use crate::support::backend::Backend;
use crate::support::client::{Client, Ending, Tls, trusting};
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::procfs::eventually;
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::{reports, tool};

pub(crate) fn answers_once() -> Backend {
    Backend::start(|mut stream| {
        let mut request = [0; 100];
        let count = stream.read(&mut request)?;
        stream.write_all(&request[..count])
    })
}

pub(crate) fn pki() -> Pki {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    pki
}

pub(crate) fn config(backend: &Backend, lines: &str) -> String {
    let listener = |name: &str| {
        format!(
            "[[listener]]\nname = \"{name}\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"echo\"\n{lines}\n"
        )
    };
    format!("{}\n{}\n[backend.echo]\nservers = [\"{}\"]\n", listener("one"), listener("two"), backend.address)
}

/// Connects; keeps the session in `session` if that file is missing, and uses it if it exists. Returns whether it
/// resumed.
fn connect(proxy: &Proxy, listener: &str, version: &str, session: &Path) -> bool {
    let address = proxy.address(listener).to_string();
    let file = session.to_str().unwrap();
    let keep = if session.exists() { "-sess_in" } else { "-sess_out" };
    // The client waits for the backend's end, which comes after the ticket.
    let arguments = ["s_client", "-ign_eof", "-connect", &address, "-servername", "a.test", version, keep, file];
    let output = tool::run("openssl", &arguments, b"hello\n");
    reports::resumed(&tool::shown(&output))
}

pub(crate) fn new_key() -> String {
    let output = Command::new(PROGRAM).args(["ticket-key", "new"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

const VERSIONS: [&str; 2] = ["-tls1_3", "-tls1_2"];

#[test]
fn a_session_is_resumed_on_its_own_listener_and_on_no_other() {
    let (pki, backend) = (pki(), answers_once());
    let proxy = Proxy::start(pki.folder(), &config(&backend, ""));
    for version in VERSIONS {
        let session = pki.folder().join(version);
        assert!(!connect(&proxy, "one", version, &session));
        assert!(connect(&proxy, "one", version, &session), "{version}");
        assert!(!connect(&proxy, "two", version, &session), "{version}");
    }
    let records = proxy.records(6);
    let resumed = records.iter().filter(|record| record["tls.resumed"] == true).count();
    assert_eq!(resumed, 2);
}

#[test]
fn a_session_is_resumed_after_a_reload_and_a_rotation() {
    let (pki, backend) = (pki(), answers_once());
    let proxy = Proxy::start(pki.folder(), &config(&backend, "ticket_rotation = \"1s\""));
    for version in VERSIONS {
        let session = pki.folder().join(version);
        connect(&proxy, "one", version, &session);
        // Each connection asks for a ticket; once the clock has moved on, the ticket is sealed with a new key.
        let fresh = pki.folder().join(format!("{version}.fresh"));
        let name = |file: &Path| {
            let output = tool::run("openssl", &["sess_id", "-noout", "-text", "-in", file.to_str().unwrap()], b"");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().find(|line| line.trim_start().starts_with("0000 - ")).unwrap().trim()[..54].to_owned()
        };
        while !fresh.exists() || name(&fresh) == name(&session) {
            let _ = fs::remove_file(&fresh);
            connect(&proxy, "one", version, &fresh);
        }
        assert!(connect(&proxy, "one", version, &session), "{version} after a rotation");
    }
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    proxy.log_line("a.crt replaced");
    for version in VERSIONS {
        assert!(connect(&proxy, "one", version, &pki.folder().join(version)), "{version} after a reload");
    }
}

#[test]
fn while_keys_rotate_under_load_no_handshake_fails_and_old_tickets_end_in_whole_handshakes() {
    let (pki, backend) = (pki(), answers_once());
    let lines = "ticket_rotation = \"1s\"\nticket_lifetime = \"2s\"";
    let proxy = Proxy::start(pki.folder(), &config(&backend, lines));
    let clients = Tls::BOTH.map(|tls| {
        let mut client = trusting(&pki.ca(), tls);
        client.resumption = Resumption::in_memory_sessions(8);
        Arc::new(client)
    });
    let kind_of = |config: &Arc<ClientConfig>| {
        let mut client = Client::silent(proxy.address("one"), config, "a.test");
        client.handshake().unwrap_or_else(|error| panic!("a handshake failed: {error}"));
        client.send(b"ping").unwrap();
        assert_eq!(client.read_to_end(), (b"ping".to_vec(), Ending::CloseNotify));
        client.tls.handshake_kind().unwrap()
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let loads: Vec<_> = clients
            .iter()
            .map(|config| {
                let (done, kind_of) = (&done, &kind_of);
                scope.spawn(move || {
                    let mut resumed = 0;
                    while !done.load(Ordering::Acquire) {
                        resumed += u64::from(kind_of(config) == HandshakeKind::Resumed);
                    }
                    resumed
                })
            })
            .collect();
        for (version, tls) in VERSIONS.into_iter().zip(["old.13", "old.12"]) {
            let session = pki.folder().join(tls);
            assert!(!connect(&proxy, "one", version, &session));
            assert!(session.exists());
            eventually("it is too old", || (!connect(&proxy, "one", version, &session)).then_some(()));
        }
        done.store(true, Ordering::Release);
        for load in loads {
            assert!(load.join().unwrap() > 0, "none was resumed");
        }
    });
}

#[test]
fn two_processes_with_the_same_key_file_resume_each_others_sessions() {
    let (pki, backend) = (pki(), answers_once());
    write_private(&pki.folder().join("tickets.keys"), &format!("{}{}", new_key(), new_key()));
    let lines = "ticket_keys = [\"tickets.keys\"]";
    let first = Proxy::start(pki.folder(), &config(&backend, lines));
    let second = Proxy::start(pki.folder(), &config(&backend, lines));
    for version in VERSIONS {
        let session = pki.folder().join(version);
        connect(&first, "one", version, &session);
        assert!(connect(&second, "one", version, &session), "{version}");
        assert!(!connect(&second, "two", version, &session), "{version}: the same file, another listener");
    }
    // The file is rotated: a new last line. Tickets that were sealed before still open.
    let keys = fs::read_to_string(pki.folder().join("tickets.keys")).unwrap();
    write_private(&pki.folder().join("tickets.keys"), &format!("{keys}{}", new_key()));
    second.signal("HUP");
    for version in VERSIONS {
        assert!(connect(&second, "one", version, &pki.folder().join(version)), "{version} after the file was rotated");
    }
}

#[test]
fn without_tickets_no_session_is_resumed() {
    let (pki, backend) = (pki(), answers_once());
    let proxy = Proxy::start(pki.folder(), &config(&backend, "session_tickets = false"));
    for version in VERSIONS {
        let session = pki.folder().join(version);
        assert!(!connect(&proxy, "one", version, &session));
        assert!(!session.exists() || !connect(&proxy, "one", version, &session), "{version}");
    }
}

#[test]
fn a_key_file_that_holds_no_key_is_refused() {
    let (pki, backend) = (pki(), answers_once());
    let path = pki.folder().join("tickets.keys");
    let config = config(&backend, "ticket_keys = [\"tickets.keys\"]");
    write_private(&path, "c2hvcnQ=\n");
    let log = Proxy::try_start(pki.folder(), &config).err().unwrap();
    assert!(log.contains("tickets.keys: line 1: found 5 bytes, expected 48 or 80"), "{log}");
}
