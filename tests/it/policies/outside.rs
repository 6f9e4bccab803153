//! What scanners find is exactly what the policy allows.

use super::scan::{SslScan, TestSsl};
use super::{EXPECTED, Expected, KINDS, in_parallel, scene, suites};
use crate::support::{reports, tool};

/// Every policy with certificates of every kind.
fn every_listener() -> Vec<(&'static Expected, &'static str)> {
    EXPECTED.iter().flat_map(|policy| KINDS.map(|kind| (policy, kind))).collect()
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}

#[test]
fn sslscan_finds_exactly_what_each_policy_has() {
    let scene = scene();
    in_parallel(&every_listener(), |(policy, kind)| {
        let address = scene.proxy.address(&format!("{}-{kind}", policy.name));
        let scan = SslScan::run(address, &["--no-groups", "--timeout=60"]);
        let context = format!("{} with {kind}:\n{}", policy.name, scan.text());
        assert_eq!(sorted(scan.versions()), sorted(policy.versions.to_vec()), "{context}");
        let mut expected_suites = 0;
        for version in policy.versions {
            let expected = suites(policy, version, kind);
            expected_suites += expected.len();
            match policy.server_order {
                true => assert_eq!(scan.suites(version), expected, "{context}"),
                false => assert_eq!(sorted(scan.suites(version)), sorted(expected), "{context}"),
            }
        }
        assert_eq!(scan.every_suite(), expected_suites, "{context}");
        assert!(!scan.renegotiates(), "{context}");
        assert!(!scan.bleeds(), "{context}");
    });
}

#[test]
fn sslscan_finds_exactly_the_groups_of_each_policy() {
    let scene = scene();
    let policies: Vec<_> = EXPECTED.iter().filter(|policy| policy.versions.contains(&"TLSv1.3")).collect();
    in_parallel(&policies, |policy| {
        let address = scene.proxy.address(&format!("{}-dual", policy.name));
        // For each group that sslscan finds, it waits until its timeout.
        let only = ["--no-ciphersuites", "--no-heartbleed", "--no-renegotiation", "--no-fallback", "--timeout=5"];
        let scan = SslScan::run(address, &only);
        let found = scan.groups("TLSv1.3").into_iter().map(|name| name.split(' ').next().unwrap()).collect();
        assert_eq!(sorted(found), sorted(policy.groups.to_vec()), "{}:\n{}", policy.name, scan.text());
    });
}

/// sslscan sees no groups of TLS 1.2 on a server that sends several messages in one record.
#[test]
fn openssl_gets_exactly_the_groups_of_each_policy_under_tls12() {
    let scene = scene();
    let policies: Vec<_> = EXPECTED.iter().filter(|policy| policy.versions.contains(&"TLSv1.2")).collect();
    in_parallel(&policies, |policy| {
        // With an ECDSA certificate the client must also offer the key's curve.
        let address = scene.proxy.address(&format!("{}-rsa", policy.name)).to_string();
        let asked = [("x25519", "X25519"), ("secp256r1", "P-256"), ("secp384r1", "P-384"), ("", "P-521"), ("", "X448")];
        for (name, group) in asked.into_iter().chain([("", "brainpoolP256r1")]) {
            let output = tool::run("openssl", &["s_client", "-connect", &address, "-tls1_2", "-groups", group], b"");
            let printed = format!("{} {group}: {}", policy.name, tool::shown(&output));
            let got = reports::session(&printed).is_some();
            assert!(got || reports::alert(&printed) == Some(40), "{printed}");
            assert_eq!(got, policy.groups.contains(&name), "{printed}");
        }
    });
}

/// 39 scans of some seconds of processor time each: `tests/run` runs them after the other tests have ended.
#[test]
fn testssl_finds_exactly_what_every_policy_has() {
    let scene = scene();
    in_parallel(&every_listener(), |(policy, kind)| {
        let name = format!("{}-{kind}", policy.name);
        let options: &[&str] = match policy.server_order {
            true => &["--protocols", "--server-preference"],
            // It does not list the order of other versions; it asks for every suite that it knows.
            false => &["--protocols", "--cipher-per-proto"],
        };
        let report = scene.pki.folder().join(format!("{name}.json"));
        let scan = TestSsl::run(scene.proxy.address(&name), options, &report);
        for (id, version) in [("TLS1_2", "TLSv1.2"), ("TLS1_3", "TLSv1.3")] {
            let offered = scan.finding(id).starts_with("offered");
            assert_eq!(offered, policy.versions.contains(&version), "{name}: {}", scan.finding(id));
            let expected = if offered { suites(policy, version, kind) } else { Vec::new() };
            match policy.server_order {
                true => assert_eq!(scan.order(version), expected, "{name}"),
                false => assert_eq!(sorted(scan.each(version)), sorted(expected), "{name}"),
            }
        }
        for id in ["SSLv2", "SSLv3", "TLS1", "TLS1_1"] {
            assert_eq!(scan.finding(id), "not offered", "{name}: {id}");
        }
        if policy.server_order {
            assert!(scan.finding("cipher_order").starts_with("server"), "{name}: {}", scan.finding("cipher_order"));
        } else {
            assert_eq!(
                scan.every_suite(),
                suites(policy, "TLSv1.3", kind).len() + suites(policy, "TLSv1.2", kind).len()
            );
        }
    });
}

#[test]
fn testssl_finds_no_vulnerability() {
    let scene = scene();
    let address = scene.proxy.address("TLS13-1-2-Res-PQ-2025-09-dual");
    let scan = TestSsl::run(address, &["--vulnerable", "--std"], &scene.pki.folder().join("full.json"));
    assert_eq!(scan.complaints(), Vec::<&serde_json::Value>::new());
    for id in ["heartbleed", "CCS", "secure_client_renego", "CRIME_TLS", "ROBOT", "SWEET32", "BEAST", "LUCKY13", "RC4"]
    {
        assert!(scan.finding(id).starts_with("not vulnerable"), "{id}: {}", scan.finding(id));
    }
    // testssl.sh rates CBC as average.
    for list in ["NULL", "aNULL", "EXPORT", "LOW", "3DES_IDEA", "AVERAGE"] {
        assert_eq!(scan.finding(&format!("cipherlist_{list}")), "not offered", "{list}");
    }
}
