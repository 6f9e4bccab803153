//! `--expect-policy`: it succeeds if the server matches, and otherwise reports each difference.

use super::agreement::proxy;
use super::servers::{nginx, pair};
use super::{Probed, probe};
use crate::support::pki::{Key, Pki};

/// Policies that tlsgate matches exactly.
const POLICIES: [&str; 5] = [
    "TLS13-1-3-2021-06",
    "TLS13-1-3-PQ-2025-09",
    "TLS13-1-2-Res-2021-06",
    "TLS13-1-2-Res-PQ-2025-09",
    "FS-1-2-Res-2020-10",
];

fn differences(probed: &Probed) -> Vec<String> {
    let report = probed.json();
    assert_eq!(report["expectation"]["holds"], probed.code == 0);
    let list = report["expectation"]["differences"].as_array().unwrap();
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_policy_holds_on_a_listener_that_has_it_and_on_no_other() {
    for keys in [&[Key::Rsa2048][..], &[Key::P256], &[Key::Rsa2048, Key::P256]] {
        let pki = Pki::new();
        for key in keys {
            pair(&pki, &format!("{key:?}"), *key);
        }
        for policy in POLICIES {
            let proxy = proxy(&pki, &format!("policy = \"{policy}\""));
            for expected in POLICIES {
                let found = probe(proxy.address("main"), &["--format", "json", "--expect-policy", expected]);
                let differences = differences(&found);
                assert_eq!(differences.is_empty(), policy == expected, "{policy}, {expected}: {differences:#?}");
                assert_eq!(found.code, i32::from(policy != expected));
            }
        }
    }
}

#[test]
fn a_policy_of_ones_own_is_taken_from_the_configuration() {
    const POLICY: &str = r#"
[policy.mine]
versions = ["TLSv1.3", "TLSv1.2"]
ciphers = ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"]
groups = ["secp256r1", "x25519"]
cipher_order = "ORDER"
"#;
    let pki = Pki::new();
    pair(&pki, "ec", Key::P256);
    for (order, other) in [("server", "client"), ("client", "server")] {
        let own = |order: &str| format!("policy = \"mine\"\n{}", POLICY.replace("ORDER", order));
        let proxy = proxy(&pki, &own(order));
        let file = pki.folder().join("other.toml");
        let running = std::fs::read_to_string(pki.folder().join("tlsgate.toml")).unwrap();
        for (written, holds) in [(order, true), (other, false)] {
            std::fs::write(&file, running.replace(&format!("\"{order}\""), &format!("\"{written}\""))).unwrap();
            let expected = ["--format", "json", "--expect-policy", "mine", "-c", file.to_str().unwrap()];
            let found = probe(proxy.address("main"), &expected);
            let differences = differences(&found);
            assert_eq!(differences.is_empty(), holds, "{order}, {written}: {differences:#?}");
            assert!(
                holds || differences.iter().all(|text| text.contains("order of suites decides")),
                "{differences:#?}"
            );
        }
        let unknown = probe(proxy.address("main"), &["--expect-policy", "none", "-c", file.to_str().unwrap()]);
        assert!(unknown.code == 2 && unknown.err.contains(", mine)"), "{unknown:?}");
        std::fs::write(&file, "[listner]").unwrap();
        let broken = probe(proxy.address("main"), &["--expect-policy", "mine", "-c", file.to_str().unwrap()]);
        assert!(broken.code == 1 && broken.err.contains("error: line 1"), "{broken:?}");
    }
}

#[test]
fn every_difference_is_reported() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let server = nginx(
        "http",
        &format!(
            "server {{
    listen LISTEN ssl;
    ssl_certificate {}; ssl_certificate_key {};
    ssl_protocols TLSv1.1 TLSv1.2;
    ssl_ciphers AES256-SHA:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0;
    ssl_prefer_server_ciphers on;
    ssl_ecdh_curve prime256v1:X25519;
}}",
            rsa.certificate.display(),
            rsa.key.display()
        ),
    );
    let expected = ["--format", "json", "--expect-policy", "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"];
    let found = probe(server.address, &expected);
    assert_eq!(
        differences(&found),
        [
            "TLSv1.3 is not accepted, but the policy has it",
            "TLSv1.2: TLS_RSA_WITH_AES_256_CBC_SHA is accepted, but the policy does not have it",
            "TLSv1.2: the order of suites is TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; \
             in the policy it is TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLSv1.2: group secp384r1 is not accepted, but the policy has it",
            "TLSv1.1 is accepted, but the policy does not have it",
            "TLSv1.1: TLS_RSA_WITH_AES_256_CBC_SHA is accepted, but the policy does not have it",
        ]
    );
    let text = probe(server.address, &["--expect-policy", "TLS13-1-2-Res-2021-06"]).out;
    assert!(text.contains("\npolicy TLS13-1-2-Res-2021-06 does not hold\n  TLSv1.3 is not accepted"), "{text}");
}
