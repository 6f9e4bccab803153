//! Real clients: the JA4 in the log is that of the bytes that each has sent, computed apart from tlsgate.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::apart::ja4;
use crate::clients::scene::Scene;
use crate::clients::tools::{Client, ECDSA_P256, RSA_PSS_SHA256, Scheme, TOOLS, VERSIONS};
use crate::support::browser::Browser;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::recorder::Recorder;
use crate::support::tool;

const SCHEMES: &[Scheme] = &[ECDSA_P256, RSA_PSS_SHA256];

fn scene() -> Scene {
    let pki = Pki::new();
    pki.write("certs", "main", &["main.test"], Key::P256, &Extra::default());
    Scene::start(pki, &[("main", "certificates = [\"certs\"]\nalpn = [\"http/1.1\"]")])
}

/// Asserts that the record of that connection has the JA4 of its hello, and returns it. `None` if it has sent no hello.
fn logged(scene: &Scene, recorder: &Recorder, at: usize, what: &str) -> Option<String> {
    let recording = recorder.recording(at);
    if recording.hello.is_empty() {
        return None;
    }
    let address = recording.address.to_string();
    let record = scene.proxy.record(|record| record["client.address"] == address);
    let expected = ja4(&recording.hello);
    assert_eq!(record["client.ja4"], expected, "{what}: {record:#}");
    Some(expected)
}

#[test]
fn openssl_gnutls_and_curl_have_the_ja4_of_their_hellos() {
    let scene = scene();
    let recorder = Recorder::before(scene.proxy.address("main"));
    let mut seen = BTreeSet::new();
    for (at, (tool, version, name)) in TOOLS
        .into_iter()
        .flat_map(|tool| VERSIONS.map(|version| (tool, version)))
        .flat_map(|(tool, version)| [Some("main.test"), None].map(|name| (tool, version, name)))
        .enumerate()
    {
        let client = Client { tool, version, schemes: SCHEMES, name, verify: "main.test", more: &[] };
        client.connect(recorder.address, &scene.pki.ca());
        seen.insert(logged(&scene, &recorder, at, &format!("{client:?}")).unwrap());
    }
    assert!(seen.len() >= 12, "programs, versions and names differ: {seen:#?}");
}

#[test]
fn java_has_the_ja4_of_its_hello() {
    let scene = scene();
    let recorder = Recorder::before(scene.proxy.address("main"));
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/explain/Client.java");
    let file = scene.pki.folder().join("jobs");
    let port = recorder.address.port();
    fs::write(&file, format!("{port} main.test - - -\n{port} - TLSv1.2 - -\n")).unwrap();
    tool::run("java", &[program.to_str().unwrap(), file.to_str().unwrap()], b"");
    let seen = [0, 1].map(|at| logged(&scene, &recorder, at, "java").unwrap());
    assert!(seen[0].starts_with("t13d") && seen[1].starts_with("t12i"), "{seen:?}");
}

#[test]
fn chromium_has_the_ja4_of_its_hello() {
    let scene = scene();
    let recorder = Recorder::before(scene.proxy.address("main"));
    let mut browser = Browser::start();
    browser.call("Security.setIgnoreCertificateErrors", json!({ "ignore": true }));
    browser.open(&format!("https://localhost:{}/", recorder.address.port()));
    assert_eq!(browser.text("body"), "ok");
    // Its connections are open until it ends.
    drop(browser);
    let all = (0..recorder.count()).filter_map(|at| logged(&scene, &recorder, at, "chromium"));
    let all: BTreeSet<String> = all.collect();
    assert!(!all.is_empty() && all.iter().all(|ja4| ja4.starts_with("t13d")), "{all:?}");
}
