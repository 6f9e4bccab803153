//! OpenSSL, GnuTLS and curl with random offers: each client's bytes are recorded on their way, explained, and
//! compared with what the client then reports, and with the access log.

use serde_json::Value;
use tlsgate::tls::wire::codes;

use super::scene::{Dice, NAMES, Scene, listeners};
use crate::clients::tools::{
    Client, ECDSA_P256, ECDSA_P384, ECDSA_P521, ED25519, RSA_PKCS1_SHA256, RSA_PSS_SHA256, Scheme, Seen, TOOLS, Tool,
    VERSIONS, Version,
};
use crate::support::reports;

const SCHEMES: [Scheme; 6] = [ECDSA_P256, ECDSA_P384, ECDSA_P521, ED25519, RSA_PKCS1_SHA256, RSA_PSS_SHA256];
/// OpenSSL's, GnuTLS's and IANA's names.
const GROUPS: [(&str, &str, &str); 4] = [
    ("X25519", "GROUP-X25519", "x25519"),
    ("P-256", "GROUP-SECP256R1", "secp256r1"),
    ("P-384", "GROUP-SECP384R1", "secp384r1"),
    ("P-521", "GROUP-SECP521R1", "secp521r1"),
];

#[test]
fn what_is_explained_is_what_openssl_gnutls_and_curl_get() {
    let scene = Scene::start();
    let mut dice = Dice(0x7157_6a7e_2026_1124);
    let listeners: Vec<&str> = listeners().collect();
    let (mut served, mut refused, mut silent, mut by_flags) = (0, 0, 0, 0);
    for round in 0..360 {
        let listener = dice.one(&listeners);
        let tool = TOOLS[round % TOOLS.len()];
        let name = (dice.below(8) > 0).then(|| dice.one(&NAMES));
        let schemes = dice.some(&SCHEMES);
        let groups = if dice.below(2) == 0 { Vec::new() } else { dice.some(&GROUPS) };
        let version = dice.one(&VERSIONS);
        let more = options(tool, &groups);
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let client =
            Client { tool, version, schemes: &schemes, name, verify: name.unwrap_or("first.test"), more: &more };
        let (seen, recording) =
            scene.connecting(listener, || client.connect(scene.recorder(listener).address, &scene.pki.ca()));
        // The client itself refuses some offers, and then sends nothing.
        let Some(recording) = recording else {
            silent += 1;
            continue;
        };
        let explained = scene.explained(listener, &recording.hello);
        let context = format!("round {round}: {listener}, {client:?}\n{}", seen.output);
        match explained["result"].as_str() {
            Some("served") => {
                served += 1;
                served_agrees(tool, &seen, &explained, &context);
            }
            _ => {
                refused += 1;
                assert_eq!(seen.certificate, None, "{context}\n{explained:#}");
                assert_eq!(
                    seen.alert.map(Value::from),
                    Some(explained["alert_code"].clone()),
                    "{context}\n{explained:#}"
                );
            }
        }
        scene.record_agrees(&recording, &explained, &context);
        if tool == Tool::OpenSsl {
            by_flags += 1;
            flags_agree(&scene, listener, &client, &groups, &explained);
        }
        if round % 12 == 0 {
            assert_eq!(scene.explained_by_program(listener, &recording.hello), explained, "{context}");
        }
    }
    // The random numbers are the same each time; if a change makes this test check nothing, this fails.
    assert!(served > 120 && refused > 60 && silent < 90 && by_flags > 80, "{served} {refused} {silent} {by_flags}");
}

fn options(tool: Tool, groups: &[(&str, &str, &str)]) -> Vec<String> {
    if groups.is_empty() {
        return Vec::new();
    }
    let openssl = groups.iter().map(|group| group.0).collect::<Vec<_>>().join(":");
    match tool {
        Tool::OpenSsl => vec!["-groups".into(), openssl],
        Tool::Curl => vec!["--curves".into(), openssl],
        Tool::GnuTls => {
            let all: String = groups.iter().map(|group| format!(":+{}", group.1)).collect();
            vec![format!(":-GROUP-ALL{all}")]
        }
    }
}

/// What the client itself reports.
fn served_agrees(tool: Tool, seen: &Seen, explained: &Value, context: &str) {
    let context = format!("{context}\n{explained:#}");
    let hash = explained["sha256"].as_str().unwrap().to_uppercase();
    // curl prints the certificate only if it completed the handshake.
    if seen.certificate.is_some() || tool != Tool::Curl {
        assert_eq!(seen.certificate.as_ref(), Some(&hash), "{context}");
    }
    if tool != Tool::OpenSsl {
        return;
    }
    let session = reports::session(&seen.output).unwrap_or_else(|| panic!("{context}"));
    let suite = codes::suite(session.cipher).map(codes::suite_name);
    assert_eq!(suite.as_deref(), explained["cipher"].as_str(), "{context}");
    assert_eq!((session.resumed, Some(session.version)), (false, explained["version"].as_str()), "{context}");
    let group = reports::group(&seen.output).find_map(codes::group).map(codes::group_name);
    assert_eq!(group.as_deref(), explained["group"].as_str(), "{context}");
    let scheme = explained["signature_scheme"].as_str().unwrap();
    assert!(reports::signed_with(&seen.output, scheme), "{context}");
}

/// The same client by its options, instead of by its recorded hello.
fn flags_agree(scene: &Scene, listener: &str, client: &Client<'_>, groups: &[(&str, &str, &str)], explained: &Value) {
    let tls = if client.version == Version::Tls13 { "1.3" } else { "1.2" };
    let sigalgs = client.schemes.iter().map(|scheme| scheme.iana).collect::<Vec<_>>().join(":");
    let mut query = format!("listener={listener}&client=openssl3&tls={tls}&sigalgs={sigalgs}");
    if let Some(name) = client.name {
        query += &format!("&sni={name}");
    }
    // The default groups of the installed OpenSSL differ from those of the recorded one: 3.5 has hybrid groups.
    let own: Vec<&str> =
        explained["client"]["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let typed: Vec<&str> = groups.iter().map(|group| group.2).collect();
    let groups = if typed.is_empty() { own } else { typed };
    if !groups.is_empty() {
        query += &format!("&groups={}", groups.join(","));
    }
    let answer = scene.ask(&query);
    assert_eq!(answer.status, 200, "{query}\n{}", answer.body);
    let by_flags = answer.json();
    for part in ["result", "certificate", "version", "cipher", "group", "signature_scheme", "match", "valid", "alert"] {
        assert_eq!(by_flags[part], explained[part], "{part} of {query}\n{explained:#}");
    }
    // The rest of the client's hello differs (OpenSSL leaves out what its version cannot use), and the reasons name it.
    let verdicts = |explained: &Value| {
        let all = explained["candidates"].as_array().unwrap().clone();
        all.iter().map(|one| (one["certificate"].clone(), one["verdict"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&by_flags), verdicts(explained), "{query}");
}
