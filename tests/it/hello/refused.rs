//! Input that is not a ClientHello, or is too long: at most one alert, then closed; nothing reaches the backend.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use crate::support::by_hand::ByHand;
use crate::support::client::{Ending, Tls, close, connect, drain};
use crate::support::hello::{header, message, records};
use crate::support::stage::Stage;
use crate::support::stream::bytes;

#[test]
fn what_is_not_tls_is_closed_with_one_alert_at_most() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let rows: [(&str, &[u8], &str); 14] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n", "not_tls"),
        ("an SSH banner", b"SSH-2.0-OpenSSH_9.6\r\n", "not_tls"),
        ("an LDAP bind", b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", "not_tls"),
        ("a PROXY header", b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 636\r\n", "not_tls"),
        ("a PROXY header of version 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "not_tls"),
        ("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80", "not_tls"),
        ("one byte", b"\n", "not_tls"),
        ("zeros", &[0; 5000], "not_tls"),
        ("an alert", b"\x15\x03\x01\x00\x02\x02\x28", "hello_invalid"),
        ("data", b"\x17\x03\x03\x00\x04data", "not_tls"),
        ("an impossible version", b"\x16\x7f\x00\x00\x04\x01\x00\x00\x00", "not_tls"),
        ("an empty record", b"\x16\x03\x01\x00\x00", "hello_invalid"),
        ("a record that is too long", &[&b"\x16\x03\x01\xff\xff"[..], &[1; 20_000]].concat(), "hello_invalid"),
        ("a ServerHello", b"\x16\x03\x03\x00\x08\x02\x00\x00\x04\x03\x03\x00\x00", "hello_invalid"),
    ];
    for (what, sent, outcome) in rows {
        assert_eq!(refused(&stage, sent, what), outcome, "{what}");
    }
    assert!(backend.is_untouched());
}

#[test]
fn noise_is_closed_with_one_alert_at_most() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let noise = bytes(64 * 200);
    let mut seen = 0;
    for piece in noise.chunks(200) {
        let alike = [&b"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0"[..], &piece[..192]].concat();
        for (sent, expected) in [(piece, "not_tls"), (&alike, "hello_invalid")] {
            assert_eq!(refused(&stage, sent, "noise"), expected);
            seen += 1;
        }
    }
    assert_eq!(seen, 128);
    assert!(backend.is_untouched());
}

#[test]
fn a_hello_that_is_too_large_is_refused_as_soon_as_it_shows() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let filled = |length: usize, sent: usize| records(&[header(length), vec![3; sent]].concat(), 16_000);
    let rows = [
        ("announced as 16 MB", filled((1 << 24) - 1, 0)),
        ("announced as 16 MB, and sent", filled((1 << 24) - 1, 60_000)),
        ("a byte more than 64 KiB", filled(64 * 1024, 64 * 1024)),
        ("70 KB in records of one byte", records(&[header(60_000), vec![3; 11_600]].concat(), 1)),
        ("empty records without an end", b"\x16\x03\x03\x00\x00".repeat(14_000)),
    ];
    for (what, sent) in rows {
        assert_eq!(refused(&stage, &sent, what), "hello_invalid", "{what}");
    }
    assert!(backend.is_untouched());
}

#[test]
fn every_prefix_of_a_hello_is_closed_when_the_client_closes() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let mut ended = 0;
    for tls in Tls::BOTH {
        let hello = stage.silent(tls).flight();
        stage.proxy.records({
            ended += 1;
            ended
        });
        for length in 0..hello.len() {
            let mut tcp = connect(stage.address());
            tcp.write_all(&hello[..length]).unwrap();
            tcp.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(drain(&mut tcp), (Vec::new(), Ending::Fin), "{length} bytes");
            ended += 1;
        }
    }
    let records = stage.proxy.records(ended);
    assert!(ended > 300 && records.iter().all(|record| record["outcome"] == "hello_closed"));
    assert!(backend.is_untouched());
}

#[test]
fn every_hello_with_a_wrong_byte_ends_well() {
    let backend = ByHand::new();
    let stage = Stage::plain(backend.address);
    let mut ended = 0;
    for tls in Tls::BOTH {
        let mut client = stage.silent(tls);
        let hello = message(&client.flight());
        close(client.tcp);
        ended += 1;
        for byte in 0..hello.len() {
            let mut wrong = hello.clone();
            wrong[byte] ^= 0xff;
            let mut tcp = connect(stage.address());
            tcp.write_all(&records(&wrong, 1 << 14)).unwrap();
            tcp.shutdown(std::net::Shutdown::Write).unwrap();
            drain(&mut tcp);
            ended += 1;
        }
    }
    let records = stage.proxy.records(ended);
    assert!(ended > 300 && records.iter().all(|record| record["outcome"] != "internal_error"));
    assert!(backend.is_untouched());
}

/// Sends that, looks at the answer, and returns the outcome.
fn refused(stage: &Stage, sent: &[u8], what: &str) -> String {
    let mut tcp = connect(stage.address());
    send(&mut tcp, sent);
    let (answer, ending) = drain(&mut tcp);
    assert_eq!(ending, Ending::Fin, "{what}");
    // One alert: type, version, length 2, fatal.
    assert!(answer.is_empty() || matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "{what}: {answer:02x?}");
    stage.outcome(close(tcp))
}

/// The proxy need not read everything before it closes.
fn send(tcp: &mut TcpStream, sent: &[u8]) {
    if let Err(error) = tcp.write_all(sent) {
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    }
}
