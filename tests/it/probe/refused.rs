//! `probe --clients`: a client that a server refuses is refused to the probe, too, with the same alert.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use super::clients::{clients, http, pairs, tlsgate};
use super::real::LOCALHOST;
use super::servers::{Pair, combined, haproxy, nginx};
use crate::clients::tools::{Client, ECDSA_P256, ED25519, RSA_PSS_SHA256, Scheme, Tool, Version};
use crate::support::pki::Pki;
use crate::support::recorder::Recorder;

/// Clients that no server with an RSA and an ECDSA key, TLS 1.2 and 1.3 and suites of today serves.
fn all() -> Vec<(&'static str, Client<'static>)> {
    const BOTH: &[Scheme] = &[ECDSA_P256, RSA_PSS_SHA256];
    const NEITHER: &[Scheme] = &[ED25519];
    let of = |tool, version, schemes, more| Client {
        tool,
        version,
        schemes,
        name: Some(LOCALHOST),
        verify: LOCALHOST,
        more,
    };
    vec![
        ("openssl-scheme-12", of(Tool::OpenSsl, Version::Tls12, NEITHER, &[][..])),
        ("openssl-scheme-13", of(Tool::OpenSsl, Version::Tls13, NEITHER, &[])),
        ("gnutls-scheme-12", of(Tool::GnuTls, Version::Tls12, NEITHER, &[])),
        ("gnutls-scheme-13", of(Tool::GnuTls, Version::Tls13, NEITHER, &[])),
        ("curl-scheme-13", of(Tool::Curl, Version::Tls13, NEITHER, &[])),
        ("openssl-suite", of(Tool::OpenSsl, Version::Tls12, BOTH, &["-cipher", "AES128-SHA"])),
        ("curl-suite", of(Tool::Curl, Version::Tls12, BOTH, &["--ciphers", "AES128-SHA"])),
        ("openssl-fallback", of(Tool::OpenSsl, Version::Tls12, BOTH, &["-fallback_scsv"])),
        ("gnutls-version", of(Tool::GnuTls, Version::Tls11, BOTH, &[])),
    ]
}

/// The probe reports for each of these clients, by its own hello, the alert that it has received.
#[track_caller]
fn agree(server: SocketAddr, ca: &Path) {
    let folder = TempDir::new().unwrap();
    let (mut arguments, mut received) = (vec!["--format".to_owned(), "json".to_owned()], Vec::new());
    for (name, client) in all() {
        let recorder = Recorder::before(server);
        let seen = client.connect(recorder.address, ca);
        // What the client says of it, and what has passed on the wire.
        let alert = recorder.alert(0).unwrap_or_else(|| panic!("{name} is not refused: {}", seen.output));
        assert_eq!((seen.alert, seen.certificate), (Some(alert), None), "{name}: {}", seen.output);
        let path = folder.path().join(format!("{name}.bin"));
        fs::write(&path, recorder.recording(0).hello).unwrap();
        arguments.extend(["--hello".to_owned(), path.display().to_string()]);
        received.push((name, alert));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let found = clients(server, &arguments);
    // It serves none of them.
    assert_eq!(found.code, 1, "{found:?}");
    let report = found.json();
    let rows = report["clients"].as_array().unwrap();
    assert_eq!(rows.len(), received.len(), "{report:#}");
    for (row, (name, alert)) in rows.iter().zip(&received) {
        assert_eq!((&row["client"], &row["result"]), (&(*name).into(), &"refused".into()), "{row:#}");
        assert_eq!(row["alert_code"].as_u64(), Some(u64::from(*alert)), "{name}: {row:#}");
        assert!(row["version"].is_null() && row["suite"].is_null() && row["certificate"].is_null(), "{row:#}");
    }
    let alerts: Vec<u8> = received.iter().map(|(_, alert)| *alert).collect();
    // A server says in different words why: at least these three reasons are told apart.
    assert!(alerts.contains(&HANDSHAKE_FAILURE), "{received:?}");
    assert!(alerts.contains(&INAPPROPRIATE_FALLBACK), "{received:?}");
    assert!(alerts.contains(&PROTOCOL_VERSION), "{received:?}");
}

#[test]
fn real_clients_that_tlsgate_refuses_are_refused_to_the_probe() {
    let pki = Pki::new();
    pairs(&pki);
    let backend = http();
    let proxy = tlsgate(pki.folder(), backend.address, "");
    agree(proxy.address("main"), &pki.ca());
}

#[test]
fn real_clients_that_nginx_and_haproxy_refuse_are_refused_to_the_probe() {
    let pki = Pki::new();
    let [rsa, ec] = pairs(&pki);
    let suites = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
    let server = nginx(
        "http",
        &format!(
            "server {{ listen LISTEN ssl; ssl_certificate {}; ssl_certificate_key {}; ssl_certificate {};
             ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {suites}; }}",
            rsa.0, rsa.1, ec.0, ec.1
        ),
    );
    agree(server.address, &pki.ca());
    let file = combined(pki.folder(), &Pair { certificate: rsa.0.into(), key: rsa.1.into() });
    let options = format!("ssl-default-bind-options ssl-min-ver TLSv1.2\n    ssl-default-bind-ciphers {suites}");
    let server =
        haproxy(&options, &format!("ssl crt {}", file.display()), "mode http\n    http-request return status 200");
    agree(server.address, &pki.ca());
}

const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const INAPPROPRIATE_FALLBACK: u8 = 86;
