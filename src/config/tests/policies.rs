//! Policies of one's own: what they become, and every fault.

use super::*;

#[test]
fn a_policy_of_ones_own_is_what_its_lists_say() {
    let policy = |text: &str| {
        let config =
            parse(&format!("{REQUIRED}\n{text}"), Path::new(".")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
        config.policies[0].clone()
    };
    let (_, section) = REFERENCE.split_once("# [policy.partners]\n").unwrap();
    let (section, _) = section.split_once("\n[backend.directory]").unwrap();
    let keys = ["versions = ", "ciphers = ", "groups = ", "cipher_order = "];
    let lines: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| keys.iter().any(|key| line.starts_with(key)))
        .collect();
    assert_eq!(lines.len(), keys.len());
    let section = lines.join("\n");
    assert_eq!(
        policy(&format!("[policy.partners]\n{section}")),
        policy(POLICY),
        "a default in the reference is not the code's"
    );
    let elb = REFERENCE.lines().find_map(|line| line.strip_prefix("# elb")).unwrap_or_default();
    let elb = policy(&format!("[policy.elb]\nelb{elb}"));
    assert_eq!((elb.versions.len(), elb.suites.len(), elb.groups.len()), (1, 2, 3));
    let listed = policy(
        "[policy.x]\nversions = [\"TLSv1.2\"]\ngroups = [\"P-256\"]\nciphers = [\"ECDHE-RSA-AES256-GCM-SHA384\"]",
    );
    assert_eq!((listed.suites[0], listed.groups.len()), (elb.suites[1], 1));
}

#[test]
fn every_fault_of_a_policy_has_its_own_words() {
    let every = "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES128-GCM-SHA256, ECDHE-RSA-AES256-GCM-SHA384, ECDHE-RSA-CHACHA20-POLY1305, ECDHE-ECDSA-CHACHA20-POLY1305";
    let good = [("versions", "[\"TLSv1.2\"]"), ("ciphers", "[\"ECDHE-RSA-AES128-GCM-SHA256\"]")];
    let own = |changed: &[(&str, &str)]| {
        let kept = good.iter().filter(|(key, _)| changed.iter().all(|(other, _)| other != key));
        let lines: Vec<String> = kept
            .chain(changed)
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        format!("{REQUIRED}\n[policy.x]\n{}", lines.concat())
    };
    let elb = ("elb", "\"Protocol-TLSv1.2,ECDHE-RSA-AES128-GCM-SHA256\"");
    let cases: &[(String, Vec<String>)] = &[
        (own(&[]), vec![]),
        (own(&[("versions", ""), ("ciphers", ""), elb]), vec![]),
        (
            own(&[("versions", ""), ("ciphers", "")]),
            vec![
                "line 11, column 9: policy \"x\": \"versions\" is missing (expected \"TLSv1.2\", \"TLSv1.3\" or both, or \"elb\" instead)".into(),
                "line 11, column 9: policy \"x\": \"ciphers\" is missing (expected cipher suites, best first, or \"elb\" instead)".into(),
            ],
        ),
        (
            own(&[("ciphers", "[]")]),
            vec!["line 13, column 11: policy \"x\": ciphers: found an empty list, expected at least one: a text in quotes".into()],
        ),
        (
            own(&[("ciphers", "[\"ECDHE-RSA-AES128-GCM-SHA256\", \"ECDHE-RSA-AES128-GCM-SHA266\"]")]),
            vec![format!("line 13, column 43: policy \"x\": ciphers[1]: unknown cipher suite \"ECDHE-RSA-AES128-GCM-SHA266\" (expected one of {every})")],
        ),
        (
            own(&[("ciphers", "[\"ECDHE-RSA-AES128-SHA\", \"AES128-GCM-SHA256\"]")]),
            vec![
                format!("line 13, column 12: policy \"x\": ciphers[0]: ECDHE-RSA-AES128-SHA is refused: CBC mode (expected one of {every})"),
                format!("line 13, column 36: policy \"x\": ciphers[1]: AES128-GCM-SHA256 is refused: static RSA key exchange without forward secrecy (expected one of {every})"),
            ],
        ),
        (
            own(&[("versions", "[\"TLSv1.3\", \"TLSv1.2\"]")]),
            vec!["line 13, column 13: policy \"x\": versions: TLSv1.3 has no cipher suite (expected at least one of its own)".into()],
        ),
        (
            own(&[("versions", "[\"TLSv1.1\", \"1.2\"]")]),
            vec![
                "line 13, column 13: policy \"x\": versions[0]: TLSv1.1 is refused: deprecated by RFC 8996 (expected \"TLSv1.2\" or \"TLSv1.3\")".into(),
                "line 13, column 24: policy \"x\": versions[1]: unknown TLS version \"1.2\" (expected \"TLSv1.2\" or \"TLSv1.3\")".into(),
            ],
        ),
        (
            own(&[("versions", "[\"TLSv1.3\", \"TLSv1.2\"]"), ("groups", "\"X25519MLKEM768\""), ("ciphers", "[\"TLS_AES_128_GCM_SHA256\", \"ECDHE-RSA-AES128-GCM-SHA256\"]")]),
            vec!["line 13, column 10: policy \"x\": groups: TLSv1.2 has no group to exchange keys with (expected at least one of x25519, secp256r1, secp384r1)".into()],
        ),
        (
            own(&[("groups", "[\"x25519\", \"P-521\", \"P-257\"]")]),
            vec![
                "line 14, column 21: policy \"x\": groups[1]: P-521 is refused: rustls does not have it (expected one of X25519MLKEM768, SecP256r1MLKEM768, x25519, secp256r1, secp384r1)".into(),
                "line 14, column 30: policy \"x\": groups[2]: unknown group \"P-257\" (expected one of X25519MLKEM768, SecP256r1MLKEM768, x25519, secp256r1, secp384r1)".into(),
            ],
        ),
        (
            own(&[("cipher_order", "\"mine\"")]),
            vec!["line 14, column 16: policy \"x\": cipher_order: found \"mine\", expected \"server\" or \"client\"".into()],
        ),
        (
            own(&[elb]),
            vec![
                "line 14, column 7: policy \"x\": elb: sets the same as \"versions\" (expected one of the two)".into(),
                "line 14, column 7: policy \"x\": elb: sets the same as \"ciphers\" (expected one of the two)".into(),
            ],
        ),
        (
            own(&[("versions", ""), ("ciphers", ""), ("elb", "\"Protocol-TLSv1.2,AES256-SHA\"")]),
            vec![format!("line 12, column 7: policy \"x\": elb: AES256-SHA is refused: static RSA key exchange without forward secrecy, CBC mode (expected one of {every})")],
        ),
        (
            own(&[("versions", ""), ("ciphers", ""), ("elb", "\"Protocol-TLSv1.2\"")]),
            vec!["line 12, column 7: policy \"x\": elb: TLSv1.2 has no cipher suite (expected at least one of its own)".into()],
        ),
        (
            own(&[]).replace("policy.x", "policy.TLS-1-2-2017-01"),
            vec!["line 11, column 9: policy \"TLS-1-2-2017-01\": is the name of a built-in policy, which never changes (expected a name of your own)".into()],
        ),
        (
            own(&[]).replace("policy.x", "policy.ELBSecurityPolicy-FS-2018-06"),
            vec!["line 11, column 9: policy \"ELBSecurityPolicy-FS-2018-06\": begins with ELBSecurityPolicy-, as AWS's names do (expected a name of your own)".into()],
        ),
        // A policy that is wrong is not reported as unknown as well.
        (
            own(&[("versions", "")]).replace("[[listener]]", "[[listener]]\npolicy = \"x\""),
            vec!["line 12, column 9: policy \"x\": \"versions\" is missing (expected \"TLSv1.2\", \"TLSv1.3\" or both, or \"elb\" instead)".into()],
        ),
        (
            own(&[]).replace("[[listener]]", "[[listener]]\npolicy = \"y\""),
            vec!["line 3, column 10: listener \"ldaps\": policy: unknown policy \"y\" (expected one of TLS13-1-3-2021-06, TLS13-1-3-PQ-2025-09, TLS13-1-2-Res-2021-06, TLS13-1-2-Res-PQ-2025-09, FS-1-2-Res-2020-10, TLS13-1-2-2021-06, TLS13-1-2-PQ-2025-09, TLS-1-2-2017-01, TLS-1-1-2017-01, 2016-08, x; your own is written [policy.NAME])".into()],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(text), *expected, "{text}");
    }
}

#[test]
fn what_should_be_known_of_policies_is_told_once() {
    let text = with("policy = \"TLS-1-1-2017-01\"").replace("[[listener]]", "[[listener]]\nname = \"b\"\nlisten = \"0.0.0.0:1\"\ncertificates = \"c\"\nbackend = \"directory\"\npolicy = \"ELBSecurityPolicy-TLS-1-1-2017-01\"\n\n[[listener]]");
    let config = parse(&(text + POLICY), Path::new(".")).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    assert_eq!(
        config.warnings,
        [
            "policy \"partners\": no listener or backend uses it",
            "listener \"b\", listener \"ldaps\": policy \"TLS-1-1-2017-01\": only the part that tlsgate allows is served; left out: TLSv1.1 (deprecated by RFC 8996); ECDHE-ECDSA-AES128-SHA256, ECDHE-RSA-AES128-SHA256, ECDHE-ECDSA-AES128-SHA, ECDHE-RSA-AES128-SHA, ECDHE-ECDSA-AES256-SHA384, ECDHE-RSA-AES256-SHA384, ECDHE-RSA-AES256-SHA, ECDHE-ECDSA-AES256-SHA (CBC mode); AES128-GCM-SHA256, AES256-GCM-SHA384 (static RSA key exchange without forward secrecy); AES128-SHA256, AES128-SHA, AES256-SHA256, AES256-SHA (static RSA key exchange without forward secrecy, CBC mode)",
        ]
    );
}
