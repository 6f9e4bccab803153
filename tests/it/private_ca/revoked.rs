//! Revocation: lists that OpenSSL, GnuTLS and tlsgate read, with rising numbers; and new issuing certificates.

use std::fs;
use std::path::Path;

use super::{Ca, gnutls_verifies, openssl_verifies};
use crate::support::check::check;
use crate::support::tool::{self, shown};

/// The number of a list, whose signature is the issuer's after which its file is named.
fn number(ca: &Ca, list: &Path) -> u64 {
    let issuer = ca.text(&format!("ca/issuing/{}.pem", list.file_stem().unwrap().to_str().unwrap()));
    let list = list.to_str().unwrap();
    let output = tool::run("openssl", &["crl", "-inform", "DER", "-noout", "-crlnumber", "-in", list], b"");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let hex = text.trim().rsplit(['=', 'x']).next().unwrap().to_owned();
    let number = u64::from_str_radix(&hex, 16).unwrap_or_else(|_| panic!("{}", shown(&output)));
    let pem = tool::run("openssl", &["crl", "-inform", "DER", "-in", list], b"").stdout;
    let verified = tool::run("certtool", &["--verify-crl", "--load-ca-certificate", &issuer], &pem);
    assert!(verified.status.success(), "{}", shown(&verified));
    number
}

/// The serial numbers of the issuing certificates, the newest last.
fn issuers(ca: &Ca) -> Vec<String> {
    let issuers = ca.all().into_iter().filter(|record| record["role"] == "issuing");
    let mut issuers: Vec<_> = issuers.map(|record| (record["subject"].as_str().unwrap().to_owned(), record)).collect();
    issuers.sort_by(|one, other| one.0.cmp(&other.0));
    issuers.into_iter().map(|(_, record)| record["serial_number"].as_str().unwrap().to_owned()).collect()
}

fn serial(ca: &Ca, name: &str) -> String {
    let list = ca.list();
    let record = list.iter().find(|record| record["names"][0] == name).unwrap();
    record["serial_number"].as_str().unwrap().to_owned()
}

/// With the lists.
fn accepted(ca: &Ca, chain: &Path) -> bool {
    let (issuers, lists) = (ca.path("ca/issuers.pem"), ca.text("ca/crl.pem"));
    let by_openssl = openssl_verifies(&issuers, chain, &["-crl_check_all", "-CRLfile", &lists]);
    assert_eq!(by_openssl, gnutls_verifies(&issuers, chain, &["--load-crl", &lists]), "{}", chain.display());
    by_openssl
}

#[test]
fn what_is_revoked_is_on_the_list_of_its_issuer_with_its_reason() {
    let ca = Ca::new(&[]);
    let chains = ["a.test", "b.test", "c.test"].map(|name| ca.issue(name, &[]));
    assert!(chains.iter().all(|chain| accepted(&ca, chain)));
    let list = ca.path(&format!("ca/crl/{}.crl", issuers(&ca)[0]));
    let first = number(&ca, &list);
    ca.does(&["revoke", "ca", chains[0].to_str().unwrap(), "--reason", "key-compromise"]);
    let second = number(&ca, &list);
    assert!(second > first);
    assert_eq!(chains.each_ref().map(|chain| accepted(&ca, chain)), [false, true, true]);
    // By number, as other programs write it, in lower case and with colons.
    let plain = serial(&ca, "b.test");
    let pairs: Vec<String> = plain.as_bytes().chunks(2).map(|pair| String::from_utf8(pair.to_vec()).unwrap()).collect();
    ca.does(&["revoke", "ca", &pairs.join(":").to_lowercase()]);
    assert_eq!(chains.each_ref().map(|chain| accepted(&ca, chain)), [false, false, true]);
    assert!(number(&ca, &list) > second);
    let text = tool::run("openssl", &["crl", "-inform", "DER", "-noout", "-text", "-in", list.to_str().unwrap()], b"");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains(&plain) && text.contains("Key Compromise"), "{text}");
    let states: Vec<_> = ca
        .list()
        .iter()
        .map(|record| (record["names"][0].clone(), record["state"].clone(), record["reason"].clone()))
        .collect();
    assert!(states.contains(&("a.test".into(), "revoked".into(), "key-compromise".into())), "{states:?}");
    assert!(states.contains(&("c.test".into(), "valid".into(), serde_json::Value::Null)), "{states:?}");
}

#[test]
fn revoking_twice_changes_nothing_but_writes_the_lists() {
    let ca = Ca::new(&[]);
    let chain = ca.issue("a.test", &[]);
    ca.does(&["revoke", "ca", chain.to_str().unwrap(), "--reason", "superseded"]);
    fs::remove_file(ca.path("ca/crl.pem")).unwrap();
    ca.does(&["revoke", "ca", chain.to_str().unwrap(), "--reason", "key-compromise"]);
    assert_eq!(ca.list()[0]["reason"], "superseded");
    assert!(!accepted(&ca, &chain));
}

#[test]
fn what_this_authority_did_not_issue_cannot_be_revoked() {
    let (ca, other) = (Ca::new(&[]), Ca::new(&[]));
    let foreign = other.issue("a.test", &[]);
    let before = fs::read(ca.path("ca/authority.json")).unwrap();
    let error = ca.refuses(&["revoke", "ca", foreign.to_str().unwrap()]);
    assert!(error.contains("not issued by this authority"), "{error}");
    for (what, words) in [
        (&*serial(&other, "a.test"), "found no certificate"),
        ("nowhere.crt", "found no certificate"),
        ("ca/ca.pem", "root cannot be revoked"),
        ("ca/ca.key", "ca/ca.key: is no certificate"),
    ] {
        let error = ca.refuses(&["revoke", "ca", what]);
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(ca.run(&["revoke", "ca", "00", "--reason", "bored"]).status.code(), Some(2));
    assert_eq!(fs::read(ca.path("ca/authority.json")).unwrap(), before);
}

#[test]
fn a_certificate_whose_record_is_lost_can_still_be_revoked_by_its_file() {
    let ca = Ca::new(&[]);
    let chain = ca.issue("a.test", &[]);
    fs::remove_file(ca.path(&format!("ca/issued/{}.pem", serial(&ca, "a.test")))).unwrap();
    assert!(ca.list().is_empty());
    ca.does(&["revoke", "ca", chain.to_str().unwrap()]);
    assert!(!accepted(&ca, &chain));
    assert_eq!(ca.list()[0]["state"], "revoked");
}

#[test]
fn a_new_issuing_certificate_takes_over_and_the_old_ones_list_goes_on() {
    let ca = Ca::new(&[]);
    let old = ["a.test", "b.test"].map(|name| ca.issue(name, &[]));
    ca.does(&["renew", "ca", "--key", "rsa-2048"]);
    let new = ca.issue("c.test", &[]);
    let pem = |path: &Path| fs::read_to_string(path).unwrap();
    let issuer = |chain: &Path| pem(chain).split_inclusive("-----END CERTIFICATE-----\n").nth(1).unwrap().to_owned();
    assert_eq!(issuer(&old[0]), issuer(&old[1]));
    assert_ne!(issuer(&old[0]), issuer(&new));
    assert!(old.iter().chain([&new]).all(|chain| accepted(&ca, chain)));
    ca.does(&["revoke", "ca", old[0].to_str().unwrap()]);
    ca.does(&["revoke", "ca", &serial(&ca, "c.test")]);
    assert_eq!([&old[0], &old[1], &new].map(|chain| accepted(&ca, chain)), [false, true, false]);
    assert_eq!(issuers(&ca).len(), 2);
    assert_eq!(pem(&ca.path("ca/crl.pem")).matches("-----BEGIN X509 CRL").count(), 3);
}

#[test]
fn a_revoked_issuing_certificate_takes_everything_with_it_and_can_be_replaced() {
    let ca = Ca::new(&[]);
    let chain = ca.issue("a.test", &[]);
    let issuing = issuers(&ca).remove(0);
    // The root's key is kept elsewhere: what does not need it works, and what does says so and changes nothing.
    fs::rename(ca.path("ca/ca.key"), ca.path("away")).unwrap();
    ca.does(&["crl", "ca"]);
    ca.does(&["revoke", "ca", &serial(&ca, "a.test")]);
    for command in [&["revoke", "ca", &issuing][..], &["renew", "ca"]] {
        let error = ca.refuses(command);
        assert!(error.contains("ca/ca.key"), "{error}");
    }
    assert_eq!(ca.all()[0]["state"], "valid");
    fs::rename(ca.path("away"), ca.path("ca/ca.key")).unwrap();
    let other = ca.issue("b.test", &[]);
    assert!(accepted(&ca, &other));
    ca.does(&["revoke", "ca", &issuing, "--reason", "ca-compromise"]);
    assert!(!accepted(&ca, &chain) && !accepted(&ca, &other));
    let error = ca.refuses(&["issue", "ca", "c.test"]);
    assert!(error.contains("revoked") && error.contains("ca renew"), "{error}");
    ca.does(&["renew", "ca"]);
    let new = ca.issue("c.test", &[]);
    assert!(accepted(&ca, &new) && !accepted(&ca, &other));
}

#[test]
fn lists_are_renewed_and_copied() {
    let ca = Ca::new(&["--crl-days", "3"]);
    let until = |file: &str| {
        let output = tool::run(
            "openssl",
            &["crl", "-noout", "-nextupdate", "-dateopt", "iso_8601", "-inform", "DER", "-in", &ca.text(file)],
            b"",
        );
        assert!(output.status.success(), "{}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = format!("ca/crl/{}.crl", issuers(&ca)[0]);
    let (short, first) = (until(&list), number(&ca, &ca.path(&list)));
    ca.does(&["crl", "ca", "--days", "60", "--out", "copy.pem"]);
    assert_ne!(until(&list), short);
    assert_eq!(number(&ca, &ca.path(&list)), first + 1);
    assert_eq!(fs::read(ca.path("copy.pem")).unwrap(), fs::read(ca.path("ca/crl.pem")).unwrap());
    // tlsgate takes them as they are.
    ca.issue("main.test", &[]);
    let config = "[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\ncertificates = [\"certs\"]\nbackend = \"b\"\n\
                  client_auth = { mode = \"require\", ca = \"ca/issuers.pem\", crl = [\"copy.pem\"] }\n\
                  [backend.b]\nservers = [\"127.0.0.1:1\"]\n";
    let checked = check(ca.folder.path(), config);
    assert!(checked.ok && checked.warnings.is_empty(), "{:?} {:?}", checked.errors, checked.warnings);
}
