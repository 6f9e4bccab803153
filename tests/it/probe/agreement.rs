//! Suite by suite and version by version, the probe reports what sslscan reports.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::servers::{nginx, openssl, pair};
use super::{NAME, probe};
use crate::support::backend::Backend;
use crate::support::pki::{Key, Pki};
use crate::support::proxy::Proxy;
use crate::support::tool;

/// A version and a suite, with its number and OpenSSL's name.
type Suites = BTreeSet<(String, String, String)>;

/// The findings of a scanner.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    versions: BTreeSet<String>,
    suites: Suites,
    /// Of TLS 1.2 and 1.3, without the post-quantum ones, which sslscan does not know yet.
    groups: BTreeSet<(String, String)>,
}

/// The same, from sslscan's XML.
fn sslscan(address: SocketAddr) -> Found {
    let (name, address) = (format!("--sni-name={NAME}"), address.to_string());
    let arguments = ["--no-colour", "--no-heartbleed", "--xml=-", &name, &address];
    let output = tool::run("sslscan", &arguments, b"");
    assert!(output.status.success(), "{}", tool::shown(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let attribute = |element: &str, name: &str| {
        let value = element.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap());
        value.unwrap_or_else(|| panic!("no {name} in {element}")).to_owned()
    };
    let elements = |kind: &str| {
        let kind = format!("<{kind} ");
        text.split('<').map(|part| format!("<{part}")).filter(|part| part.starts_with(&kind)).collect::<Vec<_>>()
    };
    let protocols = elements("protocol");
    assert!(protocols.len() >= 5, "{text}");
    let versions = protocols.iter().filter(|element| attribute(element, "enabled") == "1").map(|element| {
        let version = attribute(element, "version");
        if attribute(element, "type") == "ssl" { format!("SSLv{version}") } else { format!("TLSv{version}") }
    });
    let suite = |element: &String| {
        let id = attribute(element, "id").to_lowercase();
        (attribute(element, "sslversion"), id, attribute(element, "cipher"))
    };
    let suites = elements("cipher").iter().map(suite).collect();
    let group = |element: &String| {
        let name = attribute(element, "name");
        (attribute(element, "sslversion"), name.split(' ').next().unwrap().to_owned())
    };
    let groups = elements("group").iter().map(group).collect();
    Found { versions: versions.collect(), suites, groups }
}

/// The same, from the probe.
fn probed(address: SocketAddr) -> Found {
    let found = probe(address, &["--format", "json"]);
    assert_eq!(found.code, 0, "{found:?}");
    let report = found.json();
    let (mut versions, mut suites, mut groups) = (BTreeSet::new(), Suites::new(), BTreeSet::new());
    for version in report["versions"].as_array().unwrap() {
        let name = version["version"].as_str().unwrap().to_owned();
        for suite in version["suites"].as_array().unwrap() {
            let text = |key: &str| suite[key].as_str().unwrap().to_owned();
            suites.insert((name.clone(), text("id"), text("openssl_name")));
        }
        if ["TLSv1.2", "TLSv1.3"].contains(&&*name) {
            let all = version["groups"].as_array().unwrap().iter().map(|group| group.as_str().unwrap());
            groups.extend(all.filter(|group| !group.contains("MLKEM")).map(|group| (name.clone(), group.to_owned())));
        }
        if version["accepted"] == true {
            versions.insert(name);
        }
    }
    Found { versions, suites, groups }
}

#[track_caller]
fn agree(address: SocketAddr, at_least: usize, versions: &[&str]) {
    agreement(&probed(address), &sslscan(address), at_least, versions);
}

#[track_caller]
fn agreement(ours: &Found, theirs: &Found, at_least: usize, versions: &[&str]) {
    let only = |a: &Suites, b: &Suites| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!(only(&ours.suites, &theirs.suites), [], "only the probe found these");
    assert_eq!(only(&theirs.suites, &ours.suites), [], "only sslscan found these");
    assert_eq!(ours.groups, theirs.groups);
    assert_eq!(ours, theirs);
    assert!(ours.suites.len() >= at_least, "only {} suites", ours.suites.len());
    assert_eq!(ours.versions, versions.iter().map(|version| (*version).to_owned()).collect());
}

const ALL_VERSIONS: &[&str] = &["TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

#[test]
fn on_openssl_with_everything_turned_on() {
    let pki = Pki::new();
    let (rsa, ec) = (pair(&pki, "rsa", Key::Rsa2048), pair(&pki, "ec", Key::P256));
    let path = |path: &std::path::PathBuf| path.to_str().unwrap().to_owned();
    let server = openssl(&[
        "-cert",
        &path(&rsa.certificate),
        "-key",
        &path(&rsa.key),
        "-dcert",
        &path(&ec.certificate),
        "-dkey",
        &path(&ec.key),
        "-cipher",
        "ALL:eNULL:@SECLEVEL=0",
    ]);
    agree(server.address, 120, ALL_VERSIONS);
}

#[test]
fn on_nginx_with_old_versions_and_suites() {
    let pki = Pki::new();
    let (rsa, ec) = (pair(&pki, "rsa", Key::Rsa2048), pair(&pki, "ec", Key::P256));
    let server = nginx(
        "http",
        &format!(
            "server {{
    listen LISTEN ssl;
    ssl_certificate {}; ssl_certificate_key {};
    ssl_certificate {}; ssl_certificate_key {};
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_ciphers ALL:@SECLEVEL=0;
    ssl_prefer_server_ciphers on;
}}",
            rsa.certificate.display(),
            rsa.key.display(),
            ec.certificate.display(),
            ec.key.display()
        ),
    );
    agree(server.address, 50, ALL_VERSIONS);
    let report = probe(server.address, &["--format", "json"]).json();
    for version in report["versions"].as_array().unwrap().iter().filter(|version| version["accepted"] == true) {
        assert_eq!(version["cipher_order"], "server", "{version}");
    }
    assert_eq!(report["alpn"], serde_json::json!(["http/1.1", "http/1.0", "http/0.9"]));
}

#[test]
fn on_nginx_with_one_suite_of_the_past() {
    let pki = Pki::new();
    let rsa = pair(&pki, "rsa", Key::Rsa2048);
    let server = nginx(
        "http",
        &format!(
            "server {{
    listen LISTEN ssl;
    ssl_certificate {}; ssl_certificate_key {};
    ssl_protocols TLSv1;
    ssl_ciphers AES128-SHA:@SECLEVEL=0;
}}",
            rsa.certificate.display(),
            rsa.key.display()
        ),
    );
    agree(server.address, 1, &["TLSv1.0"]);
    let text = probe(server.address, &[]).out;
    assert!(text.contains("TLS_RSA_WITH_AES_128_CBC_SHA"), "{text}");
    assert!(text.contains("! no forward secrecy"), "{text}");
    assert!(text.contains("certificate  RSA 2048, CN=probe.test"), "{text}");
}

#[test]
fn on_tlsgate() {
    let pki = Pki::new();
    pair(&pki, "rsa", Key::Rsa2048);
    pair(&pki, "ec", Key::P256);
    let proxy = proxy(&pki, "");
    let (ours, mut theirs) = (probed(proxy.address("main")), sslscan(proxy.address("main")));
    // Under TLS 1.2 sslscan 2.0 sees no groups if the server is rustls; 2.1 does.
    theirs.groups.retain(|(version, _)| version == "TLSv1.3");
    theirs.groups.extend(["x25519", "secp256r1", "secp384r1"].map(|group| ("TLSv1.2".to_owned(), group.to_owned())));
    agreement(&ours, &theirs, 7, &["TLSv1.2", "TLSv1.3"]);
}

#[test]
fn the_certificates_are_reported_with_all_that_matters() {
    let pki = Pki::new();
    let (rsa, ec) = (pair(&pki, "rsa", Key::Rsa2048), pair(&pki, "ec", Key::P384));
    pair(&pki, "ed", Key::Ed25519);
    let proxy = proxy(&pki, "");
    let ca = pki.ca();
    let found = probe(proxy.address("main"), &["--format", "json", "--ca", ca.to_str().unwrap()]);
    let report = found.json();
    let certificates = report["certificates"].as_array().unwrap();
    let keys: BTreeSet<_> = certificates.iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, BTreeSet::from(["ECDSA P-384", "Ed25519", "RSA 2048"]), "{found:?}");
    for (key, pair) in [("RSA 2048", rsa), ("ECDSA P-384", ec)] {
        let one = certificates.iter().find(|one| one["key"] == key).unwrap();
        let path = pair.certificate.to_str().unwrap();
        let output = tool::run("openssl", &["x509", "-in", path, "-noout", "-fingerprint", "-sha256"], b"");
        let sha256 = String::from_utf8(output.stdout).unwrap().trim().rsplit('=').next().unwrap().replace(':', "");
        assert_eq!(one["sha256"], sha256);
        let spki = format!("openssl x509 -in {path} -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum");
        let output = tool::run("sh", &["-c", &spki], b"");
        let spki = String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_uppercase();
        assert_eq!(one["spki_sha256"], spki);
        assert_eq!(one["names"], serde_json::json!([NAME]));
        assert_eq!(one["trust"]["verified"], true, "{one}");
        assert!((88..=90).contains(&one["days_left"].as_i64().unwrap()), "{one}");
    }
    // The system does not trust a CA that was just created.
    let report = probe(proxy.address("main"), &["--format", "json"]).json();
    assert!(report["certificates"].as_array().unwrap().iter().all(|one| one["trust"]["verified"] == false));
}

#[test]
fn a_server_that_rejects_unknown_names_is_seen_to_do_so() {
    let pki = Pki::new();
    pair(&pki, "ec", Key::P256);
    let proxy = proxy(&pki, "require_sni = true");
    let report = probe(proxy.address("main"), &["--format", "json"]).json();
    let reason = report["without_server_name"].as_str().unwrap();
    assert!(reason.starts_with("alert "), "{reason}");
    let address = proxy.address("main").to_string();
    let output = tool::run(super::PROGRAM, &["probe", &address], b"");
    assert_eq!(output.status.code(), Some(1), "{}", tool::shown(&output));
    assert!(tool::shown(&output).contains("no ClientHello of any version was accepted: alert "), "{output:?}");
}

/// tlsgate with the certificates in `certs`.
pub(super) fn proxy(pki: &Pki, listener: &str) -> Proxy {
    let config = format!(
        r#"
[[listener]]
name = "main"
listen = "127.0.0.1:0"
certificates = ["certs"]
backend = "echo"
{listener}

[backend.echo]
servers = ["{}"]
"#,
        Backend::echo().address
    );
    Proxy::start(pki.folder(), &config)
}
