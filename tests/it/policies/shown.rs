//! `tlsgate policy`, `check` and the admin API: what they show of policies is what scanners find.

use std::process::Command;

use serde_json::Value;

use super::{EXPECTED, Expected, OWN};
use crate::support::check::check;
use crate::support::http::Door;
use crate::support::pki::{Extra, Key, Pki};
use crate::support::proxy::{PROGRAM, Proxy};
use crate::support::tool;

fn config(policy: &str) -> String {
    format!(
        "[admin]\nlisten=\"unix:admin.sock\"\n\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\npolicy = \"{policy}\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n\n[backend.b]\nservers = [\"127.0.0.1:9\"]\n{OWN}"
    )
}

fn pki() -> Pki {
    let pki = Pki::new();
    pki.write("certs", "ec", &["a.test"], Key::P256, &Extra::default());
    pki.write("certs", "rsa", &["a.test"], Key::Rsa2048, &Extra::default());
    pki
}

/// Runs `tlsgate policy` with a configuration that has custom policies: whether it succeeded, and its output.
fn policy(arguments: &[&str]) -> (bool, String) {
    let pki = pki();
    let path = pki.folder().join("tlsgate.toml");
    std::fs::write(&path, config("mixed")).unwrap();
    let output = Command::new(PROGRAM).arg("policy").args(arguments).arg("-c").arg(path).output().unwrap();
    let printed = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(printed).unwrap())
}

fn json(arguments: &[&str]) -> Value {
    let (ok, text) = policy(&[arguments, &["--format", "json"]].concat());
    assert!(ok, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn texts<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    list.as_array().unwrap().iter().map(|entry| entry.get(key).unwrap_or(entry).as_str().unwrap()).collect()
}

#[test]
fn show_says_what_scanners_find() {
    for Expected { name, versions, suites, groups, server_order } in &EXPECTED {
        let shown = json(&["show", name]);
        assert_eq!(shown["name"], *name);
        assert_eq!(texts(&shown["versions"], ""), *versions);
        assert_eq!(texts(&shown["ciphers"], "openssl"), *suites);
        assert_eq!(shown["cipher_order"], if *server_order { "server" } else { "client" });
        let classic: Vec<&str> =
            texts(&shown["groups"], "").into_iter().filter(|group| !group.contains("MLKEM")).collect();
        assert_eq!(classic, *groups);
        let (ok, text) = policy(&["show", name]);
        assert!(ok && suites.iter().all(|suite| text.contains(suite)), "{text}");
    }
    assert_eq!(json(&["show", "ELBSecurityPolicy-TLS-1-2-2017-01"]), json(&["show", "TLS-1-2-2017-01"]));
}

#[test]
fn show_has_every_fact_under_every_name() {
    let shown = json(&["show", "TLS13-1-2-PQ-2025-09"]);
    assert_eq!(shown["aws_name"], "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09");
    assert_eq!(shown["ciphers"][3]["iana"], "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(shown["ciphers"][3]["version"], "TLSv1.2");
    assert_eq!(texts(&shown["groups"], "")[..2], ["X25519MLKEM768", "SecP256r1MLKEM768"]);
    assert_eq!(shown["signature_schemes"][0]["version"], "TLSv1.3");
    let schemes = |index: usize| texts(&shown["signature_schemes"][index]["schemes"], "");
    assert!(!schemes(0).contains(&"rsa_pkcs1_sha256") && schemes(1).contains(&"rsa_pkcs1_sha256"));
    let left_out: Vec<&Value> = shown["left_out"].as_array().unwrap().iter().collect();
    assert_eq!(left_out[0]["what"], "cipher suites");
    assert_eq!(left_out[0]["why"], "CBC mode");
    assert_eq!(left_out[0]["names"][0], "ECDHE-ECDSA-AES128-SHA256");
    assert_eq!(left_out[1]["names"][0], "SecP384r1MLKEM1024");
}

#[test]
fn list_has_all_policies_and_an_unknown_one_is_reported_with_them() {
    let names: Vec<&str> = EXPECTED.iter().map(|policy| policy.name).collect();
    let listed = json(&["list"]);
    // Custom policies are sorted by name.
    assert_eq!(texts(&listed, "name")[..10], names[..10]);
    assert_eq!(texts(&listed, "name")[10..], ["classic", "mixed", "theirs"]);
    let (ok, text) = policy(&["list"]);
    assert!(ok && names.iter().all(|name| text.contains(name)), "{text}");
    let (ok, printed) = policy(&["show", "old"]);
    assert!(!ok && printed.starts_with("unknown policy \"old\" (expected one of TLS13-1-3-2021-06, "), "{printed}");
    let output = Command::new(PROGRAM).args(["policy", "list"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 10);
}

#[test]
fn what_is_left_out_of_a_policy_is_one_warning_and_with_strict_an_error() {
    let pki = pki();
    for policy in ["TLS13-1-2-2021-06", "TLS13-1-2-PQ-2025-09", "TLS-1-2-2017-01", "TLS-1-1-2017-01", "2016-08"] {
        let checked = check(pki.folder(), config(policy).split(OWN).next().unwrap());
        assert!(checked.ok, "{:?}", checked.errors);
        assert_eq!(checked.warnings.len(), 1, "{:?}", checked.warnings);
        let begin =
            format!("listener \"main\": policy \"{policy}\": only the part that tlsgate allows is served; left out: ");
        assert!(checked.warnings[0].starts_with(&begin), "{:?}", checked.warnings);
        assert!(checked.warnings[0].contains("ECDHE-RSA-AES256-SHA384"), "{:?}", checked.warnings);
        let path = pki.folder().join("tlsgate.toml").display().to_string();
        let strict = tool::run(PROGRAM, &["check", "--strict", "-c", &path], b"");
        assert_eq!(strict.status.code(), Some(1), "{}", tool::shown(&strict));
    }
    for policy in EXPECTED[..5].iter().map(|policy| policy.name) {
        let checked = check(pki.folder(), config(policy).split(OWN).next().unwrap());
        assert_eq!(checked.warnings, Vec::<String>::new());
    }
    let proxy = Proxy::start(pki.folder(), &config("2016-08"));
    proxy.log_line(
        "policy \"2016-08\": only the part that tlsgate allows is served; left out: TLSv1.1, TLSv1 (deprecated",
    );
    proxy.log_line("policy \"mixed\": no listener or backend uses it");
}

#[test]
fn the_admin_api_has_ones_own_too() {
    let pki = pki();
    let proxy = Proxy::start(pki.folder(), &config("mixed"));
    let door = Door::unix(pki.folder());
    let shown = door.get("/api/v1/policies").json();
    let mixed = shown["policies"].as_array().unwrap().iter().find(|policy| policy["name"] == "mixed").unwrap();
    assert_eq!(mixed["listeners"], serde_json::json!(["main"]));
    assert_eq!(mixed["built_in"], false);
    assert_eq!(mixed["ciphers"][2], "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256");
    let config = door.get("/api/v1/config").json();
    assert_eq!(config["policy"]["theirs"]["cipher_order"], "client");
    assert_eq!(config["policy"]["mixed"]["groups"], serde_json::json!(["secp384r1", "x25519"]));
    drop(proxy);
}
