//! One certificate in several files, a chain in a file of its own, and where a key was found.

use std::fs;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use super::config;
use crate::support::check::check;
use crate::support::pki::{Extra, Key, Pki, write_private};
use crate::support::proxy::PROGRAM;

/// What `cert list` shows of the certificates of the configuration that was checked last.
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
    // A pair that is named and a folder that has it, too.
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
    for (chain, said) in [
        ("\"gone.pem\"", "gone.pem: no such file"),
        ("\"a.key\"", "a.key: no certificate found"),
        ("\"\"", "found a table, expected"),
        ("1", "found a table, expected"),
    ] {
        let checked = check(pki.folder(), &with(chain));
        assert!(!checked.ok && checked.errors.join("\n").contains(said), "{chain}: {:?}", checked.errors);
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
