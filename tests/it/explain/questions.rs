//! The questions on the command line and over the API, and the errors for wrong questions.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tlsgate::explain::clients;

use super::scene::Scene;
use crate::support::check::check;
use crate::support::hello;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::PROGRAM;
use crate::support::tool::shown;

/// A configuration with one listener; the program need not run for it.
struct Desk {
    pki: Pki,
}

impl Desk {
    fn new() -> Self {
        let pki = Pki::new();
        pki.write("certs", "main-rsa", &["main.test"], Key::Rsa2048, &Extra::default());
        pki.write("certs", "main-ec", &["main.test"], Key::P256, &Extra::default());
        let expired = Extra { validity: Some((-30, -1)), ..Extra::default() };
        pki.write("certs", "old", &["old.test"], Key::P256, &expired);
        pki.write("certs", "wild", &["*.wild.test"], Key::P384, &Extra::default());
        let config = "[backend.none]\nservers = [\"127.0.0.1:1\"]\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"none\"\n";
        assert!(check(pki.folder(), config).ok);
        Self { pki }
    }

    fn explain(&self, arguments: &[&str]) -> Output {
        let config = self.pki.folder().join("tlsgate.toml");
        Command::new(PROGRAM).args(["explain", "-c"]).arg(config).args(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.explain(&[arguments, &["--format", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(&output)))
    }

    fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.explain(arguments).stdout).unwrap().replace(self.pki.folder().to_str().unwrap(), "…")
    }

    /// Asserts that it is reported as wrong usage, and returns the message.
    fn misused(&self, arguments: &[&str]) -> String {
        let output = self.explain(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
        assert!(output.stdout.is_empty(), "{}", shown(&output));
        String::from_utf8(output.stderr).unwrap().trim_end().to_owned()
    }

    /// Writes a file and returns its path.
    fn file(&self, bytes: &[u8]) -> String {
        let path = self.pki.folder().join("captured");
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn every_candidate_has_its_step_and_its_reason() {
    let desk = Desk::new();
    let candidates = |arguments: &[&str]| {
        let explained = desk.json(arguments);
        let all = explained["candidates"].as_array().unwrap().iter().map(|one| {
            let name = one["certificate"].as_str().unwrap().rsplit('/').next().unwrap();
            let verdict = one["verdict"].as_str().unwrap();
            format!("{name} {verdict} {}: {}", one["step"], one["reason"].as_str().unwrap())
        });
        all.collect::<Vec<_>>()
    };
    assert_eq!(
        candidates(&["--sni", "main.test"]),
        [
            "main-ec.crt served 1: it has the name; it can sign in ecdsa_secp256r1_sha256 (step 2)",
            "main-rsa.crt outranked 4: ECDSA and Ed25519 come before RSA"
        ]
    );
    assert_eq!(
        candidates(&["--sni", "main.test", "--sigalgs", "RSA-PSS+SHA256"])[0],
        "main-ec.crt dropped 2: its key can sign in ecdsa_secp256r1_sha256; of the client's schemes, TLS 1.3 allows rsa_pss_rsae_sha256"
    );
    assert_eq!(
        candidates(&["--sni", "a.wild.test", "--tls", "1.2", "--groups", "x25519:P-256"]),
        [
            "wild.crt dropped 2: under TLS 1.2 its curve (ECDSA P-384) must be among the client's groups, which contain ECDSA P-256"
        ]
    );
    let old = candidates(&["--sni", "old.test"]);
    assert_eq!(old.len(), 1);
    assert!(old[0].starts_with("old.crt served 1: it has the name; it can sign in "), "{old:?}");
    assert!(old[0].contains("; it expired at 20") && old[0].ends_with("and nothing valid is left (step 3)"), "{old:?}");
    let unknown = candidates(&["--sni", "nobody.test"]);
    assert!(unknown[0].contains("no certificate has the name, and it is a default one"), "{unknown:?}");
    assert!(candidates(&[])[0].contains("the client sends no name, and it is a default one"));
}

#[test]
fn the_text_says_what_the_client_gets() {
    let desk = Desk::new();
    let text = desk.text(&["--sni", "main.test", "--tls", "1.2", "--ciphers", "ECDHE-RSA-AES256-GCM-SHA384"]);
    for line in [
        "listener     main (TLS13-1-2-Res-PQ-2025-09)",
        "server name  main.test",
        "route        default: terminate, backend none",
        "version      TLSv1.2",
        "cipher       TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "group        x25519",
        "signature    rsa_pss_rsae_sha512",
        "  served     …/certs/main-rsa.crt (RSA 2048, exact)",
        "  dropped    …/certs/main-ec.crt (ECDSA P-256, exact)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line:?} is not in\n{text}");
    }
    let refused = desk.text(&["--tls", "1.1"]);
    let reason = "the client offers TLSv1.1 and TLSv1.0; the policy has TLSv1.3 and TLSv1.2";
    assert!(refused.contains(&format!("REFUSED      no TLS version in common: {reason}\n")), "{refused}");
    assert!(refused.contains("alert        protocol_version (70)"), "{refused}");
    assert!(desk.text(&["--sni", "old.test"]).contains("NOT VALID NOW, and nothing valid is left"));
}

#[test]
fn each_refusal_names_what_did_not_match() {
    let desk = Desk::new();
    for (arguments, alert, reason) in [
        (&["--tls", "1.0"][..], "protocol_version", "no TLS version in common: the client offers TLSv1.0; the policy"),
        (
            &["--tls", "1.2", "--ciphers", "AES128-SHA:ECDHE-RSA-AES128-SHA"],
            "handshake_failure",
            "no cipher suite in common: the client offers TLS_RSA_WITH_AES_128_CBC_SHA and TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA; the policy has TLS_AES_128_GCM_SHA256, ",
        ),
        (
            &["--groups", "P-521"],
            "handshake_failure",
            "no key exchange group in common: the client offers secp521r1; the policy has X25519MLKEM768, SecP256r1MLKEM768, x25519, secp256r1 and secp384r1",
        ),
        (
            &["--sni", "main.test", "--sigalgs", "ed25519"],
            "handshake_failure",
            "no signature scheme in common: step 5: no key of the certificates with the name fits, and no other certificate is served",
        ),
        (
            &["--tls", "1.2", "--ciphers", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:0x5600"],
            "inappropriate_fallback",
            "the client sent TLS_FALLBACK_SCSV, but a newer TLS version is possible",
        ),
    ] {
        let explained = desk.json(arguments);
        assert_eq!(explained["result"], "refused", "{explained:#}");
        assert_eq!(explained["alert"], alert, "{explained:#}");
        assert!(explained["reason"].as_str().unwrap().starts_with(reason), "{explained:#}");
        assert_eq!(desk.explain(arguments).status.code(), Some(1));
    }
}

#[test]
fn every_known_client_is_answered_and_served() {
    let desk = Desk::new();
    for client in clients::ALL {
        let explained = desk.json(&["--client", client.name, "--sni", "main.test"]);
        assert_eq!(explained["result"], "served", "{}: {explained:#}", client.name);
        let expected = if client.name == "openssl-rsa-only" { "RSA" } else { "ECDSA P-256" };
        assert_eq!(explained["key_type"], expected, "{}: {explained:#}", client.name);
    }
}

#[test]
fn a_captured_hello_is_read_in_every_form() {
    let desk = Desk::new();
    let raw = clients::named("curl").unwrap().hello().unwrap();
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let spaced: String =
        raw.chunks(7).map(|line| line.iter().map(|byte| format!("{byte:02X} ")).collect::<String>() + "\n").collect();
    let coloned = raw.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    let expected = desk.json(&["--hello", &desk.file(&raw)]);
    assert_eq!(expected["client"]["server_name"], "localhost");
    assert_eq!(expected["result"], "served");
    for other in [hex.as_bytes(), spaced.as_bytes(), coloned.as_bytes(), &raw[5..], &hex.as_bytes()[10..]] {
        assert_eq!(desk.json(&["--hello", &desk.file(other)]), expected);
    }
    // Bytes after the hello are not looked at.
    assert_eq!(desk.json(&["--hello", &desk.file(&[&raw[..], b"more"].concat())]), expected);
}

#[test]
fn a_hello_that_is_none_is_refused_as_the_proxy_would() {
    let desk = Desk::new();
    let raw = clients::named("curl").unwrap().hello().unwrap();
    let reason = |bytes: &[u8]| {
        let explained = desk.json(&["--hello", &desk.file(bytes)]);
        assert_eq!(explained["result"], "refused", "{explained:#}");
        (explained["reason"].as_str().unwrap().to_owned(), explained["alert"].as_str().map(str::to_owned))
    };
    assert_eq!(reason(&raw[..100]), ("the ClientHello is incomplete".to_owned(), None));
    let mut other = raw.clone();
    // A ServerHello is no ClientHello.
    other[5] = 2;
    assert_eq!(reason(&other).1.as_deref(), Some("unexpected_message"));
    // The hello is well-formed, but its key share is a point that yields no key: the handshake cannot begin.
    let share = [&[0, 36, 0, 0x1d, 0, 32][..], &[0; 32]].concat();
    let forged = hello::records(&hello::with_extensions(&hello::message(&raw), KEY_SHARE, &[&share]), 16_384);
    let (message, alert) = reason(&forged);
    assert!(message.starts_with("the handshake cannot begin: "), "{message}");
    assert_eq!(alert.as_deref(), Some("illegal_parameter"));
}

#[test]
fn a_wrong_question_is_answered_with_the_valid_choices() {
    let desk = Desk::new();
    assert_eq!(desk.misused(&["--listener", "other"]), "--listener: unknown listener \"other\" (expected one of main)");
    assert!(
        desk.misused(&["--client", "netscape"])
            .starts_with("--client: unknown client \"netscape\" (expected one of android12, chrome, curl, ")
    );
    assert!(
        desk.misused(&["--sigalgs", "RSA+MD5"])
            .starts_with("--sigalgs: unknown signature scheme \"RSA+MD5\" (expected ecdsa_")
    );
    assert!(
        desk.misused(&["--groups", "curve1"])
            .starts_with("--groups: unknown group \"curve1\" (expected X25519MLKEM768, ")
    );
    assert!(
        desk.misused(&["--ciphers", "HIGH"]).starts_with("--ciphers: unknown cipher suite \"HIGH\" (expected IANA's")
    );
    assert!(desk.misused(&["--tls", "2"]).starts_with("--tls: unknown version \"2\" (expected one of 1.0"));
    assert_eq!(desk.misused(&["--sni=-.test"]), "--sni: \"-.test\" is not a DNS name");
    assert_eq!(
        desk.misused(&["--hello", &desk.file(b"hello")]),
        "--hello: found 'h' at byte 1, expected hex digits, or bytes that begin with 0x16 0x03"
    );
    assert_eq!(
        desk.misused(&["--hello", &desk.file(b"")]),
        "--hello: found nothing, expected a ClientHello as bytes or as hex digits"
    );
    assert!(desk.misused(&["--hello", "/nowhere"]).starts_with("--hello: /nowhere cannot be read: No such file"));
    assert!(desk.misused(&["--hello", "/nowhere", "--client", "curl"]).contains("cannot be used with"));
    // A wrong configuration is a different error from a wrong question.
    fs::write(desk.pki.folder().join("tlsgate.toml"), "nonsense = 1\n").unwrap();
    let output = desk.explain(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("nonsense"));
}

#[test]
fn the_api_answers_as_the_program_does_and_reports_what_is_wrong() {
    let scene = Scene::start();
    let answer = scene.ask("listener=reject&sni=both.test&sigalgs=RSA-PSS+SHA256%3ARSA%2BSHA256&tls=1.2");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["key_type"], "RSA");
    assert_eq!(answer.json()["version"], "TLSv1.2");
    for (query, status, message) in [
        (
            "listener=nobody",
            404,
            "listener: unknown listener \"nobody\" (expected one of default, modern, older, reject)",
        ),
        ("", 400, "listener: not given (expected one of default, modern, older, reject)"),
        ("listener=default&sni=a.test&sni=b.test", 400, "sni: found \"a.test\" and \"b.test\", expected one value"),
        ("listener=default&hello=16&hello=16", 400, "hello: found \"16\" and \"16\", expected one value"),
        (
            "listener=default&cipher=x",
            400,
            "unknown parameter \"cipher\" (expected one of listener, address, from, sni, sigalgs, client, tls, ciphers, groups, alpn, hello)",
        ),
        ("listener=default&address=x", 422, "address: found \"x\", expected an IP address"),
        (
            "listener=%ff",
            400,
            "listener: found \"%ff\", expected a name and a value in UTF-8, written with % (RFC 3986)",
        ),
        ("listener=default&tls=3", 422, "tls: unknown version \"3\" (expected one of 1.0, 1.1, 1.2, 1.3)"),
        (
            "listener=default&sni=192.0.2.1",
            422,
            "sni: \"192.0.2.1\" is an address, for which clients send no server name",
        ),
        (
            "listener=default&hello=xyz",
            422,
            "hello: found 'x' at byte 1, expected hex digits, or bytes that begin with 0x16 0x03",
        ),
        ("listener=default&hello=", 422, "hello: found nothing, expected a ClientHello as bytes or as hex digits"),
    ] {
        let answer = scene.ask(query);
        assert_eq!((answer.status, answer.error().as_str()), (status, message), "{query}");
    }
    let posted = scene.door.ask("POST", "/api/v1/explain?listener=default", &[], "");
    assert_eq!(posted.status, 405);
}

/// RFC 8446 section 4.2.8.
const KEY_SHARE: u16 = 51;
