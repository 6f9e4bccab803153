//! Findings of servers that follow a guideline, and of ones that break it in one way.

use super::super::{aws, mozilla};
use super::*;
use crate::cli::probe::certificate::Trust;
use crate::cli::probe::findings::Signatures;
use crate::cli::probe::found::Suite;
use crate::cli::probe::stamp::Stamp;

fn guideline(name: &str) -> Guideline {
    mozilla::ALL.iter().cloned().chain(aws::all()).find(|one| one.name == name).unwrap()
}

fn accepting(code: u16, suites: &[&str], groups: &[&str]) -> Version {
    let suites = suites.iter().map(|name| u16::from(codes::suite(name).unwrap())).map(|id| Suite {
        id,
        name: codes::suite_name(id).into_owned(),
        openssl_name: None,
        weakness: crate::cli::probe::suites::weakness(id),
        dh_bits: codes::suite_name(id).contains("_DHE_").then_some(1024),
    });
    Version {
        version: code,
        accepted: true,
        suites: suites.collect(),
        cipher_order: None,
        groups: groups.iter().map(|name| u16::from(codes::group(name).unwrap())).collect(),
        group_order: None,
        groups_complete: true,
        incomplete: None,
        refuses_without_alert: None,
        refusal: None,
    }
}

fn certificate_of(key: &str, signature: &str, days: i64) -> Facts {
    let text = String::new;
    Facts {
        sha256: text(),
        spki_sha256: text(),
        subject: text(),
        issuer: text(),
        names: Vec::new(),
        key: key.into(),
        signature: signature.into(),
        not_before: text(),
        not_after: text(),
        days_left: 1,
        lifetime_days: days,
        serial: text(),
        chain_length: 1,
        trust: Trust { verified: true, reason: text() },
        defects: Vec::new(),
        shown_to: Vec::new(),
    }
}

fn found(versions: Vec<Version>, certificates: Vec<Facts>) -> Findings {
    Findings {
        target: String::new(),
        server_name: None,
        versions,
        certificates,
        without_server_name: None,
        resumption: Vec::new(),
        alpn: Vec::new(),
        stops_fallback: None,
        secure_renegotiation: None,
        extended_master_secret: None,
        asks_for_client_certificate: false,
        signatures: Vec::new(),
        notes: Vec::new(),
        expectation: None,
    }
}

fn good() -> (Vec<Version>, Vec<Facts>) {
    let tls13 = accepting(0x0304, &["TLS_AES_128_GCM_SHA256"], &["X25519MLKEM768", "x25519"]);
    (vec![tls13], vec![certificate_of("ECDSA P-256", "ecdsa-with-SHA256", 90)])
}

#[track_caller]
fn breaks(name: &str, found: &Findings, expected: &[&str]) {
    assert_eq!(judge(&guideline(name), found).breaches, expected, "{name}");
}

#[test]
fn a_server_of_tls_13_alone_meets_what_is_strictest() {
    let (versions, certificates) = good();
    let found = found(versions, certificates);
    for name in ["Mozilla modern 6.0", "Mozilla intermediate 6.0", "AWS TLS13-1-3-PQ-2025-09", "AWS 2016-08"] {
        breaks(name, &found, &[]);
    }
    breaks(
        "Mozilla modern 5.8",
        &found,
        &["TLSv1.3: groups X25519MLKEM768 are accepted: the guideline allows X25519, prime256v1, secp384r1"],
    );
}

#[test]
fn each_breach_has_its_reason() {
    let (mut versions, certificates) = good();
    let old = accepting(0x0301, &["AES128-SHA"], &[]);
    versions.push(old);
    let both = found(versions, certificates);
    breaks("Mozilla intermediate 6.0", &both, &["TLSv1.0 is accepted: the guideline allows TLSv1.2, TLSv1.3"]);
    breaks("AWS TLS13-1-2-2021-06", &both, &["TLSv1.0 is accepted: the guideline allows TLSv1.3, TLSv1.2"]);
    let weak = accepting(0x0303, &["AES128-SHA", "AES256-SHA", "DHE-RSA-AES128-GCM-SHA256"], &["P-521", "P-256"]);
    let rsa = certificate_of("RSA 1024", "sha1WithRSAEncryption", 400);
    let weak = found(vec![weak], vec![rsa]);
    breaks(
        "Mozilla intermediate 5.8",
        &weak,
        &[
            "TLSv1.2: the guideline does not allow TLS_RSA_WITH_AES_128_CBC_SHA, TLS_RSA_WITH_AES_256_CBC_SHA (no forward secrecy)",
            "TLSv1.2: DHE has 1024 bits: the guideline requires 2048",
            "TLSv1.2: groups secp521r1 are accepted: the guideline allows X25519, prime256v1, secp384r1",
            "certificate 1: its RSA key has 1024 bits: the guideline requires 2048",
            "certificate 1: it is signed with sha1WithRSAEncryption: the guideline allows sha256WithRSAEncryption, ecdsa-with-SHA256, \
             ecdsa-with-SHA384, ecdsa-with-SHA512",
            "certificate 1: it is valid for 400 days: the guideline allows 366",
        ],
    );
    breaks("AWS TLS13-1-2-PQ-2025-09", &found(good().0, Vec::new()), &[]);
    let classic = found(vec![accepting(0x0304, &["TLS_AES_128_GCM_SHA256"], &["x25519"])], Vec::new());
    breaks("AWS TLS13-1-3-PQ-2025-09", &classic, &["no post-quantum group is accepted: the guideline requires one"]);
    let other = found(
        good().0,
        vec![certificate_of("ECDSA P-521", "ecdsa-with-SHA256", 10), certificate_of("Ed25519", "ED25519", 10)],
    );
    let judged = judge(&guideline("Mozilla modern 6.0"), &other).breaches;
    assert!(judged[0].starts_with("certificate 1: its key is on P-521"), "{judged:?}");
    assert!(judged[1].starts_with("certificate 2: its key is Ed25519"), "{judged:?}");
}

#[test]
fn what_was_not_seen_is_not_good() {
    let none = found(good().0, Vec::new());
    breaks("Mozilla modern 6.0", &none, &["no certificate was seen: the guideline has rules for it"]);
    assert!(!crate::cli::probe::grade::grade(none, Stamp::at(0)).good);
    let (versions, certificates) = good();
    let mut unproven = found(versions, certificates);
    for (result, expected) in
        [(Proof::Unchecked, "TLSv1.3: no signature"), (Proof::Wrong, "TLSv1.3: the server's signature")]
    {
        unproven.signatures = vec![Signatures { version: 0x0304, result }];
        let breaches = judge(&guideline("Mozilla intermediate 6.0"), &unproven).breaches;
        assert!(breaches.len() == 1 && breaches[0].starts_with(expected), "{breaches:?}");
    }
    assert!(!crate::cli::probe::grade::grade(unproven, Stamp::at(0)).good);
}

#[test]
fn a_list_that_may_be_incomplete_is_a_breach_of_every_guideline() {
    let (mut versions, certificates) = good();
    versions[0].incomplete = Some("the list may be incomplete".into());
    let found = found(versions, certificates);
    for name in ["Mozilla modern 6.0", "AWS TLS13-1-3-PQ-2025-09"] {
        breaks(name, &found, &["TLSv1.3: the list may be incomplete"]);
    }
}

#[test]
fn what_is_only_advised_is_no_breach() {
    let found = found(good().0, vec![certificate_of("ECDSA P-256", "ecdsa-with-SHA256", 200)]);
    let judged = judge(&guideline("Mozilla intermediate 6.0"), &found);
    assert!(judged.breaches.is_empty());
    assert_eq!(judged.remarks, ["certificate 1: it is valid for 200 days: the guideline advises 90"]);
}
