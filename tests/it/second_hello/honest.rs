//! Other clients that are asked for a group for which they sent no key share: they send a second hello, and are served;
//! also with a ticket, whose binder covers both hellos.

use std::path::Path;
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::routes::answers_once;
use crate::support::client::Client;
use crate::support::stage::{Lines, NAME, Stage};
use crate::support::tool;

fn on_both_layers(check: impl Fn(&Stage)) {
    let backend = answers_once();
    for layer in ["tlsgate", "rustls"] {
        let top = format!("[runtime]\nrecord_layer = \"{layer}\"");
        let policy =
            "[policy.rare]\nversions = [\"TLSv1.3\"]\nciphers = [\"TLS_AES_128_GCM_SHA256\"]\ngroups = [\"P-384\"]";
        let top = format!("{top}\n{policy}");
        let listener = "policy = \"rare\"\nalpn = [\"h2\", \"imap\"]";
        check(&Stage::new(&[backend.address], Lines { top: &top, listener, backend: "" }));
    }
}

/// Checks the newest records: all were served, with that group, and that many of them resumed.
fn is_served(stage: &Stage, count: usize, resumed: usize, printed: &str) {
    let records = stage.proxy.records(count);
    for record in &records {
        assert!(record["outcome"] == "completed" && record["tls.curve"] == "secp384r1", "{record}\n{printed}");
    }
    assert_eq!(records.iter().filter(|record| record["tls.resumed"] == true).count(), resumed, "{printed}");
}

#[test]
fn openssl_is_asked_again() {
    on_both_layers(|stage| {
        let to = stage.address().to_string();
        let session = stage.pki.folder().join("session");
        let session = session.to_str().unwrap();
        let ca = stage.pki.ca();
        let ask = |keep: &str| {
            let arguments =
                ["s_client", "-ign_eof", "-connect", &to, "-servername", NAME, "-CAfile", ca.to_str().unwrap()];
            let more = ["-groups", "X25519:P-256:P-384", "-alpn", "h2,imap", "-verify_return_error", keep, session];
            tool::shown(&tool::run("openssl", &[&arguments[..], &more].concat(), b"hello\n"))
        };
        let printed = ask("-sess_out") + &ask("-sess_in");
        is_served(stage, 2, 1, &printed);
    });
}

#[test]
fn gnutls_is_asked_again() {
    on_both_layers(|stage| {
        let ca = stage.pki.ca();
        let port = stage.address().port().to_string();
        let arguments = [
            "--x509cafile",
            ca.to_str().unwrap(),
            "--sni-hostname",
            NAME,
            "--verify-hostname",
            NAME,
            "--alpn",
            "h2",
            "--priority",
            "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:+GROUP-FFDHE2048:+GROUP-SECP384R1",
            "--port",
            &port,
            "127.0.0.1",
        ];
        let printed = tool::shown(&tool::run("gnutls-cli", &arguments, b"hello\n"));
        let record = &stage.proxy.records(1)[0];
        assert!(record["tls.curve"] == "secp384r1" && record["tls.next_protocol"] == "h2", "{record}\n{printed}");
    });
}

#[test]
fn java_is_asked_again() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/routes/Names.java");
    on_both_layers(|stage| {
        let ca = stage.pki.ca();
        let port = stage.address().port().to_string();
        let arguments = [
            "-Djdk.tls.namedGroups=x25519,secp256r1,ffdhe2048,secp384r1",
            source.to_str().unwrap(),
            "127.0.0.1",
            &port,
            ca.to_str().unwrap(),
            NAME,
        ];
        let printed = tool::shown(&tool::run("java", &arguments, b""));
        is_served(stage, 1, 0, &printed);
    });
}

#[test]
fn rustls_is_asked_again_and_resumes() {
    on_both_layers(|stage| {
        let mut provider = default_provider();
        provider.kx_groups = vec![kx_group::X25519, kx_group::SECP384R1];
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(stage.pki.ca()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"imap".to_vec()];
        let config = Arc::new(config);
        for kind in [HandshakeKind::FullWithHelloRetryRequest, HandshakeKind::Resumed] {
            let mut client = Client::silent(stage.address(), &config, NAME);
            client.handshake().unwrap();
            assert_eq!(client.tls.handshake_kind(), Some(kind));
            assert_eq!(client.tls.alpn_protocol(), Some(&b"imap"[..]));
            client.send(b"hello").unwrap();
            assert_eq!(client.read_exact(5), b"hello");
            client.close_notify().unwrap();
            client.read_to_end();
        }
        is_served(stage, 2, 1, "rustls");
    });
}
