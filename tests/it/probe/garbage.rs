//! Servers that close, are silent, are very slow or answer with something else than TLS: a clear error and exit code 1,
//! never a hang.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::servers::{openssl, pair};
use super::{NAME, PROGRAM, Probed};
use crate::support::backend::Backend;
use crate::support::by_hand::Refusing;
use crate::support::client;
use crate::support::pki::{Key, Pki};
use crate::support::tool;

fn hurried(address: SocketAddr, more: &[&str]) -> Probed {
    let address = address.to_string();
    let arguments = ["probe", &address, "--sni", NAME, "--timeout", "400ms"];
    let output = tool::run(PROGRAM, &[&arguments, more].concat(), b"");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Probed { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[track_caller]
fn fails(address: SocketAddr, reason: &str) {
    let found = hurried(address, &[]);
    assert_eq!((found.code, &*found.out), (1, ""), "{found:?}");
    assert!(found.err.contains(reason), "expected {reason:?}, found {found:?}");
    let report = hurried(address, &["--format", "json"]).json();
    assert_eq!(report["ok"], false);
    assert!(report["error"].as_str().unwrap().contains(reason), "{report}");
    let address = address.to_string();
    let compared = tool::run(PROGRAM, &["probe", &address, "--same-as", &address, "--timeout", "400ms"], b"");
    assert_eq!(compared.status.code(), Some(1), "{}", tool::shown(&compared));
}

/// Reads the hello, then sends that.
fn sends(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Backend {
    Backend::start(move |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 8192])?;
        stream.write_all(answer.as_ref())
    })
}

#[test]
fn nobody_there() {
    fails(Refusing::new().address, "connection refused");
}

#[test]
fn closing_and_resetting() {
    fails(Backend::start(|_| Ok(())).address, "no ClientHello of any version was accepted");
    fails(sends([]).address, "no ClientHello of any version was accepted: it closes the connection");
    let resets = Backend::start(|mut stream| {
        let _ = stream.read(&mut [0; 16])?;
        client::reset(stream);
        Ok(())
    });
    fails(resets.address, "it resets the connection");
}

#[test]
fn silence() {
    let silent = Backend::start(|stream| {
        thread::park_timeout(crate::support::PATIENCE);
        Ok(stream)
    });
    fails(silent.address, "no answer to 3 ClientHellos within 400ms each");
}

#[test]
fn one_byte_at_a_time_for_ever() {
    let dribbles = Backend::start(|mut stream| {
        let _ = stream.read(&mut [0; 8192])?;
        for byte in [&[22, 3, 3, 0x3f, 0xff][..], &[0; 10_000]].concat() {
            stream.write_all(&[byte])?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });
    fails(dribbles.address, "no answer to 3 ClientHellos");
}

#[test]
fn other_protocols() {
    fails(sends("HTTP/1.1 400 Bad Request\r\n\r\n").address, "the answer is not TLS: it is plain HTTP");
    fails(sends("SSH-2.0-OpenSSH_9.2\r\n").address, "the answer is not TLS: it is SSH");
    fails(sends("220 mail.test ESMTP\r\n").address, "it is a greeting in plain text");
    fails(sends([0; 100]).address, "the answer is not TLS: it begins with \"\\x00");
}

#[test]
fn records_and_messages_that_are_too_long_or_without_end() {
    fails(sends([22, 3, 3, 0xff, 0xff]).address, "a record of 65535 bytes");
    fails(sends([22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff]).address, "a handshake message of 16777215 bytes");
    fails(sends([21, 3, 3, 0, 2, 1, 112].repeat(1000)).address, "another warning");
    fails(sends([22, 3, 3, 0, 0].repeat(100_000)).address, "before the end of the server's first flight");
    fails(sends([23, 3, 3, 0, 1, 0]).address, "a record that is neither handshake nor alert");
    fails(sends([22, 3, 3, 0, 4, 2, 0, 0, 0]).address, "a malformed ServerHello");
}

#[test]
fn every_prefix_of_a_real_answer() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let (certificate, key) = (rsa.certificate.to_str().unwrap(), rsa.key.to_str().unwrap());
    let server = openssl(&["-cert", certificate, "-key", key, "-tls1_2"]);
    let mut stream = client::connect(server.address);
    let mut client = crate::support::client::Client::silent(
        server.address,
        &Arc::new(client::trusting(&pki.ca(), client::Tls::V12)),
        NAME,
    );
    stream.write_all(&client.flight()).unwrap();
    let mut answer = Vec::new();
    // ServerHelloDone is the last message of the flight.
    while !answer.ends_with(&[14, 0, 0, 0]) {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0);
        answer.extend_from_slice(&buffer[..count]);
    }
    for end in (0..answer.len()).step_by(23).chain([answer.len()]) {
        let found = hurried(sends(answer[..end].to_vec()).address, &[]);
        // From the ServerHello on there is something to report.
        match found.code {
            0 => assert!(found.out.contains("TLSv1.2  yes"), "{end}: {found:?}"),
            code => assert!(code == 1 && found.err.starts_with("tlsgate probe: "), "{end}: {found:?}"),
        }
    }
}
