//! `starttls = "postgres"`.

use std::io::{Read, Write};
use std::process::Output;

use super::{Recorded, asked, inside, last_words, stage};
use crate::support::client::{Client, Tls, connect, drain, port};
use crate::support::postgres::{PASSWORD, Postgres, USER};
use crate::support::stage::{Lines, NAME, Stage};
use crate::support::{reports, tool};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const GSS_ENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

/// Version 3.0, for a user of that name.
fn startup(user: &str) -> Vec<u8> {
    let body = [&b"\x00\x03\x00\x00user\x00"[..], user.as_bytes(), b"\x00\x00"].concat();
    [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()
}

fn psql(stage: &Stage, ca: &std::path::Path, settings: &str) -> Output {
    let port = stage.address().port();
    let connection = format!(
        "host={NAME} hostaddr=127.0.0.1 port={port} user={USER} dbname=postgres sslrootcert={} {settings}",
        ca.display()
    );
    let (secret, query) = (format!("PGPASSWORD={PASSWORD}"), "select 6 * 7, current_user");
    let arguments = [&secret, "PGPASSFILE=/dev/null", "psql", "-X", "-w", "-A", "-t", &connection, "-c", query];
    tool::run("env", &arguments, b"")
}

#[test]
fn psql_verifies_the_certificate_and_reaches_the_database() {
    let database = Postgres::start();
    let listener = Lines { listener: "starttls = \"postgres\"", ..Lines::default() };
    let stage = Stage::new(&[database.address], listener);
    for settings in ["sslmode=verify-full", "sslmode=verify-full gssencmode=prefer", "sslmode=prefer"] {
        let output = psql(&stage, &stage.pki.ca(), settings);
        assert_eq!(output.stdout, b"42|owner\n", "{settings}: {}", tool::shown(&output));
    }
    let records = stage.proxy.records(3);
    assert!(records.iter().all(|record| record["outcome"] == "completed"), "{records:?}");
    assert_eq!(records[0]["server.address"], NAME);

    let other = crate::support::pki::Pki::new();
    let distrusted = psql(&stage, &other.ca(), "sslmode=verify-full");
    assert_eq!(distrusted.status.code(), Some(2), "{}", tool::shown(&distrusted));

    let plain = psql(&stage, &stage.pki.ca(), "sslmode=disable");
    let shown = tool::shown(&plain);
    assert!(shown.contains("TLS is required"), "{shown}");
    stage.proxy.record(|record| record["outcome"] == "starttls_refused");

    // TLS without asking for it first: the database answers within it.
    for tls in Tls::BOTH {
        let mut client = stage.client(tls);
        client.send(&startup(USER)).unwrap();
        assert_eq!(client.read_exact(1), b"R", "a request to authenticate");
    }
    let address = stage.address().to_string();
    let ca = stage.pki.ca();
    let verified = ["s_client", "-connect", &address, "-CAfile", ca.to_str().unwrap(), "-verify_hostname", NAME];
    for more in [&[][..], &["-starttls", "postgres"]] {
        let output = tool::run("openssl", &[&verified[..], more].concat(), b"");
        assert!(reports::verified(&tool::shown(&output)), "{more:?}: {}", tool::shown(&output));
    }
}

#[test]
fn a_request_is_granted_in_pieces_and_gssapi_is_declined() {
    let backend = Recorded::start();
    let stage = stage("postgres", &backend, "");
    for tls in Tls::BOTH {
        let mut tcp = connect(stage.address());
        assert_eq!(asked(&mut tcp, &GSS_ENC_REQUEST, 1), b"N");
        for byte in SSL_REQUEST {
            tcp.write_all(&[byte]).unwrap();
        }
        assert_eq!(asked(&mut tcp, &[], 1), b"S");
        let port = inside(&stage, tcp, tls, &startup("inside"));
        assert_eq!(stage.outcome(port), "completed");
    }
    // TLS without asking for it first, one byte at a time.
    let mut client = Client::silent(stage.address(), stage.config(Tls::V13), NAME);
    for byte in client.flight() {
        client.tcp.write_all(&[byte]).unwrap();
    }
    client.handshake().unwrap();
    client.send(&startup("inside")).unwrap();
    assert_eq!(client.read_exact(1), b"!");
    assert_eq!(backend.bytes(), startup("inside").repeat(3));
}

#[test]
fn nothing_in_the_clear_reaches_the_backend() {
    let backend = Recorded::start();
    let stage = stage("postgres", &backend, "handshake_timeout = \"1s\"");
    let cancel = [&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e][..], &[7; 8]].concat();
    for (request, state, outcome) in [
        (startup("me"), "28000", "starttls_refused"),
        (cancel, "", "starttls_refused"),
        ([&SSL_REQUEST[..], &startup("me")].concat(), "08P01", "starttls_pipelined"),
        ([&GSS_ENC_REQUEST[..], &SSL_REQUEST].concat(), "08P01", "starttls_pipelined"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "08P01", "starttls_invalid"),
        (vec![0, 0, 0xff, 0xff], "08P01", "starttls_invalid"),
        (SSL_REQUEST[..7].to_vec(), "", "starttls_timeout"),
    ] {
        let (answer, seen) = last_words(&stage, &request);
        assert_eq!(seen, outcome, "{request:02x?}");
        match state {
            "" => assert!(answer.is_empty(), "{answer:02x?}"),
            _ => {
                let text = String::from_utf8_lossy(&answer);
                assert!(answer[0] == b'E' && text.contains(&format!("\0C{state}\0")), "{text:?}");
            }
        }
    }
    // After the answer, only TLS is accepted.
    let mut tcp = connect(stage.address());
    assert_eq!(asked(&mut tcp, &SSL_REQUEST, 1), b"S");
    tcp.write_all(&startup("me")).unwrap();
    let (alert, _) = drain(&mut tcp);
    assert_eq!(alert.first(), Some(&21));
    assert_eq!(stage.outcome(port(&tcp)), "not_tls");
    for end in 0..SSL_REQUEST.len() {
        let mut tcp = connect(stage.address());
        tcp.write_all(&SSL_REQUEST[..end]).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(tcp.read(&mut [0]).unwrap(), 0);
        assert_eq!(stage.outcome(port(&tcp)), "starttls_closed");
    }
    assert!(backend.bytes().is_empty());
}
