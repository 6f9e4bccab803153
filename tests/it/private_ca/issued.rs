//! What is in certificates: names, purpose, validity, identifiers; and who accepts them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::X509Certificate;

use super::{Ca, gnutls_verifies, openssl_verifies};
use crate::support::tool::{self, shown};

const KINDS: [&str; 5] = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"];

/// The certificates of a PEM file.
fn ders(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> X509Certificate<'a> {
    x509_parser::parse_x509_certificate(der).unwrap().1
}

fn key_id(certificate: &X509Certificate<'_>, of_issuer: bool) -> Vec<u8> {
    let ids = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) if !of_issuer => Some(id.0.to_vec()),
        ParsedExtension::AuthorityKeyIdentifier(id) if of_issuer => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    });
    ids.unwrap()
}

#[test]
fn every_kind_of_authority_issues_what_openssl_and_gnutls_accept() {
    for kind in ["ecdsa-p256", "ecdsa-p384", "rsa-2048"] {
        let ca = Ca::new(&["--key", kind]);
        let root = ca.path("ca/ca.pem");
        let kinds = if kind == "ecdsa-p256" { &KINDS[..] } else { &KINDS[..1] };
        for key in kinds {
            let chain = ca.issue("web.test", &["--key", key]);
            assert!(chain.ends_with(format!("certs/web.test.{key}/tls.crt")));
            assert!(
                openssl_verifies(&root, &chain, &["-purpose", "sslserver", "-verify_hostname", "web.test"]),
                "{key}"
            );
            assert!(gnutls_verifies(&root, &chain, &["--verify-hostname", "web.test"]), "{kind} {key}");
            assert!(!openssl_verifies(&root, &chain, &["-verify_hostname", "other.test"]));
            assert!(!openssl_verifies(&root, &chain, &["-purpose", "sslclient"]));
            // The key beside it is its own.
            let pair = chain.parent().unwrap();
            let public = |options: &[&str], file: &str| {
                let output =
                    tool::run("openssl", &[options, &["-in", pair.join(file).to_str().unwrap()]].concat(), b"");
                assert!(output.status.success(), "{}", shown(&output));
                output.stdout
            };
            assert_eq!(public(&["x509", "-noout", "-pubkey"], "tls.crt"), public(&["pkey", "-pubout"], "tls.key"));
        }
        let client = ca.issue("alice", &["--client"]);
        assert!(openssl_verifies(&root, &client, &["-purpose", "sslclient"]));
        assert!(!openssl_verifies(&root, &client, &["-purpose", "sslserver"]));
    }
}

#[test]
fn several_kinds_of_key_are_one_command() {
    let ca = Ca::new(&[]);
    ca.does(&["issue", "ca", "*.apps.test", "10.0.0.1", "--key", "ecdsa-p384", "--key", "rsa-2048", "--out", "certs"]);
    for kind in ["ecdsa-p384", "rsa-2048"] {
        let chain = ca.path(&format!("certs/_.apps.test.{kind}/tls.crt"));
        assert!(openssl_verifies(&ca.path("ca/ca.pem"), &chain, &["-verify_hostname", "x.apps.test"]));
        assert!(openssl_verifies(&ca.path("ca/ca.pem"), &chain, &["-verify_ip", "10.0.0.1"]));
    }
}

#[test]
fn extensions_are_those_of_rfc_5280() {
    let ca = Ca::new(&["--crl-url", "http://crl.test/lists", "--name", "Some CA"]);
    let (root, chain) = (ders(&ca.path("ca/ca.pem")), ders(&ca.issue("web.test", &["--key", "rsa-2048"])));
    assert_eq!((root.len(), chain.len()), (1, 2), "the root is not sent");
    let (root, leaf, issuing) = (parse(&root[0]), parse(&chain[0]), parse(&chain[1]));
    assert_eq!(root.subject().to_string(), "CN=Some CA");
    let constraints = |certificate: &X509Certificate<'_>| {
        let extension = certificate.basic_constraints().unwrap().unwrap();
        assert!(extension.critical);
        (extension.value.ca, extension.value.path_len_constraint)
    };
    assert_eq!([&root, &issuing, &leaf].map(constraints), [(true, Some(1)), (true, Some(0)), (false, None)]);
    let usage = |certificate: &X509Certificate<'_>| {
        let extension = certificate.key_usage().unwrap().unwrap();
        assert!(extension.critical);
        extension.value.to_string()
    };
    assert_eq!(usage(&root), usage(&issuing));
    assert!(usage(&root).contains("Key Cert Sign") && usage(&root).contains("CRL Sign"), "{}", usage(&root));
    assert_eq!(usage(&leaf), "Digital Signature, Key Encipherment");
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth && !extended.any && extended.other.is_empty());
    assert_eq!(key_id(&leaf, true), key_id(&issuing, false));
    assert_eq!(key_id(&issuing, true), key_id(&root, false));
    assert_ne!(key_id(&leaf, false), key_id(&issuing, false));
    // At most 20 bytes, at least 64 random bits.
    for certificate in [&root, &issuing, &leaf] {
        assert!((9..=20).contains(&certificate.raw_serial().len()), "{:?}", certificate.raw_serial());
    }
    for (certificate, issuer) in [(&leaf, &issuing), (&issuing, &root)] {
        let serial = issuer.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        let url = format!("http://crl.test/lists/{serial}.crl");
        let found = certificate.extensions().iter().any(|extension| match extension.parsed_extension() {
            ParsedExtension::CRLDistributionPoints(points) => format!("{points:?}").contains(&url),
            _ => false,
        });
        assert!(found, "{url}");
        assert!(ca.path(&format!("ca/crl/{serial}.crl")).exists(), "what is to be published there is there");
    }
    // Without a URL there is no such extension.
    let plain = Ca::new(&[]);
    let chain = ders(&plain.issue("web.test", &[]));
    let points = |extension: &x509_parser::prelude::X509Extension<'_>| {
        matches!(extension.parsed_extension(), ParsedExtension::CRLDistributionPoints(_))
    };
    assert!(chain.iter().all(|der| !parse(der).extensions().iter().any(points)));
}

#[test]
fn no_serial_number_comes_twice_and_each_is_listed() {
    let ca = Ca::new(&[]);
    let mut serials = BTreeSet::new();
    for _ in 0..20 {
        let chain = ders(&ca.issue("web.test", &[]));
        serials.insert(parse(&chain[0]).raw_serial_as_string().replace(':', "").to_uppercase());
    }
    assert_eq!(serials.len(), 20);
    let listed: BTreeSet<String> =
        ca.list().iter().map(|record| record["serial_number"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, serials);
}

#[test]
fn no_certificate_ends_after_its_issuer() {
    let ca = Ca::new(&["--days", "30", "--issuing-days", "400"]);
    let ends = |path: &Path| -> Vec<i64> {
        ders(path).iter().map(|der| parse(der).validity().not_after.timestamp()).collect()
    };
    let root = ends(&ca.path("ca/ca.pem"))[0];
    let long = ends(&ca.issue("long.test", &["--days", "90"]));
    assert_eq!(long, [root, root]);
    let short = ends(&ca.issue("short.test", &["--days", "7"]));
    assert!(root - short[0] >= 22 * 86_400, "{short:?} {root}");
    let list = ca.list();
    let left =
        |name: &str| list.iter().find(|record| record["names"][0] == name).unwrap()["days_left"].as_i64().unwrap();
    // One less as soon as a second has passed.
    assert!([29, 30].contains(&left("long.test")) && [6, 7].contains(&left("short.test")), "{list:?}");
}

#[test]
fn what_is_not_permitted_is_neither_issued_nor_accepted() {
    let ca = Ca::new(&["--permit", "internal", "--permit", "10.0.0.0/8"]);
    let root = ca.path("ca/ca.pem");
    for name in ["web.internal", "*.apps.internal", "internal", "10.1.2.3"] {
        let chain = ca.issue(name, &[]);
        assert!(openssl_verifies(&root, &chain, &[]), "{name}");
        assert!(gnutls_verifies(&root, &chain, &[]), "{name}");
    }
    for name in ["web.test", "notinternal", "11.0.0.1", "fd00::1"] {
        let error = ca.refuses(&["issue", "ca", name, "--out", "certs"]);
        assert!(error.contains(name) && error.contains("internal, 10.0.0.0/8"), "{error}");
    }
    // The constraint is in the certificates, so that others enforce it too.
    for path in ["ca/ca.pem", "ca/issuers.pem"] {
        for der in ders(&ca.path(path)) {
            let certificate = parse(&der);
            let extension = certificate.name_constraints().unwrap().unwrap();
            assert!(extension.critical);
            let permitted = extension.value.permitted_subtrees.as_ref().unwrap();
            assert!(permitted.iter().any(|subtree| subtree.base == GeneralName::DNSName("internal")));
            assert_eq!(extension.value.excluded_subtrees.as_ref().unwrap().len(), 1, "all of IPv6");
        }
    }
    let client = ca.issue("alice", &["--client"]);
    assert!(openssl_verifies(&root, &client, &["-purpose", "sslclient"]));
}

#[test]
fn clients_names_are_of_many_kinds() {
    let ca = Ca::new(&[]);
    let names = ["cn:Alice A.", "alice@test.test", "spiffe://test/alice", "dns:alice.test"];
    ca.does(&[&["issue", "ca", "--client", "--out", "certs"], &names[..]].concat());
    let chain = ders(&ca.path("certs/Alice_A..ecdsa-p256/tls.crt"));
    let leaf = parse(&chain[0]);
    assert_eq!(leaf.subject().to_string(), "CN=Alice A.");
    let found = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
    let expected = [
        GeneralName::RFC822Name("alice@test.test"),
        GeneralName::URI("spiffe://test/alice"),
        GeneralName::DNSName("alice.test"),
    ];
    assert_eq!(found[..], expected);
    for wrong in [&["web.test", "--key", "dsa"][..], &["web.test", "--days", "0"], &[]] {
        let output = ca.run(&[&["issue", "ca"], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    }
    for wrong in ["a b", "*.*.test", "cn:only"] {
        let error = ca.refuses(&["issue", "ca", wrong, "--out", "certs"]);
        assert!(error.starts_with("error: "), "{error}");
    }
    assert_eq!(fs::read_dir(ca.path("ca/issued")).unwrap().count(), 1);
}
