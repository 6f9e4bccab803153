//! What the command line shows of ML-DSA: certificates, policies, other servers, and what cannot be served.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{NAME, SETS, Scene, config, write};
use crate::support::check::check;
use crate::support::node;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::PROGRAM;

fn shown(arguments: &[&str]) -> (String, Value) {
    let output = |format: &str| {
        let output = Command::new(PROGRAM).args(arguments).args(["--format", format]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    (output("text"), serde_json::from_str(&output("json")).unwrap())
}

#[test]
fn cert_show_names_key_and_signature_and_verifies_the_chain() {
    for (key, name, _) in SETS {
        let pki = Pki::with_ca_key(key);
        let (crt, _) = pki.write("certs", "one", &[NAME], key, &Extra::default());
        fs::write(&crt, [fs::read_to_string(&crt).unwrap(), fs::read_to_string(pki.ca()).unwrap()].concat()).unwrap();
        let (text, json) = shown(&["cert", "show", crt.to_str().unwrap()]);
        let one = &json["certificates"][0];
        assert_eq!((&one["key_type"], &one["signature_algorithm"]), (&json!(name), &json!(name)), "{one:#}");
        assert_eq!(one["private_key"]["matches"], true, "{one:#}");
        assert_eq!(one["chain"]["issuers"][0]["verifies_previous"], true, "{one:#}");
        assert_eq!(
            one["key_bits"],
            json!(match key {
                Key::MlDsa44 => 10_496,
                Key::MlDsa65 => 15_616,
                _ => 20_736,
            })
        );
        assert!(text.lines().any(|line| line.split_whitespace().eq(["key", name])), "{text}");
    }
}

#[test]
fn a_policy_has_the_schemes_in_tls_1_3_only_and_without_that_such_a_certificate_is_an_error() {
    let (_, policy) = shown(&["policy", "show", "TLS13-1-2-Res-2021-06"]);
    for version in policy["signature_schemes"].as_array().unwrap() {
        let schemes = version["schemes"].as_array().unwrap();
        for (_, _, scheme) in SETS {
            assert_eq!(schemes.contains(&json!(scheme)), version["version"] == "TLSv1.3", "{version}");
        }
    }
    let pki = Pki::new();
    write(&pki, "lattice", Key::MlDsa65);
    let old = config("policy = \"FS-1-2-Res-2020-10\"", "127.0.0.1:1".parse().unwrap());
    let checked = check(pki.folder(), &old);
    assert!(!checked.ok, "{:?}", checked.report);
    assert!(checked.errors[0].contains("its key is ML-DSA-65, which is for TLS 1.3 only"), "{:?}", checked.errors);
    assert!(check(pki.folder(), &config("", "127.0.0.1:1".parse().unwrap())).ok);
}

#[test]
fn probe_finds_each_certificate_of_tlsgate_and_of_others() {
    let pki = Pki::new();
    for (key, _, scheme) in SETS {
        write(&pki, scheme, key);
    }
    write(&pki, "ec", Key::P256);
    let scene = Scene::start(pki, "");
    let ca = scene.pki.ca();
    let probe = |address: std::net::SocketAddr| {
        let address = address.to_string();
        let (text, json) = shown(&["probe", &address, "--sni", NAME, "--ca", ca.to_str().unwrap()]);
        let found = json["certificates"].as_array().unwrap_or_else(|| panic!("{text}"));
        let mut keys: Vec<String> = found
            .iter()
            .map(|one| {
                assert_eq!(one["trust"]["verified"], true, "{one:#}");
                one["key"].as_str().unwrap().to_owned()
            })
            .collect();
        keys.sort();
        assert!(json["notes"].as_array().is_none_or(Vec::is_empty), "{json:#}");
        keys
    };
    assert_eq!(probe(scene.proxy.address("main")), ["ECDSA P-256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]);
    let other = node::Server::start(&json!({
        "cert": scene.path("mldsa65"), "key": scene.path("mldsa65").with_extension("key"),
    }));
    assert_eq!(probe(other.address), ["ML-DSA-65"]);
}
