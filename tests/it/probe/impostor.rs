//! Servers that show a certificate whose key they do not have: nothing of what the probe says may be good.

use std::io::{Read, Write};
use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::servers::{openssl, pair};
use super::{NAME, Probed, probe};
use crate::support::backend::Backend;
use crate::support::pki::{Key, Pki};
use crate::support::tool;

/// A server of TLS 1.2 with these certificates (DER, leaf first), and with a signature that is none.
fn impostor(chain: &[Vec<u8>]) -> Backend {
    let message = |kind: u8, body: &[u8]| [&[kind], &body.len().to_be_bytes()[5..], body].concat();
    let hello = [&[3, 3][..], &[7; 32], &[0, 0xc0, 0x2b, 0, 0, 9, 0xff, 1, 0, 1, 0, 0, 0x17, 0, 0]].concat();
    let list: Vec<u8> = chain.iter().flat_map(|one| [&one.len().to_be_bytes()[5..], one].concat()).collect();
    let certificates = [&list.len().to_be_bytes()[5..], &list].concat();
    // A key for x25519, and a signature for ecdsa_secp256r1_sha256.
    let exchange = [&[3, 0, 0x1d, 32, 9][..], &[0; 31], &[4, 3, 0, 64], &[7; 64]].concat();
    let flight = [message(2, &hello), message(11, &certificates), message(12, &exchange), message(14, &[])].concat();
    let [.., high, low] = flight.len().to_be_bytes();
    let answer = [&[22, 3, 3, high, low], &flight[..]].concat();
    Backend::start(move |mut stream| {
        let mut header = [0; 5];
        stream.read_exact(&mut header)?;
        let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        stream.read_exact(&mut hello)?;
        let session = usize::from(hello[38]);
        let length = usize::from(u16::from_be_bytes([hello[39 + session], hello[40 + session]]));
        let suites = &hello[41 + session..][..length];
        let has = |suite: [u8; 2]| suites.chunks(2).any(|one| one == suite);
        let is_for_it = hello[4..6] == [3, 3] && has([0xc0, 0x2b]);
        stream.write_all(if is_for_it { &answer } else { &[21, 3, 3, 0, 2, 2, 40] })?;
        // Until the client is gone.
        let _ = stream.read(&mut [0; 4096])?;
        Ok(())
    })
}

fn asked(address: SocketAddr, pki: &Pki, more: &[&str]) -> Probed {
    let ca = pki.ca();
    probe(address, &[&["--ca", ca.to_str().unwrap()], more].concat())
}

#[test]
fn a_certificate_without_its_key_is_reported_by_every_view() {
    let pki = Pki::new();
    let pair = pair(&pki, "ec", Key::P256);
    let chain: Vec<Vec<u8>> =
        CertificateDer::pem_file_iter(&pair.certificate).unwrap().map(|one| one.unwrap().to_vec()).collect();
    let server = impostor(&chain);
    let wrong = "TLSv1.2: the server's signature over the handshake is wrong";

    let plain = asked(server.address, &pki, &["--format", "json"]).json();
    assert_eq!(plain["signatures"], serde_json::json!([{"version": "TLSv1.2", "result": "wrong"}]), "{plain:#}");
    assert!(plain["notes"].to_string().contains(wrong), "{plain:#}");
    assert!(plain["certificates"][0]["defects"].to_string().contains(wrong), "{plain:#}");

    let graded = asked(server.address, &pki, &["--grade", "--format", "json"]);
    assert_eq!((graded.code, &graded.json()["good"]), (1, &false.into()), "{graded:?}");
    let report = graded.json();
    let mozilla = |one: &&serde_json::Value| one["name"] == "Mozilla intermediate 5.8";
    let intermediate = report["guidelines"].as_array().unwrap().iter().find(mozilla).unwrap();
    assert!(intermediate["met"] == false && intermediate["breaches"].to_string().contains(wrong), "{intermediate:#}");
    for form in [&["--grade"][..], &["--grade", "--markdown"]] {
        let graded = asked(server.address, &pki, form);
        assert!(graded.code == 1 && graded.out.contains("signature over the handshake is wrong"), "{graded:?}");
    }

    let clients = asked(server.address, &pki, &["--clients", "--format", "json"]);
    assert_eq!(clients.code, 1, "{clients:?}");
    let report = clients.json();
    let rows = report["clients"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["result"] != "served"), "{report:#}");
    assert!(rows.iter().any(|row| row["reason"] == "its signature is wrong"), "{report:#}");

    // The same certificate where the key is.
    let server = openssl(&["-cert", pair.certificate.to_str().unwrap(), "-key", pair.key.to_str().unwrap()]);
    let plain = asked(server.address, &pki, &["--format", "json"]).json();
    let valid = |version: &str| serde_json::json!({"version": version, "result": "valid"});
    assert_eq!(plain["signatures"], serde_json::json!([valid("TLSv1.3"), valid("TLSv1.2")]), "{plain:#}");
    assert_eq!(plain["notes"], serde_json::json!([]), "{plain:#}");
}

#[test]
fn a_server_whose_certificate_was_not_seen_meets_no_guideline_for_certificates() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("ed448.pem"), path("ed448.key"));
    let subject = format!("/CN={NAME}");
    let made = ["req", "-x509", "-newkey", "ed448", "-nodes", "-days", "90", "-subj", &subject];
    let output = tool::run("openssl", &[&made[..], &["-out", &certificate, "-keyout", &key]].concat(), b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
    let server = openssl(&["-cert", &certificate, "-key", &key, "-tls1_3", "-groups", "X25519:P-256"]);
    let plain = probe(server.address, &["--format", "json"]).json();
    assert_eq!(plain["certificates"], serde_json::json!([]), "{plain:#}");
    assert!(plain["notes"].to_string().contains("no certificate was seen"), "{plain:#}");
    let graded = probe(server.address, &["--grade", "--format", "json"]);
    let report = graded.json();
    assert_eq!((graded.code, &report["good"]), (1, &false.into()), "{report:#}");
    let mozilla = |one: &&serde_json::Value| one["name"].as_str().unwrap().starts_with("Mozilla");
    let mut guidelines = report["guidelines"].as_array().unwrap().iter().filter(mozilla);
    assert!(guidelines.all(|one| one["breaches"].to_string().contains("no certificate was seen")), "{report:#}");
}
