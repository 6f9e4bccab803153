//! What is shown of a certificate's chain, up to a root.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use super::{cert, one};
use crate::support::pki::{Key, Pki, generate};

/// A root, an intermediate below it, and a certificate below that, as PEM.
struct Three {
    folder: tempfile::TempDir,
    root: String,
    middle: String,
    leaf: String,
}

impl Three {
    fn new() -> Self {
        let (root_key, middle_key, leaf_key) = (generate(Key::P521), generate(Key::P384), generate(Key::P256));
        let named = |name: &str, ca: bool| {
            let mut params = CertificateParams::new(if ca { vec![] } else { vec![name.to_owned()] }).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
            params
        };
        let (root_params, middle_params) = (named("root", true), named("middle", true));
        let root = root_params.self_signed(&root_key).unwrap().pem();
        let root_issuer: Issuer<'_, KeyPair> = Issuer::new(root_params, root_key);
        let middle = middle_params.signed_by(&middle_key, &root_issuer).unwrap().pem();
        let middle_issuer = Issuer::new(middle_params, middle_key);
        let leaf = named("leaf.test", false).signed_by(&leaf_key, &middle_issuer).unwrap().pem();
        Self { folder: tempfile::TempDir::new().unwrap(), root, middle, leaf }
    }

    fn chain(&self, parts: &[&String], ca: Option<&String>) -> Value {
        let path = self.folder.path().join("chain.crt");
        fs::write(&path, parts.iter().map(|part| part.as_str()).collect::<String>()).unwrap();
        let roots = self.folder.path().join("roots.pem");
        // An unrelated root, if the case needs none.
        let other = || Three::other_root();
        fs::write(&roots, ca.cloned().unwrap_or_else(other)).unwrap();
        one(&path, &["--ca", roots.to_str().unwrap()])["chain"].clone()
    }

    fn other_root() -> String {
        fs::read_to_string(Pki::new().ca()).unwrap()
    }
}

#[test]
fn a_chain_is_followed_and_its_faults_are_reported() {
    let three = Three::new();
    let Three { root, middle, leaf, .. } = &three;
    for (parts, ca, end, in_order, length) in [
        (&[leaf, middle][..], Some(root), "complete", true, 2),
        (&[leaf, middle], None, "open", true, 2),
        (&[leaf], Some(root), "open", true, 1),
        (&[leaf], Some(middle), "complete", true, 1),
        (&[leaf, middle, root], None, "root_included", true, 3),
        (&[leaf, root, middle], None, "root_included", false, 3),
        (&[middle, leaf], Some(root), "complete", false, 2),
        (&[root], None, "self_signed", true, 1),
    ] {
        let chain = three.chain(parts, ca);
        assert_eq!(chain["end"], end, "{chain:#}");
        assert_eq!((&chain["in_order"], &chain["length"]), (&json!(in_order), &json!(length)), "{chain:#}");
        for issuer in chain["issuers"].as_array().unwrap() {
            assert_eq!(issuer["verifies_previous"], true, "{chain:#}");
        }
    }
    // The issuer's name with another key, and an unrelated certificate.
    let strange = Three::new();
    let chain = three.chain(&[leaf, &strange.middle], Some(root));
    assert_eq!(chain["issuers"][0]["verifies_previous"], false);
    let path = three.folder.path().join("chain.crt");
    let text = String::from_utf8(cert(&["show", path.to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("CN=middle (ECDSA P-384): DID NOT SIGN THE PREVIOUS CERTIFICATE"), "{text}");
    let other = Three::other_root();
    let chain = three.chain(&[leaf, middle, &other], Some(root));
    assert_eq!(chain["not_part_of_it"], json!(["CN=tlsgate test CA"]));
    assert_eq!(chain["in_order"], false);
}

#[test]
fn an_intermediate_that_has_expired_stands_out() {
    let (root_key, leaf_key) = (generate(Key::P384), generate(Key::P256));
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.distinguished_name.push(DnType::CommonName, "middle");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (ca.not_before, ca.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    let folder = tempfile::TempDir::new().unwrap();
    let root = Issuer::new(CertificateParams::new(vec![]).unwrap(), root_key);
    let middle_key = generate(Key::P256);
    let middle = ca.signed_by(&middle_key, &root).unwrap().pem();
    let leaf = CertificateParams::new(vec!["leaf.test".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(ca, middle_key)).unwrap().pem();
    let path = folder.path().join("chain.crt");
    fs::write(&path, leaf + &middle).unwrap();
    let shown = cert(&["show", path.to_str().unwrap(), "--expires-within", "0s"]);
    assert_eq!(shown.status.code(), Some(1));
    let text = String::from_utf8(shown.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("CN=middle (ECDSA P-256): signed the one before")).unwrap();
    assert!(line.contains("2020-01-01T00:00:00Z to 2021-01-01T00:00:00Z, EXPIRED "), "{text}");
}
