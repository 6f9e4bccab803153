//! Certificates that a policy can never serve: an error of `check`, and no reason to stop a running program.

use std::fs;

use crate::support::backend::Backend;
use crate::support::check::check;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::reports;
use crate::support::tool;

/// A listener whose policy has suites for RSA keys alone.
fn config(certificates: &str) -> String {
    let backend = Backend::echo();
    format!(
        r#"
[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = {certificates}
policy = "only-rsa"
backend = "echo"

[policy.only-rsa]
versions = ["TLSv1.2"]
ciphers = ["ECDHE-RSA-AES128-GCM-SHA256"]

[backend.echo]
servers = ["{}"]
"#,
        backend.address
    )
}

fn written(kinds: &[(&str, Key)]) -> Pki {
    let pki = Pki::new();
    for (stem, key) in kinds {
        pki.write("certs", stem, &[&format!("{stem}.test")], *key, &Extra::default());
    }
    pki
}

/// The message about `certs/stem.crt`.
fn message(pki: &Pki, stem: &str, kind: &str) -> String {
    let path = pki.folder().join(format!("certs/{stem}.crt"));
    format!(
        "listener \"main\": certificates[0]: {}: can never be served under policy \"only-rsa\": its key is {kind}, for which the policy has no cipher suite",
        path.display()
    )
}

/// What OpenSSL's client negotiated.
fn cipher(shown: &str) -> Option<&str> {
    reports::session(shown).map(|session| session.cipher)
}

const PAIR: &str = r#"[{ cert = "certs/ec.crt", key = "certs/ec.key" }, "certs"]"#;

#[test]
fn a_certificate_that_is_named_is_an_error_everywhere() {
    let pki = written(&[("ec", Key::P256), ("rsa", Key::Rsa2048)]);
    let checked = check(pki.folder(), &config(PAIR));
    assert!(!checked.ok);
    assert_eq!(checked.errors[0], message(&pki, "ec", "ECDSA P-256"));
    let log = Proxy::try_start(pki.folder(), &config(PAIR)).err().unwrap();
    assert!(log.contains(&message(&pki, "ec", "ECDSA P-256")), "{log}");
}

#[test]
fn in_a_folder_it_is_an_error_of_check_and_a_warning_of_what_runs() {
    let pki = written(&[("ec", Key::P256), ("ed", Key::Ed25519), ("rsa", Key::Rsa2048)]);
    let checked = check(pki.folder(), &config("[\"certs\"]"));
    assert!(!checked.ok);
    assert_eq!(checked.errors, [message(&pki, "ec", "ECDSA P-256"), message(&pki, "ed", "Ed25519")]);
    let proxy = Proxy::start(pki.folder(), &config("[\"certs\"]"));
    proxy.log_line(&message(&pki, "ec", "ECDSA P-256"));
    let address = proxy.address("main").to_string();
    let asked =
        |name| tool::shown(&tool::run("openssl", &["s_client", "-connect", &address, "-servername", name], b""));
    assert_eq!(cipher(&asked("rsa.test")), Some("ECDHE-RSA-AES128-GCM-SHA256"));
    // A client that asks for a known name gets no other certificate instead.
    assert_eq!(reports::alert(&asked("ec.test")), Some(40));
}

#[test]
fn with_nothing_that_can_be_served_nothing_starts() {
    let pki = written(&[("ec", Key::P256)]);
    let checked = check(pki.folder(), &config("[\"certs\"]"));
    assert_eq!(checked.errors, [message(&pki, "ec", "ECDSA P-256")]);
    let log = Proxy::try_start(pki.folder(), &config("[\"certs\"]")).err().unwrap();
    assert!(log.contains(&message(&pki, "ec", "ECDSA P-256")), "{log}");
}

#[test]
fn one_that_appears_in_a_folder_does_not_hold_up_the_others() {
    let pki = written(&[("rsa", Key::Rsa2048)]);
    let proxy = Proxy::start(pki.folder(), &config("[\"certs\"]"));
    pki.write("certs", "ec", &["ec.test"], Key::P384, &Extra::default());
    proxy.log_line(&message(&pki, "ec", "ECDSA P-384"));
    pki.write("certs", "new", &["new.test"], Key::Rsa2048, &Extra::default());
    proxy.log_line("new.crt added");
    // If it is named, it is refused, and everything stays as it is.
    fs::write(pki.folder().join("tlsgate.toml"), config(PAIR)).unwrap();
    proxy.log_line("not reloaded, everything stays as it is");
    let address = proxy.address("main").to_string();
    let shown = tool::shown(&tool::run("openssl", &["s_client", "-connect", &address, "-servername", "new.test"], b""));
    assert_eq!(cipher(&shown), Some("ECDHE-RSA-AES128-GCM-SHA256"), "{shown}");
}

#[test]
fn a_policy_of_ones_own_can_be_changed_while_it_runs() {
    let pki = written(&[("rsa", Key::Rsa2048)]);
    let before = config("[\"certs\"]");
    let proxy = Proxy::start(pki.folder(), &before);
    let address = proxy.address("main").to_string();
    let negotiated = || tool::shown(&tool::run("openssl", &["s_client", "-connect", &address], b""));
    assert_eq!(cipher(&negotiated()), Some("ECDHE-RSA-AES128-GCM-SHA256"));
    fs::write(pki.folder().join("tlsgate.toml"), before.replace("AES128-GCM-SHA256", "CHACHA20-POLY1305")).unwrap();
    let line = proxy.log_line("policy \"only-rsa\": ciphers = ");
    assert!(line.contains("CHACHA20"), "{line}");
    assert_eq!(cipher(&negotiated()), Some("ECDHE-RSA-CHACHA20-POLY1305"));
}

#[test]
fn the_admin_api_adds_none_that_can_never_be_served() {
    let pki = written(&[("rsa", Key::Rsa2048)]);
    let proxy = Proxy::start(pki.folder(), &format!("[admin]\nlisten=\"unix:admin.sock\"\n{}", config("[\"certs\"]")));
    let door = Door::unix(pki.folder());
    let add = |name: &str, key: Key| {
        let (certificate, key) = pki.pair(&[&format!("{name}.test")], key, &Extra::default());
        let body = serde_json::json!({ "name": name, "certificate": certificate, "key": key }).to_string();
        let answer =
            door.ask("POST", "/api/v1/listeners/main/certificates", &[("Content-Type", "application/json")], &body);
        (answer.status, answer.body)
    };
    let (status, answer) = add("ec", Key::P256);
    assert_eq!(status, 422, "{answer}");
    assert!(answer.contains("can never be served under policy \\\"only-rsa\\\": its key is ECDSA P-256"), "{answer}");
    assert!(!pki.folder().join("certs/ec.crt").exists());
    assert_eq!(add("more", Key::Rsa2048).0, 201);
    drop(proxy);
}
