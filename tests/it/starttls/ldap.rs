//! `starttls = "ldap"`.

use std::io::{Read, Write};

use super::{Recorded, asked, inside, last_words, stage};
use crate::support::client::{Client, Ending, Tls, close, connect, drain, port};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::slapd::{ADMIN, PASSWORD, SUFFIX, Slapd};
use crate::support::stage::NAME;
use crate::support::{ldap, reports, tool};

/// The StartTLS request, and the answer that grants it.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const GRANTED: &[u8] = b"\x30\x24\x02\x01\x01\x78\x1f\x0a\x01\x00\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20037";

/// A simple bind.
fn bind(password: &str) -> Vec<u8> {
    let dn = b"cn=admin,dc=example,dc=com";
    let body = [&b"\x02\x01\x03\x04"[..], &[dn.len() as u8], dn, &[0x80, password.len() as u8], password.as_bytes()];
    let body = body.concat();
    let message = [&b"\x02\x01\x05\x60"[..], &[body.len() as u8], &body].concat();
    [&[0x30, message.len() as u8][..], &message].concat()
}

#[test]
fn ldapsearch_starts_tls_and_verifies_the_certificate() {
    let pki = Pki::new();
    let names = ["127.0.0.1", "ldap.test"];
    pki.write("certs", "rsa", &names, Key::Rsa2048, &Extra::default());
    pki.write("certs", "ec", &names, Key::P256, &Extra::default());
    let slapd = Slapd::start("");
    let config = format!(
        r#"
[[listener]]
name = "main"
listen = "127.0.0.1:0"
starttls = "ldap"
certificates = ["certs"]
backend = "directory"

[backend.directory]
servers = ["{}"]
"#,
        slapd.address
    );
    let proxy = Proxy::start(pki.folder(), &config);
    let url = format!("ldap://{}", proxy.address("main"));
    let search = ["-x", "-LLL", "-D", ADMIN, "-w", PASSWORD, "-b", SUFFIX];
    let through = ldap::run("ldapsearch", &url, &pki.ca(), &[&["-ZZ"][..], &search].concat());
    let direct = ldap::run("ldapsearch", &slapd.url(), &pki.ca(), &search);
    assert!(through.status.success(), "{}", tool::shown(&through));
    assert_eq!(through.stdout, direct.stdout);
    let record = &proxy.records(1)[0];
    assert_eq!(record["outcome"], "completed");
    assert_eq!(record["backend.address"], slapd.address.to_string());

    // A client that does not trust the CA does not continue.
    let other = Pki::new();
    let distrusted = ldap::run("ldapsearch", &url, &other.ca(), &[&["-ZZ"][..], &search].concat());
    assert!(!distrusted.status.success(), "{}", tool::shown(&distrusted));
    // (Its unbind is sent in the clear and reaches nothing.)
    let record = &proxy.records(2)[1];
    assert!(record["outcome"] != "completed" && record["received_bytes"] == 0, "{record}");

    // A client that does not ask for TLS gets the reason.
    let plain = ldap::run("ldapsearch", &url, &pki.ca(), &search);
    assert_eq!(plain.status.code(), Some(13), "{}", tool::shown(&plain));
    let shown = tool::shown(&plain);
    assert!(shown.contains("StartTLS comes first"), "{shown}");
    proxy.record(|record| record["outcome"] == "starttls_refused");

    let address = proxy.address("main").to_string();
    let arguments = ["s_client", "-connect", &address, "-starttls", "ldap", "-CAfile"];
    let ca = pki.ca();
    let verified = [&arguments[..], &[ca.to_str().unwrap(), "-verify_hostname", "ldap.test"]].concat();
    let openssl = tool::run("openssl", &verified, b"");
    assert!(reports::verified(&tool::shown(&openssl)), "{}", tool::shown(&openssl));
}

#[test]
fn a_password_in_the_clear_never_reaches_the_backend() {
    let backend = Recorded::start();
    let stage = stage("ldap", &backend, "");
    for tls in Tls::BOTH {
        let mut tcp = connect(stage.address());
        tcp.write_all(&bind("in the clear")).unwrap();
        let mut head = [0; 2];
        tcp.read_exact(&mut head).unwrap();
        let mut answer = vec![0; usize::from(head[1])];
        tcp.read_exact(&mut answer).unwrap();
        // messageID 5, bindResponse, confidentialityRequired.
        assert_eq!(answer[..4], [2, 1, 5, 0x61]);
        assert_eq!(answer[5..8], [0x0a, 1, 13]);
        // The same client may still ask for TLS afterwards.
        assert_eq!(asked(&mut tcp, START_TLS, GRANTED.len()), GRANTED);
        let port = inside(&stage, tcp, tls, &bind("within TLS"));
        assert_eq!(stage.outcome(port), "completed");
    }
    assert_eq!(backend.bytes(), bind("within TLS").repeat(2));
}

#[test]
fn what_follows_start_tls_is_never_taken_for_what_came_through_it() {
    let backend = Recorded::start();
    let stage = stage("ldap", &backend, "");
    // In one piece: the request is refused with operationsError.
    for more in [&bind("injected")[..], b"\x16\x03\x01"] {
        let (answer, outcome) = last_words(&stage, &[START_TLS, more].concat());
        assert_eq!(answer[2..6], [2, 1, 1, 0x78], "{answer:02x?}");
        assert_eq!(answer[7..10], [0x0a, 1, 1], "{answer:02x?}");
        assert_eq!(outcome, "starttls_pipelined");
    }
    // After the answer: it is not TLS.
    let mut tcp = connect(stage.address());
    assert_eq!(asked(&mut tcp, START_TLS, GRANTED.len()), GRANTED);
    tcp.write_all(&bind("injected")).unwrap();
    let (alert, _) = drain(&mut tcp);
    assert_eq!(alert.first(), Some(&21), "{alert:02x?}");
    assert_eq!(stage.outcome(port(&tcp)), "not_tls");
    // Before the ClientHello, or after it.
    let mut tcp = connect(stage.address());
    assert_eq!(asked(&mut tcp, START_TLS, GRANTED.len()), GRANTED);
    let mut client = Client::on(tcp, stage.config(Tls::V13), NAME);
    let hello = client.flight();
    client.tcp.write_all(&[&hello[..], &bind("injected")].concat()).unwrap();
    assert!(client.handshake().is_err());
    drop(client);
    // Only what comes through TLS reaches the backend.
    let mut tcp = connect(stage.address());
    assert_eq!(asked(&mut tcp, START_TLS, GRANTED.len()), GRANTED);
    inside(&stage, tcp, Tls::V13, b"encrypted");
    assert_eq!(backend.bytes(), b"encrypted");
}

#[test]
fn a_request_may_come_right_behind_a_proxy_header() {
    let backend = Recorded::start();
    let stage = stage("ldap", &backend, "proxy_protocol = \"require\"\ntrusted_proxies = [\"127.0.0.1\"]");
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.8 40000 389\r\n";
    let mut tcp = connect(stage.address());
    assert_eq!(asked(&mut tcp, &[header, START_TLS].concat(), GRANTED.len()), GRANTED);
    inside(&stage, tcp, Tls::V13, b"encrypted");
    let record = stage.proxy.record(|record| record["client.port"] == 40000);
    assert_eq!((&record["outcome"], &record["client.address"]), (&"completed".into(), &"192.0.2.7".into()));
    let mut tcp = connect(stage.address());
    tcp.write_all(&[header, START_TLS, b"more"].concat()).unwrap();
    let (answer, _) = drain(&mut tcp);
    assert_eq!(answer[7..10], [0x0a, 1, 1], "{answer:02x?}");
    assert_eq!(backend.bytes(), b"encrypted");
}

#[test]
fn one_byte_at_a_time_is_enough() {
    let backend = Recorded::start();
    let stage = stage("ldap", &backend, "");
    let mut tcp = connect(stage.address());
    for byte in START_TLS {
        tcp.write_all(&[*byte]).unwrap();
    }
    assert_eq!(asked(&mut tcp, &[], GRANTED.len()), GRANTED);
    let mut client = Client::on(tcp, stage.config(Tls::V13), NAME);
    for byte in client.flight() {
        client.tcp.write_all(&[byte]).unwrap();
    }
    client.handshake().unwrap();
    client.send(b"small").unwrap();
    assert_eq!(client.read_exact(1), b"!");
    assert!(backend.bytes().starts_with(b"s"));
}

#[test]
fn every_prefix_and_every_wrong_byte_ends_in_order() {
    let backend = Recorded::start();
    let stage = stage("ldap", &backend, "");
    for end in 0..START_TLS.len() {
        let mut tcp = connect(stage.address());
        tcp.write_all(&START_TLS[..end]).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(drain(&mut tcp), (Vec::new(), Ending::Fin), "{end}");
        assert_eq!(stage.outcome(port(&tcp)), "starttls_closed", "{end}");
    }
    for at in 0..START_TLS.len() {
        let mut request = START_TLS.to_vec();
        request[at] ^= 0x41;
        let mut tcp = connect(stage.address());
        tcp.write_all(&request).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        let (answer, _) = drain(&mut tcp);
        assert!(answer.is_empty() || (answer[0] == 0x30 && answer != GRANTED || at == 4), "{at}: {answer:02x?}");
    }
    assert!(backend.bytes().is_empty());
}

#[test]
fn what_is_no_ldap_or_too_long_or_too_slow_is_refused() {
    let backend = Recorded::start();
    let stage = stage("ldap", &backend, "handshake_timeout = \"1s\"");
    let hello = Client::silent(stage.address(), stage.config(Tls::V13), NAME).flight();
    for request in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x30\x84\x7f\xff\xff\xff", b"\x30\x80", &hello] {
        let (answer, outcome) = last_words(&stage, request);
        // A notice of disconnection: messageID 0, protocolError.
        assert_eq!((&answer[2..6], &answer[7..10]), (&[2, 1, 0, 0x78][..], &[0x0a, 1, 2][..]), "{answer:02x?}");
        assert_eq!(outcome, "starttls_invalid");
    }
    for end in [0, 1, START_TLS.len() - 1] {
        let (answer, outcome) = last_words(&stage, &START_TLS[..end]);
        assert_eq!((answer.len(), &*outcome), (0, "starttls_timeout"));
    }
    // A granted request has no more time than any other.
    let mut tcp = connect(stage.address());
    assert_eq!(asked(&mut tcp, START_TLS, GRANTED.len()), GRANTED);
    drain(&mut tcp);
    assert_eq!(stage.outcome(port(&tcp)), "hello_timeout");
    assert!(backend.bytes().is_empty());
}

#[test]
fn the_probe_sees_what_is_behind_start_tls() {
    let backend = Recorded::start();
    let stage = stage("ldap", &backend, "");
    let address = stage.address().to_string();
    let arguments = ["probe", &address, "--sni", NAME, "--starttls", "ldap", "--timeout", "30s"];
    let output = tool::run(crate::support::proxy::PROGRAM, &arguments, b"");
    let shown = tool::shown(&output);
    assert!(output.status.success() && shown.contains("TLSv1.3  yes") && shown.contains("TLSv1.2  yes"), "{shown}");
    // Without StartTLS the probe sees no TLS.
    let output = tool::run(crate::support::proxy::PROGRAM, &arguments[..4], b"");
    assert_eq!(output.status.code(), Some(1), "{}", tool::shown(&output));
}

/// A client that receives its refusal is still there; it must not be asked to make room, since it no longer reads.
#[test]
fn a_refused_client_has_its_place_until_it_has_gone() {
    let backend = Recorded::start();
    let stage = stage("ldap", &backend, "max_connections = 1");
    let refused_meanwhile = || {
        let mut first = connect(stage.address());
        // A notice of disconnection; after that there is a moment in which to read it.
        asked(&mut first, b"GET / HTTP/1.1\r\n\r\n", 2);
        let mut second = connect(stage.address());
        // If the moment has passed, the second one is served, or waits for a place that is about to be free.
        let _ = second.write_all(START_TLS);
        let refused = drain(&mut second).0.is_empty();
        drop(first);
        refused && stage.outcome(close(second)) == "connection_limit"
    };
    assert!((0..20).any(|_| refused_meanwhile()), "there was always room");
}
