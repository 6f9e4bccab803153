//! One certificate in several files, a chain in a file of its own, and where a key was found.

use std::fs;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use super::config;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::PROGRAM;

/// The output of `cert list` for the configuration that was checked last.
fn listed(pki: &Pki) -> Vec<Value> {
    let path = pki.folder().join("tlsgate.toml");
    let output = Command::new(PROGRAM).args(["cert", "list", "--format", "json", "-c"]).arg(path).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["errors"], serde_json::json!([]));
    report["certificates"].as_array().unwrap().clone()
}

/// The PEM of leaf, intermediate and key.
fn chain() -> (String, String, String) {
    let ca = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (root, middle, leaf) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = Issuer::new(ca("Root"), root);
    let above = ca("Middle").signed_by(&middle, &root).unwrap().pem();
    let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let below = params.signed_by(&leaf, &Issuer::new(ca("Middle"), middle)).unwrap().pem();
    (below, above, leaf.serialize_pem())
}

#[test]
fn of_the_same_certificate_the_longer_chain_counts_whatever_comes_first() {
    let (leaf, intermediate, key) = chain();
    let whole = format!("{leaf}{intermediate}");
    for (short, long) in [("cert", "fullchain"), ("site.a", "site.b"), ("site.b", "site.a")] {
        let pki = Pki::new();
        let certs = pki.folder().join("certs");
        fs::create_dir(&certs).unwrap();
        write_private(&certs.join(format!("{short}.pem")), &format!("{leaf}{key}"));
        write_private(&certs.join(format!("{long}.pem")), &format!("{whole}{key}"));
        let checked = check(pki.folder(), &config("[\"certs\"]"));
        assert_eq!(checked.report["listeners"][0]["certificates"], 1, "{:?}", checked.errors);
        assert_eq!(checked.warnings, Vec::<String>::new());
        let shown = listed(&pki);
        assert_eq!((shown.len(), &shown[0]["chain"]["length"]), (1, &2.into()), "{short} and {long}");
        assert!(shown[0]["path"].as_str().unwrap().ends_with(&format!("{long}.pem")));
    }
    // A pair that is named, and a folder that contains it too.
    let pki = Pki::new();
    fs::create_dir(pki.folder().join("certs")).unwrap();
    write_private(&pki.folder().join("certs/a.pem"), &format!("{whole}{key}"));
    fs::write(pki.folder().join("leaf.crt"), &leaf).unwrap();
    write_private(&pki.folder().join("leaf.key"), &key);
    let pair = "{ cert = \"leaf.crt\", key = \"leaf.key\" }";
    for sources in [format!("[{pair}, \"certs\"]"), format!("[\"certs\", {pair}]")] {
        assert!(check(pki.folder(), &config(&sources)).ok);
        let shown = listed(&pki);
        assert_eq!((shown.len(), &shown[0]["chain"]["length"]), (1, &2.into()), "{sources}");
    }
}

#[test]
fn a_chain_may_be_in_a_file_of_its_own() {
    let (leaf, intermediate, key) = chain();
    let pki = Pki::new();
    for (name, text) in [("a.crt", &leaf), ("chain.pem", &intermediate), ("a.key", &key)] {
        write_private(&pki.folder().join(name), text);
    }
    let with = |chain: &str| config(&format!("[{{ cert = \"a.crt\", key = \"a.key\", chain = {chain} }}]"));
    let checked = check(pki.folder(), &with("\"chain.pem\""));
    assert!(checked.ok && checked.warnings.is_empty(), "{:?} {:?}", checked.errors, checked.warnings);
    assert_eq!(listed(&pki)[0]["chain"]["length"], 2);
    for (chain, message) in [
        ("\"gone.pem\"", "gone.pem: no such file"),
        ("\"a.key\"", "a.key: no certificate found"),
        ("\"\"", "found a table, expected"),
        ("1", "found a table, expected"),
    ] {
        let checked = check(pki.folder(), &with(chain));
        assert!(!checked.ok && checked.errors.join("\n").contains(message), "{chain}: {:?}", checked.errors);
    }
}

#[test]
fn the_list_shows_the_file_of_the_key() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test"], Key::P256, &Extra::default());
    let (certificate, key) = pki.pair(&["b.test"], Key::P256, &Extra::default());
    write_private(&pki.folder().join("certs/b.pem"), &(certificate + &key));
    assert!(check(pki.folder(), &config("[\"certs\"]")).ok);
    let keys: Vec<Value> = listed(&pki).iter().map(|shown| shown["private_key"]["path"].clone()).collect();
    let path = |name: &str| Value::from(pki.folder().join("certs").join(name).display().to_string());
    assert_eq!(keys, [path("a.key"), path("b.pem")]);
}

#[test]
fn check_lists_the_files_that_it_takes() {
    let pki = Pki::new();
    pki.write("certs", "a", &["a.test", "b.test"], Key::P256, &Extra::default());
    let (certificate, key) = pki.pair(&["c.test"], Key::P256, &Extra::default());
    write_private(&pki.folder().join("certs/c.pem"), &(certificate + &key));
    let files = check(pki.folder(), &config("[\"certs\"]")).report["listeners"][0]["files"].clone();
    let path = |name: &str| pki.folder().join("certs").join(name).display().to_string();
    let taken = |certificate: &str, key: &str, names: &[&str]| serde_json::json!({ "certificate": path(certificate), "private_key": path(key), "names": names });
    let expected = [taken("a.crt", "a.key", &["a.test", "b.test"]), taken("c.pem", "c.pem", &["c.test"])];
    assert_eq!(files, serde_json::json!(expected));
    let config = pki.folder().join("tlsgate.toml");
    let output = Command::new(PROGRAM).args(["check", "-c"]).arg(config).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("{} with {} for a.test and 1 more", path("a.crt"), path("a.key"))), "{text}");
}

/// Adds the place from which the issuer's certificate can be fetched (RFC 5280 section 4.2.2.1).
fn naming_its_issuer(mut params: CertificateParams) -> CertificateParams {
    let url = b"http://ca.test/x";
    let id_ad_ca_issuers = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2];
    let length = u8::try_from(id_ad_ca_issuers.len() + 2 + url.len()).unwrap();
    let front = [0x30, length + 2, 0x30, length];
    let location = [0x86, u8::try_from(url.len()).unwrap()];
    let value = [&front[..], &id_ad_ca_issuers, &location, url].concat();
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], value)];
    params
}

#[test]
fn a_certificate_whose_issuer_is_nowhere_is_named() {
    let (leaf, intermediate, key) = chain();
    let certs = |pki: &Pki, text: &str| {
        fs::create_dir(pki.folder().join("certs")).unwrap();
        fs::write(pki.folder().join("certs/a.crt"), text).unwrap();
        write_private(&pki.folder().join("certs/a.key"), &key);
        check(pki.folder(), &config("[\"certs\"]"))
    };
    let alone = certs(&Pki::new(), &leaf);
    let notes = alone.report["notes"].as_array().unwrap();
    assert_eq!((notes.len(), alone.warnings.len()), (1, 0), "{:?}", alone.report);
    assert!(
        notes[0].as_str().unwrap().contains("a.crt: is sent alone") && notes[0].as_str().unwrap().contains("CN=Middle")
    );
    let whole = certs(&Pki::new(), &format!("{leaf}{intermediate}"));
    assert_eq!((&whole.report["notes"], whole.warnings.len()), (&serde_json::json!([]), 0), "{:?}", whole.report);
    // If an authority names the place of its certificate, it expects servers to send that certificate.
    let (root, pair) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&root).unwrap().pem();
    let named = naming_its_issuer(CertificateParams::new(vec!["a.test".to_owned()]).unwrap());
    let leaf = named.signed_by(&pair, &Issuer::new(params, root)).unwrap().pem();
    let pki = Pki::new();
    fs::create_dir(pki.folder().join("certs")).unwrap();
    fs::write(pki.folder().join("certs/a.crt"), leaf).unwrap();
    write_private(&pki.folder().join("certs/a.key"), &pair.serialize_pem());
    let checked = check(pki.folder(), &config("[\"certs\"]"));
    assert_eq!(checked.warnings.len(), 1, "{:?}", checked.report);
    assert!(checked.warnings[0].contains("a.crt: is sent without its issuer's certificate"), "{:?}", checked.warnings);
    assert!(checked.warnings[0].contains("http://ca.test/x"), "{:?}", checked.warnings);
    // It is a root, which clients already have.
    fs::write(pki.folder().join("certs/ca.crt"), authority).unwrap();
    let checked = check(pki.folder(), &config("[\"certs\"]"));
    assert_eq!((&checked.report["notes"], checked.warnings.len()), (&serde_json::json!([]), 0), "{:?}", checked.report);
}
