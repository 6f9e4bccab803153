//! Whose order counts, for suites and for groups: what OpenSSL got, and what the access log reports.

use std::sync::Arc;

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::{NAME, scene};
use crate::clients::scene::Scene;
use crate::support::client::Client;
use crate::support::{reports, tool};

/// The suite that OpenSSL gets from those that it offers, best first.
fn negotiated(scene: &Scene, listener: &str, version: &str, suites: &[&str]) -> String {
    let (address, list) = (scene.proxy.address(listener).to_string(), suites.join(":"));
    let lists = if version == "-tls1_3" { "-ciphersuites" } else { "-cipher" };
    let arguments = ["s_client", "-connect", &address, "-servername", NAME, version, lists, &list];
    let (output, record) = scene.observe(|| tool::run("openssl", &arguments, b""));
    let text = tool::shown(&output);
    let suite = reports::session(&text).unwrap_or_else(|| panic!("no handshake: {text}")).cipher.to_owned();
    let logged = record["tls.cipher"].as_str().unwrap().replace("TLS_ECDHE_", "ECDHE_").replace("_WITH_", "_");
    let same = |name: &str| name.replace(['-', '_'], "").replace("POLY1305SHA256", "POLY1305");
    assert_eq!(same(&logged), same(&suite), "{record:#}");
    suite
}

#[test]
fn the_servers_order_of_suites_counts_unless_the_policy_says_the_clients() {
    let scene = scene();
    let t13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
    let t12 = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"];
    let rsa = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"];
    let cases: [(&str, &str, &[&str]); 4] =
        [("-tls1_3", "dual", &t13), ("-tls1_2", "dual", &t12), ("-tls1_2", "ec", &t12), ("-tls1_2", "rsa", &rsa)];
    for (version, kind, suites) in cases {
        let backwards: Vec<&str> = suites.iter().rev().copied().collect();
        for order in [suites, &backwards] {
            let servers = negotiated(&scene, &format!("TLS13-1-2-Res-2021-06-{kind}"), version, order);
            assert_eq!(servers, suites[0]);
            assert_eq!(negotiated(&scene, &format!("theirs-{kind}"), version, order), order[0]);
        }
    }
    // A custom policy has an order of its own.
    assert_eq!(
        negotiated(&scene, "mixed-rsa", "-tls1_2", &[rsa[1], "ECDHE-RSA-CHACHA20-POLY1305"]),
        "ECDHE-RSA-CHACHA20-POLY1305"
    );
    assert_eq!(negotiated(&scene, "mixed-rsa", "-tls1_3", &[t13[1], t13[2]]), t13[2]);
    assert_eq!(negotiated(&scene, "classic-ec", "-tls1_2", &t12), t12[1]);
}

#[test]
fn with_both_kinds_of_certificate_the_certificate_is_chosen_before_the_suite() {
    let scene = scene();
    let order = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"];
    for listener in ["TLS13-1-2-Res-2021-06-dual", "theirs-dual"] {
        assert_eq!(negotiated(&scene, listener, "-tls1_2", &order), order[1]);
        assert_eq!(negotiated(&scene, listener, "-tls1_2", &order[..1]), order[0]);
    }
}

/// The group that rustls's client gets from those that it offers, best first. It sends a key share for the first one
/// alone.
fn group(scene: &Scene, listener: &str, groups: &[&'static dyn SupportedKxGroup], tls13: bool) -> String {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = groups.to_vec();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(scene.pki.ca()).unwrap()).unwrap();
    let version = if tls13 { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
    let config = ClientConfig::builder_with_provider(provider.into()).with_protocol_versions(&[version]).unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let connect = || {
        let mut client = Client::silent(scene.proxy.address(listener), &config, NAME);
        client.handshake().unwrap();
        let name = client.tls.negotiated_key_exchange_group().unwrap().name();
        client.close_notify().unwrap();
        client.close();
        name
    };
    let (name, record) = scene.observe(connect);
    let logged = record["tls.curve"].as_str().unwrap().to_owned();
    assert_eq!(logged.to_lowercase(), format!("{name:?}").to_lowercase());
    logged
}

#[test]
fn a_post_quantum_exchange_is_preferred_and_never_required() {
    let scene = scene();
    let (hybrid, other_hybrid) = (kx_group::X25519MLKEM768, kx_group::SECP256R1MLKEM768);
    let (x25519, p256, p384) = (kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1);
    for listener in ["TLS13-1-2-Res-PQ-2025-09-dual", "TLS13-1-3-PQ-2025-09-ec", "TLS13-1-2-PQ-2025-09-rsa"] {
        for (offered, expected) in [
            (&[hybrid, x25519][..], "X25519MLKEM768"),
            // A client that has the hybrid group is asked for it, though it prefers another and sent a share for that.
            (&[x25519, p256, hybrid], "X25519MLKEM768"),
            (&[x25519, other_hybrid], "SecP256r1MLKEM768"),
            (&[x25519], "x25519"),
            (&[p384], "secp384r1"),
            // Among the others the client's order counts, and its share for the first one is used.
            (&[p256, x25519], "secp256r1"),
        ] {
            assert_eq!(group(&scene, listener, offered, true), expected, "{listener}");
        }
    }
    // TLS 1.2 has no such group, and a client that also supports TLS 1.3 still gets a connection.
    assert_eq!(group(&scene, "TLS13-1-2-Res-PQ-2025-09-dual", &[hybrid, x25519], false), "x25519");
    // A policy without hybrid groups.
    assert_eq!(group(&scene, "TLS13-1-2-Res-2021-06-dual", &[hybrid, x25519], true), "x25519");
    assert_eq!(group(&scene, "mixed-dual", &[hybrid, p256, p384], true), "secp384r1");
    // The client's order of groups, where the policy lets its order count.
    assert_eq!(group(&scene, "theirs-dual", &[x25519, hybrid], true), "x25519");
    assert_eq!(group(&scene, "theirs-dual", &[hybrid, x25519], true), "X25519MLKEM768");
}
