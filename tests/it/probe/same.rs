//! `--same-as`: servers that pass TLS through and servers that terminate it, also with the backend's own certificate
//! and key.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use super::agreement::proxy;
use super::probe;
use super::servers::{Pair, Server, combined, forwarder, haproxy, nginx, openssl, pair};
use crate::support::backend::Backend;
use crate::support::pki::{Extra, Key, Pki, generate};

/// Whether it passes TLS through, and the reason.
#[track_caller]
fn verdict(front: SocketAddr, backend: SocketAddr, more: &[&str]) -> (bool, String) {
    let backend = backend.to_string();
    let found = probe(front, &[&["--same-as", &backend, "--format", "json"], more].concat());
    let report: Value = found.json();
    let passes = report["passes_through"].as_bool().unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!(found.code, i32::from(!passes), "{found:?}");
    let text = probe(front, &[&["--same-as", &backend], more].concat());
    assert!(text.out.contains(report["conclusion"].as_str().unwrap()), "{text:?}\n{found:?}");
    (passes, format!("{}\n{}", report["conclusion"].as_str().unwrap(), report["evidence"]))
}

#[track_caller]
fn passes(front: SocketAddr, backend: SocketAddr) {
    let (passes, why) = verdict(front, backend, &[]);
    assert!(passes && why.starts_with(&format!("TLS passes through to {backend}\n")), "{why}");
}

#[track_caller]
fn terminated(front: SocketAddr, backend: SocketAddr, reason: &str) {
    let (passes, why) = verdict(front, backend, &[]);
    assert!(!passes && why.starts_with("terminated here, ") && why.contains(reason), "{why}");
}

/// An nginx as backend.
fn backend(pair: &Pair, more: &str) -> Server {
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    nginx(
        "http",
        &format!("server {{ listen LISTEN ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; {more} }}"),
    )
}

/// nginx that terminates TLS with that pair and opens a session of its own to the backend.
fn terminating_nginx(pair: &Pair, to: SocketAddr) -> Server {
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    nginx(
        "stream",
        &format!(
            "server {{ listen LISTEN ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_session_cache shared:s:1m; proxy_pass {to}; proxy_ssl on; }}"
        ),
    )
}

#[test]
fn a_forwarder_passes_tls_through() {
    let pki = Pki::new();
    let backend = backend(&pair(&pki, "ec", Key::P256), "");
    passes(forwarder(backend.address).address, backend.address);
}

#[test]
fn nginx_with_ssl_preread_and_haproxy_in_tcp_mode_pass_tls_through() {
    let pki = Pki::new();
    let backend = backend(&pair(&pki, "rsa", Key::Rsa2048), "");
    let to = backend.address;
    let preread = nginx("stream", &format!("server {{ listen LISTEN; ssl_preread on; proxy_pass {to}; }}"));
    passes(preread.address, to);
    passes(haproxy("", "", &format!("server one {to}")).address, to);
}

#[test]
fn it_passes_through_to_other_stacks_as_well() {
    let pki = Pki::new();
    let pair = pair(&pki, "ec", Key::P256);
    let (certificate, key) = (pair.certificate.to_str().unwrap(), pair.key.to_str().unwrap());
    for version in ["-tls1_2", "-tls1_3"] {
        let server = openssl(&["-cert", certificate, "-key", key, version]);
        passes(forwarder(server.address).address, server.address);
    }
    let proxy = proxy(&pki, "");
    passes(forwarder(proxy.address("main")).address, proxy.address("main"));
}

#[test]
fn a_proxy_that_terminates_with_a_copy_of_the_key_is_found_out() {
    let pki = Pki::new();
    let pair = pair(&pki, "ec", Key::P256);
    let backend = backend(&pair, "");
    let to = backend.address;
    // The hardest case: the same software with the same key, in front of itself.
    terminated(terminating_nginx(&pair, to).address, to, "with a copy of");
    let file = combined(pki.folder(), &pair);
    let bind = format!("ssl crt {}", file.display());
    terminated(haproxy("", &bind, &format!("server one {to} ssl verify none")).address, to, "terminated here");
    terminated(proxy(&pki, "").address("main"), to, "terminated here");
}

#[test]
fn another_key_or_another_certificate_is_termination() {
    let pki = Pki::new();
    let theirs = pair(&pki, "theirs", Key::P256);
    let backend = backend(&theirs, "");
    let other = terminating_nginx(&pair(&pki, "other", Key::P256), backend.address);
    terminated(other.address, backend.address, "with a different key than");
    let rsa = terminating_nginx(&pair(&pki, "rsa", Key::Rsa2048), backend.address);
    terminated(rsa.address, backend.address, "with a different key than");

    let key = generate(Key::P256);
    let (first, second) = (pki.folder().join("first.crt"), pki.folder().join("second.crt"));
    for path in [&first, &second] {
        fs::write(path, pki.certificate(&[super::NAME], &key, &Extra::default())).unwrap();
    }
    let private = pki.folder().join("both.key");
    fs::write(&private, key.serialize_pem()).unwrap();
    let of = |certificate| Pair { certificate, key: private.clone() };
    let backend = super::same::backend(&of(first), "");
    let renewed = terminating_nginx(&of(second), backend.address);
    terminated(renewed.address, backend.address, "key in another certificate");
}

#[test]
fn without_resumption_only_an_option_makes_it_certain() {
    let pki = Pki::new();
    let pair = pair(&pki, "ec", Key::P256);
    let backend = backend(&pair, "ssl_session_tickets off; ssl_session_cache off;");
    let forwarder = forwarder(backend.address);
    let (passes, why) = verdict(forwarder.address, backend.address, &[]);
    assert!(!passes && why.starts_with("not proven: "), "{why}");
    let (passes, why) = verdict(forwarder.address, backend.address, &["--assume-sole-key"]);
    assert!(passes && why.contains("if no other server has its key"), "{why}");
    // Another server with a copy of the key is detected by its answers.
    let file = combined(pki.folder(), &pair);
    let copy =
        haproxy("", &format!("ssl crt {} no-tls-tickets", file.display()), &format!("server one {}", backend.address));
    let (passes, why) = verdict(copy.address, backend.address, &["--assume-sole-key"]);
    assert!(!passes, "{why}");
}

#[test]
fn a_backend_that_is_no_tls_server_is_an_error() {
    let pki = Pki::new();
    let front = backend(&pair(&pki, "ec", Key::P256), "");
    let found = probe(front.address, &["--same-as", &Backend::start(|_| Ok(())).address.to_string()]);
    assert_eq!(found.code, 1, "{found:?}");
    assert!(found.err.contains("no handshake is completed"), "{found:?}");
}
