//! Java's own TLS: many connections from one JVM, each with other offers.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::scene::{Dice, NAMES, Scene, listeners};
use crate::support::tool;

/// The offer depends on Java's version: TLS 1.3 has no PKCS#1, so some versions send an empty list, which
/// is malformed, and others send none. Nothing is expected here; the bytes that came are explained.
const SCHEMES: [&str; 7] = [
    "ecdsa_secp256r1_sha256",
    "ecdsa_secp384r1_sha384",
    "ed25519",
    "rsa_pss_rsae_sha256",
    "rsa_pss_rsae_sha512",
    "rsa_pkcs1_sha256",
    "rsa_pkcs1_sha512",
];
const SUITES: [&str; 8] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
];

#[test]
fn what_is_explained_is_what_java_gets() {
    let scene = Scene::start();
    let mut dice = Dice(0x1a7a_2026_1124_0017);
    let listeners: Vec<&str> = listeners().collect();
    let mut jobs = Vec::new();
    let mut text = String::new();
    for round in 0..200 {
        let listener = dice.one(&listeners);
        let name = if dice.below(8) == 0 { "-" } else { dice.one(&NAMES) };
        let versions = dice.one(&["TLSv1.3", "TLSv1.2", "TLSv1.3,TLSv1.2"]);
        // Sometimes everything by default.
        let schemes = if dice.below(4) == 0 { "-".into() } else { dice.some(&SCHEMES).join(",") };
        let suites = if dice.below(3) == 0 { "-".into() } else { dice.some(&SUITES).join(",") };
        let port = scene.recorder(listener).address.port();
        text += &format!("{port} {name} {versions} {schemes} {suites}\n");
        jobs.push((round, listener));
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/explain/Client.java");
    let file = scene.pki.folder().join("jobs");
    fs::write(&file, &text).unwrap();
    let output = tool::run("java", &[program.to_str().unwrap(), file.to_str().unwrap()], b"");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), jobs.len(), "{}", tool::shown(&output));

    let mut next = std::collections::HashMap::new();
    let (mut served, mut refused, mut silent) = (0, 0, 0);
    for (((round, listener), line), job) in jobs.into_iter().zip(lines).zip(text.lines()) {
        let at = next.entry(listener).or_insert(0);
        let connection = *at;
        let recording = scene.recorder(listener).recording(connection);
        *at += 1;
        if recording.hello.is_empty() {
            silent += 1;
            continue;
        }
        let explained = scene.explained(listener, &recording.hello);
        let context = format!("round {round}: {listener} {job}\n{line}\n{explained:#}");
        match (explained["result"].as_str(), line.split(' ').collect::<Vec<_>>().as_slice()) {
            (Some("served"), ["served", version, cipher, hash]) => {
                served += 1;
                let expected =
                    [explained["version"].as_str(), explained["cipher"].as_str(), explained["sha256"].as_str()];
                assert_eq!(expected, [Some(*version), Some(*cipher), Some(*hash)], "{context}");
            }
            (Some("refused"), ["refused", ..]) => {
                refused += 1;
                let alert = scene.recorder(listener).alert(connection);
                assert_eq!(explained["alert_code"], Value::from(alert), "{context}");
            }
            _ => panic!("{context}"),
        }
        scene.record_agrees(&recording, &explained, &context);
        if round % 10 == 0 {
            assert_eq!(scene.explained_by_program(listener, &recording.hello), explained, "{context}");
        }
    }
    assert!(served > 60 && refused > 40 && silent < 60, "{served} {refused} {silent}");
}

/// The built-in client is the installed one, as far as it offers the same.
#[test]
fn the_recorded_java_gets_what_the_installed_one_gets() {
    let scene = Scene::start();
    let recorder = scene.recorder("default");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/explain/Client.java");
    let file = scene.pki.folder().join("jobs");
    let text: String = NAMES.iter().map(|name| format!("{} {name} - - -\n", recorder.address.port())).collect();
    fs::write(&file, text).unwrap();
    tool::run("java", &[program.to_str().unwrap(), file.to_str().unwrap()], b"");
    for (at, name) in NAMES.iter().enumerate() {
        let installed = scene.explained("default", &recorder.recording(at).hello);
        let recorded: Value = scene.ask(&format!("listener=default&client=java17&sni={name}")).json();
        for part in ["result", "certificate", "version", "cipher", "group", "signature_scheme"] {
            assert_eq!(recorded[part], installed[part], "{name} {part}");
        }
    }
}
