//! Checks over TLS: which certificates they accept, alone and below HTTP and LDAP.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{becomes, down_for, metrics, server, stage};
use crate::support::backend::Backend;
use crate::support::exim::{Exim, Security};
use crate::support::pki::{Extra, Key, Pki};
use crate::support::slapd::Slapd;
use crate::support::tool;

#[test]
fn tls_is_verified_by_ca_and_name_or_by_pin_or_not_at_all() {
    let (pki, other) = (Pki::new(), Pki::new());
    fs::write(pki.folder().join("other.pem"), fs::read(other.ca()).unwrap()).unwrap();
    let good = pki.pair(&["ldap.test"], Key::P256, &Extra::default());
    let expired = pki.pair(&["ldap.test"], Key::P256, &Extra { validity: Some((-9, -2)), ..Extra::default() });
    let soon = pki.pair(&["ldap.test"], Key::P256, &Extra { validity: Some((-20, 5)), ..Extra::default() });
    // A third of its lifetime is less than what is left.
    let short = pki.pair(&["ldap.test"], Key::P256, &Extra { validity: Some((-1, 5)), ..Extra::default() });
    let serve = |pair: &(String, String)| tls_backend(pair, |stream| stream.read_to_end(&mut Vec::new()).map(drop));
    let (ca, others) = (pki.ca().display().to_string(), other.ca().display().to_string());
    let (pin, ca_pin, wrong) = (pin(&good.0), pin(&fs::read_to_string(pki.ca()).unwrap()), pin(&expired.0));
    // If the CA's certificate is sent too, its key can be pinned.
    let with_ca = (format!("{}{}", good.0, fs::read_to_string(pki.ca()).unwrap()), good.1.clone());
    // A self-signed certificate, with and without a CA's rights, is its own CA.
    let [own, own_ca] = [false, true].map(|is_ca| self_signed(&pki, "ldap.test", is_ca));
    let named = "server_name = \"ldap.test\"";
    for (pair, trust, wanted) in [
        (&good, format!("ca = \"{ca}\", {named}"), None),
        (&good, format!("pins = \"{pin}\""), None),
        (&good, format!("ca = \"{ca}\", pins = [\"{wrong}\", \"{pin}\"], {named}"), None),
        (&with_ca, format!("pins = \"{ca_pin}\", {named}"), None),
        (&expired, "verify = false".to_owned(), None),
        (&own.0, format!("ca = \"{}\", {named}", own.1), None),
        (&own_ca.0, format!("ca = \"{}\", {named}", own_ca.1), None),
        (
            &own_ca.0,
            format!("ca = \"{}\", server_name = \"other.test\"", own_ca.1),
            Some("is not valid for the name other.test"),
        ),
        (&own.0, format!("ca = \"{ca}\", {named}"), Some("TLS: its certificate is not from a CA that is trusted")),
        (&good, format!("ca = \"{others}\", {named}"), Some("TLS: its certificate is not from a CA that is trusted")),
        (
            &good,
            format!("ca = \"{ca}\", server_name = \"other.test\""),
            Some("TLS: its certificate is not valid for the name other.test"),
        ),
        (&good, format!("ca = \"{ca}\""), Some("is not valid for the name 127.0.0.1")),
        (&expired, format!("ca = \"{ca}\", {named}"), Some("expired")),
        (&good, format!("pins = \"{wrong}\", {named}"), Some("no certificate that it sent has a pinned key")),
        (&with_ca, format!("pins = \"{ca_pin}\", server_name = \"other.test\""), Some("is not valid for the name")),
        (&soon, format!("ca = \"{ca}\", {named}"), None),
        (&short, format!("ca = \"{ca}\", {named}"), None),
    ] {
        let backend = serve(pair);
        let stage = stage(&[backend.address], &format!("type = \"tls\", {trust}"), "");
        match wanted {
            None => drop(becomes(&stage, 0, "up")),
            Some(reason) => down_for(&stage, 0, reason),
        }
        if std::ptr::eq(pair, &soon) {
            let line = stage.proxy.log_line("the server's certificate expires soon");
            assert!(line.contains("days=4"), "{line}");
            assert!(metrics(&stage).contains("tlsgate_backend_certificate_not_after_timestamp_seconds{"));
            assert!(server(&stage, 0)["certificate_not_after"].is_string());
        }
        if std::ptr::eq(pair, &soon) || std::ptr::eq(pair, &short) {
            let text = metrics(&stage);
            let line = text.lines().find(|line| line.starts_with("tlsgate_backend_certificate_ends_soon{")).unwrap();
            assert!(line.ends_with(if std::ptr::eq(pair, &soon) { " 1" } else { " 0" }), "{line}");
            // The line of the log comes with the first check, before the server is up.
            assert_eq!(stage.proxy.log().contains("expires soon"), std::ptr::eq(pair, &soon));
        }
    }
}

#[test]
fn http_and_ldap_are_checked_over_tls_too() {
    let pki = Pki::new();
    let pair = pki.pair(&["a.test"], Key::P256, &Extra::default());
    let https = tls_backend(&pair, |stream| {
        stream.read_exact(&mut [0; 10])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")?;
        stream.flush()
    });
    let trust = format!("tls = true, ca = \"{}\", server_name = \"a.test\"", pki.ca().display());
    let stage = stage(&[https.address], &format!("type = \"http\", {trust}, body = \"hello\""), "");
    becomes(&stage, 0, "up");
    let slapd = Slapd::start_with_tls("", &pki);
    for health in [
        format!("type = \"ldap\", start_tls = true, ca = \"{}\", server_name = \"localhost\"", pki.ca().display()),
        "type = \"ldap\", start_tls = true, verify = false".to_owned(),
    ] {
        let stage = self::stage(&[slapd.address], &health, "");
        assert!(becomes(&stage, 0, "up")["certificate_not_after"].is_string());
    }
    let wrong = Pki::new();
    let health = format!("type = \"ldap\", start_tls = true, ca = \"{}\"", wrong.ca().display());
    down_for(&self::stage(&[slapd.address], &health, ""), 0, "TLS: its certificate is not from a CA that is trusted");
    let plain = Slapd::start("");
    let stage = self::stage(&[plain.address], "type = \"ldap\", start_tls = true, verify = false", "");
    down_for(&stage, 0, "StartTLS: protocolError (2)");
}

#[test]
fn a_check_asks_for_tls_as_connections_do() {
    let pki = Pki::new();
    let ca = format!("ca = \"{}\"", pki.ca().display());
    let exim = [Security::Starttls, Security::None].map(|security| Exim::start(security, &pki));
    let slapd = Slapd::start_with_tls("", &pki);
    for (protocol, name, server, refused) in [
        ("smtp", "mail.test", exim[0].address, None),
        ("smtp", "mail.test", exim[1].address, Some("StartTLS: the server does not offer STARTTLS")),
        ("ldap", "localhost", slapd.address, None),
    ] {
        let trust = format!("{ca}, server_name = \"{name}\"");
        let connections = format!("tls = {{ starttls = \"{protocol}\", {trust} }}");
        let stage = stage(&[server], &format!("type = \"tls\", {trust}"), &connections);
        match refused {
            None => assert!(becomes(&stage, 0, "up")["certificate_not_after"].is_string()),
            Some(reason) => down_for(&stage, 0, reason),
        }
    }
}

/// A server that uses TLS with that certificate, and then runs the given code.
fn tls_backend(
    (certificate, key): &(String, String),
    serve: impl Fn(&mut StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> + Send + Sync + 'static,
) -> Backend {
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    Backend::start(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        stream.conn.complete_io(&mut stream.sock)?;
        serve(&mut stream)
    })
}

/// A self-signed certificate with its key, and the file that contains it.
fn self_signed(pki: &Pki, name: &str, is_ca: bool) -> ((String, String), String) {
    let (certificate, key) = crate::support::pki::self_signed(name, is_ca, (-1, 90));
    let file = pki.folder().join(format!("own-{is_ca}.pem"));
    fs::write(&file, &certificate).unwrap();
    ((certificate, key), file.display().to_string())
}

/// Made with the command in the documentation.
fn pin(certificate: &str) -> String {
    let script =
        "openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64";
    let output = tool::run("sh", &["-c", script], certificate.as_bytes());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
